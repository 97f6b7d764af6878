"""The music that consistency is measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel import Corpus
from reference_models.datasets import opencorpus
from reference_models.features import SAMPLE_RATE

if TYPE_CHECKING:
    from pathlib import Path


def consistency_corpus(clips: int, data: Path | None = None) -> Corpus:
    """Return recorded music that no encoder was trained on: the bundled clips, and test tracks.

    Parameters
    ----------
    clips : int
        How many, where there are as many.
    data : Path, optional
        An open corpus, whose recorded test part is added where the bundled clips are too few.
    """
    bundled = Corpus.bundled()
    if clips <= len(bundled) or data is None:
        return bundled.subset(min(clips, len(bundled)))
    test = opencorpus.load(data, "ae", "test")
    recorded = [i for i, rendered in enumerate(test.rendered) if not rendered]
    if not recorded:
        return bundled
    # The first clip of each track, then the second of each, and so on: as many tracks as can be.
    seen: dict[str, int] = {}
    turn = {}
    for i in recorded:
        turn[i] = seen[test.groups[i]] = seen.get(test.groups[i], -1) + 1
    chosen = sorted(sorted(recorded, key=lambda i: (turn[i], i))[: clips - len(bundled)])
    return Corpus.from_arrays(
        [*(clip.samples for clip in bundled), *(test[i].audio for i in chosen)],
        sample_rate=SAMPLE_RATE,
        ids=[*bundled.ids, *(test.ids[i] for i in chosen)],
        groups=[*bundled.groups, *(test.groups[i] for i in chosen)],
        name=f"bundled and {len(chosen)} recorded test clips",
    )
