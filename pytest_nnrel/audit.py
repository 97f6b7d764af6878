"""What is odd in a corpus: recordings that are there twice, and clips that are not what they seem.

The same recording in another codec, at another level, remastered or looped is no *other* original:
that a transformed clip is nearer to it says nothing against an encoder. `Corpus` refuses clips that
are equal sample by sample; here are those that are nearly so.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.consistency import as_blocks, exemplars, within_consistency
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.errors import TransformError
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import audio_space
from pytest_nnrel.experiment.study import ORIGINAL, Study, question
from pytest_nnrel.transforms import MP3, PinkNoise, Transform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.audio import Samples
    from pytest_nnrel.consistency import Flags, Matrix

#: What is hardly audible: how far either moves a clip is how near another may be without being
#: another. Of the 134 bundled clips, one pair is that near.
HARDLY_AUDIBLE: tuple[Transform, ...] = (PinkNoise(snr_db=30), MP3(kbps=64))
#: Under which near-twins cost something: the former of these.
_COST = HARDLY_AUDIBLE[0]
#: A block of 50 ms is silent below this level, in dB of full scale (EBU R 128's absolute gate).
_SILENT_DB, _SILENT_BLOCK = -70.0, 0.05
#: Share of silent blocks, and of samples at full scale, from which a clip is named.
_SILENT_SHARE, _CLIPPED_SHARE, _FULL_SCALE = 0.25, 1e-3, 0.999
#: Mean over root mean square from which it is named: -20 dB.
_OFFSET = 0.1
#: Codecs and resamplers end the spectrum within this band, music does not: by so many dB.
_EDGE_HZ, _EDGE_DB, _LOWEST_EDGE_HZ = 400.0, 30.0, 1000.0
#: Share of the bandwidth above which an edge is that of resampling to the corpus's own rate.
_WHOLE = 0.9
#: Findings of a kind that the text lists.
_LISTED = 10


@dataclass(frozen=True)
class NearTwins:
    """Two originals that are nearer to each other than what is hardly audible moves either.

    Attributes
    ----------
    first, second : str
        Ids.
    distance : float
        DTW of their MFCCs.
    moved : float
        How far noise or a codec moves that of them which it moves less.
    """

    first: str
    second: str
    distance: float
    moved: float


@dataclass(frozen=True)
class Audit:
    """What is odd in a corpus.

    Attributes
    ----------
    corpus : str
        Its name.
    clips : int
    near_twins : tuple of NearTwins
        The nearest first. Not of one group: relatives do not compete.
    consistency, without_twins : float
        C_W of the audio itself (DTW) under pink noise of 30 dB, and what it is where near-twins do
        not compete with each other.
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
        """By how much near-twins lower C_W of the audio."""
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
        found = [
            f"corpus {self.corpus}: {self.clips} clips",
            *_listed(
                "near-twins, nearer to each other than pink noise of 30 dB or MP3 at 64 kb/s moves"
                " either; give both one group, or leave one out",
                [
                    f"{t.first} and {t.second}: {t.distance:.4g} apart, moved by {t.moved:.4g}"
                    for t in self.near_twins
                ],
            ),
        ]
        if self.near_twins:
            found.append(
                f"  they cost C_W of the audio {self.cost:.3f} under {_COST.name}:"
                f" {self.consistency:.3f}, without them {self.without_twins:.3f}"
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
    corpus = study.corpus
    return study.stores.recently(
        ("audit", corpus.fingerprint, study.seed), lambda: _audit(study), lambda _: 1
    )


def _audit(study: Study) -> Audit:
    corpus, rate = study.corpus, study.corpus.sample_rate
    windows = [clip.window(corpus.window_seconds) for clip in corpus]
    twins, consistency, without = _near_twins(study)

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
        named(lambda window: _silence(window, rate), _SILENT_SHARE),
        named(lambda window: float(np.mean(np.abs(window) >= _FULL_SCALE)), _CLIPPED_SHARE),
        named(lambda window: abs(float(window.mean())) / _level(window), _OFFSET),
        named(lambda window: cut_off(window, rate), _LOWEST_EDGE_HZ, _WHOLE * rate / 2),
    )


def _near_twins(study: Study) -> tuple[tuple[NearTwins, ...], float, float]:
    dtw = resolve_distance("dtw", "audio")
    conditions = []
    for transform in HARDLY_AUDIBLE:
        with suppress(TransformError):  # MP3 does not exist at every sample rate
            conditions.append(transform.condition(study.corpus.sample_rate))
    spaces = [audio_space(render(question(study, t)), dtw) for t in conditions]
    moved = np.max([_own(list(as_blocks(space.distances))) for space in spaces], axis=0)
    originals = audio_space(render(question(study, ORIGINAL)), dtw)
    _, member = np.unique(study.corpus.groups, return_inverse=True)
    pairs, first = [], 0
    for block in as_blocks(originals.distances):
        rows = np.arange(first, first + len(block))
        near = block <= np.minimum(moved[rows, None], moved[None, :])
        near &= (member[rows, None] != member[None, :]) & (rows[:, None] < np.arange(len(moved)))
        pairs += [(int(i) + first, int(j), float(block[i, j])) for i, j in np.argwhere(near)]
        first += len(block)
    ids = study.corpus.ids
    twins = tuple(
        NearTwins(ids[i], ids[j], distance, float(min(moved[i], moved[j])))
        for i, j, distance in sorted(pairs, key=lambda pair: pair[2])
    )
    together = _merged(member, [(i, j) for i, j, _ in pairs])
    own = np.arange(len(ids))
    scores = [
        within_consistency(exemplars(spaces[0].distances, own, groups)) if len(set(groups)) > 1
        else 1.0  # all are twins of each other
        for groups in ([str(m) for m in member], [str(m) for m in together])
    ]  # fmt: skip
    return twins, scores[0], scores[1]


def _own(blocks: Sequence[Matrix]) -> Matrix:
    rows = np.concatenate(blocks)
    return np.asarray(np.diagonal(rows))


def _merged(member: npt.NDArray[np.intp], pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.intp]:
    """Return groups of clips, those of pairs made one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = [member[[i for pair in pairs for i in pair]][k::2] for k in (0, 1)]
    count = int(member.max()) + 1
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1][member])


def _level(window: Samples) -> float:
    return max(float(np.sqrt(np.mean(np.square(window, dtype=np.float64)))), 1e-12)


def _silence(window: Samples, sample_rate: int) -> float:
    """Return the share of silent blocks."""
    size = max(1, round(_SILENT_BLOCK * sample_rate))
    blocks = window[: len(window) // size * size].reshape(-1, size)
    levels: Flags = np.sqrt(np.mean(np.square(blocks, dtype=np.float64), axis=1)) < 10 ** (
        _SILENT_DB / 20
    )
    return float(np.mean(levels))


def cut_off(window: Samples, sample_rate: int) -> float:
    """Return the frequency in Hz at which the spectrum of audio ends at an edge; 0 for none.

    Parameters
    ----------
    window : float32[n]
    sample_rate : int
        In Hz.
    """
    from scipy.signal import welch

    size = min(len(window), 2048)
    frequencies, power = welch(window, sample_rate, nperseg=size)
    levels = 10.0 * np.log10(power + 1e-20)
    width = max(1, round(_EDGE_HZ / (frequencies[1] - frequencies[0])))
    below = np.array([np.median(levels[i - width : i]) for i in range(width, len(levels) - width)])
    above = np.array([np.max(levels[i:]) for i in range(2 * width, len(levels))])
    places = frequencies[width : len(levels) - width]
    # Above an edge nothing comes back.
    edges = (below - above >= _EDGE_DB) & (places >= _LOWEST_EDGE_HZ)
    return float(places[np.argmax(edges)]) if edges.any() else 0.0


def _listed(what: str, found: Sequence[str]) -> list[str]:
    lines = [f"  {what}: {len(found) or 'none'}"]
    lines += [f"    {one}" for one in found[:_LISTED]]
    return lines + ([f"    and {len(found) - _LISTED} more"] if len(found) > _LISTED else [])
