"""Distances between transformed clips and originals, and what follows from them, each once."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances import Execution, companions, pairwise_distances, pairwise_together
from pytest_nnrel.distances.pairwise import raising_told
from pytest_nnrel.errors import DistanceError
from pytest_nnrel.experiment.keys import key_of
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.study import Known, Study
from pytest_nnrel.identity import behaviour_of
from pytest_nnrel.runtime.devices import CPU
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.statistics import ranks
from pytest_nnrel.statistics.consistency import Exemplars, as_blocks, exemplars
from pytest_nnrel.statistics.intervals import (
    REPLICATES,
    drawn,
    mean_interval,
)
from pytest_nnrel.statistics.products import Compared, exemplars_by_products

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_nnrel.distances import Distance
    from pytest_nnrel.experiment.embedding import Embedded
    from pytest_nnrel.experiment.rendering import Features, Rendered
    from pytest_nnrel.statistics.consistency import Distances, Matrix
    from pytest_nnrel.statistics.ranks import Pairs, Ranks, Resampled

#: Distances of a block of rows, the unit in which they are stored and read.
BLOCK_OF_DISTANCES = 2**22
#: Rows of a block, at least.
_LEAST_ROWS = 16


@dataclass(frozen=True, eq=False)
class Space:
    """The distances of transformed clips, rows, to all originals, columns.

    Attributes
    ----------
    name : {"audio", "latent"}
    study : Study
    key : str
        What it is known by: all that the distances depend on.
    lasting : bool
        Whether that holds in later runs.
    indices : sequence of int
        Positions of the transformed clips in the corpus: the columns of their own originals.
    distances : float64[k, n], or its blocks of rows
    apart : callable
        Distance of two originals, by position.
    compared : Compared or None
        By what exemplars are found without all distances, where these are many.
    """

    name: str
    study: Study
    key: str
    lasting: bool
    indices: Sequence[int]
    distances: Distances
    apart: Callable[[int, int], float]
    compared: Compared | None = None


@dataclass(frozen=True)
class _RowBlocks:
    """Distances of which a block of rows is read or computed at a time."""

    blocks: Sequence[Callable[[], Matrix]]
    shape: tuple[int, int]

    def __iter__(self) -> Iterator[Matrix]:
        return (block() for block in self.blocks)


def audio_space(rendered: Rendered, distance: Distance) -> Space:
    """Return the distances of rendered clips in audio space."""
    question = rendered.question
    study = question.study
    originals = render(question.of_originals)
    together = {other.name: (other, _known(other)) for other in companions(distance)}
    clips = digest(list(rendered.indices))

    def key(name: str, rows: slice | None) -> str:
        return key_of(
            "distances",
            corpus=study.corpus.fingerprint,
            window=study.corpus.window_seconds,
            seed=study.seed,
            transform=question.known.told,
            distance=together[name][1].told,
            rows=(str(rows), clips),
        )

    def lasts(name: str) -> bool:
        return question.known.lasting and together[name][1].lasting

    @cache
    def features() -> tuple[Features, Features]:
        with question.watch("transformation"):
            return rendered.features, originals.features

    def compare(rows: slice) -> Matrix:
        places = {
            name: (study.stores.of(lasting=lasts(name)), key(name, rows)) for name in together
        }
        store, place = places[distance.name]
        stored = store.get("distances", place)
        if stored is None:
            queries, candidates = features()
            # One pass serves all companions, and one process at a time makes it.
            with question.watch("distances"), store.lock(min(key for _, key in places.values())):
                stored = store.get("distances", place)
                if stored is None:
                    made = _compared(
                        study, queries[rows], candidates, distance, rendered.indices[rows]
                    )
                    for name, matrix in made.items():
                        store, place = places[name]
                        store.put("distances", place, {"distances": matrix})
                    return made[distance.name]
        return np.asarray(stored["distances"], dtype=np.float64)

    def apart(first: int, second: int) -> float:
        pair = originals.features_of([first, second])
        return float(pairwise_distances(pair[:1], pair[1:], distance)[0, 0])

    return Space(
        "audio",
        study,
        key(distance.name, None),
        lasts(distance.name),
        rendered.indices,
        _in_blocks(compare, len(rendered.indices), len(study.corpus)),
        apart,
    )


def _compared(
    study: Study, queries: Features, originals: Features, distance: Distance, own: Sequence[int]
) -> dict[str, Matrix]:
    what = " and ".join(other.name for other in companions(distance))
    with _clips_told(study, own):
        return pairwise_together(
            queries,
            originals,
            distance,
            jobs=study.jobs,
            device=study.device,
            progress=partial(progress, what=f"{what} distances"),
            folder=study.stores.of_run,
            own=own,
        )


@contextmanager
def _clips_told(study: Study, own: Sequence[int]) -> Iterator[None]:
    """Tell of which corpus, and of which of its clips if it is one, distances could not be had."""
    try:
        yield
    except DistanceError as error:
        at_fault = "" if error.row is None else f"; clip {study.corpus.ids[own[error.row]]!r}"
        where = f" (corpus {study.corpus.name!r}{at_fault})"
        raise DistanceError(f"{error}{where}", error.row) from error


def latent_space(embedded: Embedded, distance: Distance) -> Space:
    """Return the distances of embedded clips in latent space."""
    question = embedded.rendered.question
    study, indices = question.study, embedded.rendered.indices
    originals, queries = embedded.originals, embedded.queries

    def compare(rows: slice) -> Matrix:
        with question.watch("distances"), _clips_told(study, indices[rows]):
            return pairwise_distances(queries[rows], originals, distance, device=study.device)

    def apart(first: int, second: int) -> float:
        return float(pairwise_distances(originals[[first]], originals[[second]], distance)[0, 0])

    distances = _in_blocks(compare, len(indices), len(study.corpus))
    known = _known(distance)
    # One's own function may do otherwise the next time: what it gave is what counts.
    depends_on = (known.told, originals, queries) if known.lasting else as_blocks(distances)
    key = digest("latent", list(indices), *depends_on)
    compared = None
    if isinstance(distances, _RowBlocks) and study.device == CPU:
        compared = _by_products(embedded, distance)
    return Space("latent", study, key, known.lasting, indices, distances, apart, compared)


def _by_products(embedded: Embedded, distance: Distance) -> Compared | None:
    """Return what the distance grows with, and itself; None where that is not known."""
    points = distance.points()
    if points is None:
        return None
    study, indices = embedded.rendered.question.study, embedded.rendered.indices

    def between(queries: Matrix, originals: Matrix) -> Matrix:
        with _clips_told(study, indices), raising_told(distance, queries, originals):
            return distance.between(queries, originals, Execution(1, CPU, None))  # type: ignore[no-any-return]

    return Compared(embedded.queries, embedded.originals, points, between, distance.grain)


def _known(distance: Distance) -> Known:
    behaviour = behaviour_of(distance.subject, state=distance.version is None)
    return Known.by(distance.name, distance.recipe(), behaviour)


def _in_blocks(compare: Callable[[slice], Matrix], rows: int, columns: int) -> Distances:
    """Return blocks of rows: one as a matrix, several to be made whenever walked through."""
    step = max(_LEAST_ROWS, BLOCK_OF_DISTANCES // columns)
    blocks = [
        partial(compare, slice(first, min(first + step, rows))) for first in range(0, rows, step)
    ]
    return blocks[0]() if len(blocks) == 1 else _RowBlocks(blocks, (rows, columns))


# ---------------------------------------------------------------------------------------------
# What follows from distances


def exemplars_of(space: Space) -> Exemplars:
    """Return each transformed clip's own original and its nearest other one."""
    groups = space.study.competing_groups
    own = np.asarray(space.indices, dtype=np.intp)

    def find() -> Exemplars:
        if space.compared is None:
            return exemplars(space.distances, own, groups)
        return exemplars_by_products(space.compared, own, groups, jobs=space.study.jobs)

    def fetch() -> Exemplars:
        if not isinstance(space.distances, _RowBlocks):  # found in no time
            return find()
        key = key_of("exemplars", space=space.key, groups=groups)
        store = space.study.stores.of(lasting=space.lasting)
        return Exemplars(**store.fetch("exemplars", key, lambda: vars(find()), outer=True))

    return space.study.stores.recently(
        ("exemplars", space.key, groups), fetch, lambda rows: 7 * rows.own.nbytes
    )


def ranks_of(space: Space, pairs: Pairs) -> Ranks:
    """Return the ranks of the pairs of a space."""
    stores = space.study.stores
    return stores.recently(
        ("ranks", space.key, pairs),
        lambda: ranks.rank_pairs(
            space.distances, pairs=pairs, space=space.name, folder=stores.lasting.folder()
        ),
        lambda ranked: ranked.doubled.nbytes,
    )


def rho_replicates(audio: Space, latent: Space, pairs: Pairs) -> Matrix:
    """Return the bootstrap of C_rho, float64[replicates], NaN where a sample has none.

    Samples are those of all other measurements on the corpus: differences are of pairs.
    """
    study = audio.study
    key = key_of(
        "bootstrap",
        corpus=study.corpus.fingerprint,
        audio=audio.key,
        latent=latent.key,
        pairs=pairs,
        groups=study.corpus.groups,
        seed=study.seed,
    )
    stored = study.stores.of(lasting=audio.lasting and latent.lasting).fetch(
        "bootstrap",
        key,
        lambda: {
            "replicates": ranks.rank_agreement_replicates(
                _resampled(audio, pairs),
                _resampled(latent, pairs),
                jobs=study.jobs,
                progress=partial(progress, what="bootstrap"),
            )
        },
        outer=True,
    )
    return np.asarray(stored["replicates"], dtype=np.float64)


def _resampled(space: Space, pairs: Pairs) -> Resampled:
    study = space.study
    return study.stores.recently(
        ("resampled", space.key, pairs, study.corpus.groups, study.seed),
        lambda: ranks.resample(
            ranks_of(space, pairs),
            bootstrap_samples(study),
            jobs=study.jobs,
            progress=partial(progress, what=f"bootstrap, {space.name} space"),
        ),
        lambda resampled: resampled.nbytes,
    )


def bootstrap_samples(study: Study) -> npt.NDArray[np.int32]:
    """Return how often each clip is drawn, int32[replicates, n].

    The samples are the same for all measurements on a corpus, so that their replicates are pairs.
    """
    groups = study.corpus.groups
    return study.stores.recently(
        ("drawn", study.corpus.fingerprint, groups, study.seed),
        lambda: drawn(groups, study.rng("bootstrap"), REPLICATES),
        lambda samples: samples.nbytes,
    )


def mean_over_clips(
    study: Study, of_clips: Matrix, *, least: float | None = None
) -> tuple[float, tuple[float, float]]:
    """Return the mean of what each clip has, float64[n], and its interval, see `mean_interval`."""
    return float(of_clips.mean()), mean_interval(of_clips, study.corpus.groups, least=least)
