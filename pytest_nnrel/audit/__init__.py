"""What is odd in a corpus: recordings that are there twice, and clips that are not what they seem.

The same recording in another codec, at another level, remastered or looped is no *other* original:
that a transformed clip is nearer to it says nothing against an encoder. `Corpus` refuses clips that
are equal sample by sample; here are those that are nearly so.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.audit.defects import LOWEST_EDGE_HZ, clipping, cut_off, offset, silence
from pytest_nnrel.audit.twins import COST, SAME, NearTwins, near_twins
from pytest_nnrel.experiment.keys import key_of
from pytest_nnrel.runtime.listing import a_few_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.experiment.study import Study

#: Share of silent blocks, and of samples at full scale, from which a clip is named.
_SILENT_SHARE, _CLIPPED_SHARE = 0.25, 1e-3
#: Mean over root mean square from which it is named: -20 dB.
_OFFSET = 0.1
#: Share of the bandwidth above which an edge is that of resampling to the corpus's own rate.
_WHOLE = 0.9
#: Findings of a kind that the text lists.
_LISTED = 10


@dataclass(frozen=True)
class Audit:
    """What is odd in a corpus.

    Attributes
    ----------
    corpus : str
        Its name.
    clips : int
    near_twins : tuple of NearTwins
        Recordings that are there twice, and clips that sound as if they were; the nearest first.
        Not of one group: relatives do not compete.
    consistency, without_twins : float
        C_W of the audio itself (DTW) under pink noise of 30 dB, and what it is where the same
        recordings do not compete with each other.
    silent, clipped, offset : dict of str to float
        Share of 50-ms blocks below -70 dB, share of samples at full scale, and mean over root mean
        square, of the clips in which they are large; in the window that is compared.
    cut_off : dict of str to float
        Frequency in Hz at which the spectrum of a clip ends, as lossy codecs and resamplers end it.
    """

    corpus: str
    clips: int
    near_twins: tuple[NearTwins, ...]
    consistency: float
    without_twins: float
    silent: dict[str, float]
    clipped: dict[str, float]
    offset: dict[str, float]
    cut_off: dict[str, float]

    @property
    def cost(self) -> float:
        """By how much recordings that are there twice lower C_W of the audio."""
        return self.without_twins - self.consistency

    def as_dict(self) -> dict[str, Any]:
        """Return the audit as builtins."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Audit:
        """Return the audit that `as_dict` gave."""
        twins = tuple(NearTwins(**pair) for pair in plain["near_twins"])
        return cls(**{**plain, "near_twins": twins})

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return what was found, for people."""
        same = [pair for pair in self.near_twins if pair.same_recording]
        found = [
            f"corpus {self.corpus}: {self.clips} clips",
            *_listed(
                f"the same recording twice: waveforms correlated by {SAME:g} or more; give both"
                " one group, or leave one out",
                [str(pair) for pair in same],
            ),
        ]
        if same:
            found.append(
                f"  they cost C_W of the audio {self.cost:.3f} under {COST.name}:"
                f" {self.consistency:.3f}, without them {self.without_twins:.3f}"
            )
        found += _listed(
            "sound alike: nearer to each other than pink noise of 30 dB or MP3 at 64 kb/s moves"
            " either",
            [str(pair) for pair in self.near_twins if not pair.same_recording],
        )
        for what, unit, clips in (
            ("silent for long", "{:.0%} of it", self.silent),
            ("clipped", "{:.2%} of samples at full scale", self.clipped),
            ("with a DC offset", "{:.2f} of the root mean square", self.offset),
            ("cut off in frequency, as MP3s and resampled audio are", "{:,.0f} Hz", self.cut_off),
        ):
            found += _listed(what, [f"{clip}: {unit.format(v)}" for clip, v in clips.items()])
        return found


def audit(study: Study) -> Audit:
    """Look for recordings that are in a corpus twice, and for clips that are not what they seem."""
    fingerprint = study.corpus.fingerprint
    found = study.stores.recently(
        ("audit", fingerprint, study.seed), lambda: _fetched(study), lambda _: 1
    )
    # The fingerprint does not depend on the name; and what is kept is not the caller's to change.
    return copy.deepcopy(replace(found, corpus=study.corpus.name))


def _fetched(study: Study) -> Audit:
    """Return the audit that is stored, or make it.

    No lock is held meanwhile, since the distances take theirs: two runs may do it twice at worst.
    """
    store = study.stores.lasting
    key = key_of("audit", corpus=study.corpus.fingerprint, seed=study.seed)
    stored = store.get("audit", key)
    if stored is not None:
        return Audit.from_dict(json.loads(bytes(np.asarray(stored["json"]))))
    made = _audit(study)
    store.put("audit", key, {"json": np.frombuffer(json.dumps(made.as_dict()).encode(), np.uint8)})
    return made


def _audit(study: Study) -> Audit:
    corpus, rate = study.corpus, study.corpus.sample_rate
    windows = corpus.windows()
    twins, consistency, without = near_twins(study, windows)

    def named(
        of: Callable[[Samples], float], least: float, below: float = np.inf
    ) -> dict[str, float]:
        values = {id_: of(window) for id_, window in zip(corpus.ids, windows)}
        return {id_: value for id_, value in values.items() if least <= value < below}

    return Audit(
        corpus.name,
        len(corpus),
        twins,
        consistency,
        without,
        named(lambda window: silence(window, rate), _SILENT_SHARE),
        named(clipping, _CLIPPED_SHARE),
        named(offset, _OFFSET),
        named(lambda window: cut_off(window, rate), LOWEST_EDGE_HZ, _WHOLE * rate / 2),
    )


def _listed(what: str, found: Sequence[str]) -> list[str]:
    lines = [f"    {line}" for line in a_few_lines(found, _LISTED)]
    return [f"  {what}: {len(found) or 'none'}", *lines]
