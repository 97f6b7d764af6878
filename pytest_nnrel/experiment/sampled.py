"""C_rho of a sample of pairs, where all of them are too many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances import pairwise_distances
from pytest_nnrel.experiment.keys import key_of
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import bootstrap_samples
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.statistics import ranks
from pytest_nnrel.statistics.sample import sampled, sampling_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.distances import Distance
    from pytest_nnrel.experiment.embedding import Embedded
    from pytest_nnrel.experiment.rendering import Features
    from pytest_nnrel.experiment.spaces import Space
    from pytest_nnrel.experiment.study import Study
    from pytest_nnrel.statistics.consistency import Matrix
    from pytest_nnrel.statistics.sample import Sample


@dataclass(frozen=True)
class SampledRho:
    """C_rho of a sample of pairs.

    Attributes
    ----------
    value : float
    error : float
        Standard error that the sampling of pairs adds.
    replicates : float64[replicates]
        Of the bootstrap over clips.
    pairs : int
        That were compared.
    """

    value: float
    error: float
    replicates: Matrix
    pairs: int


def sample_of(study: Study) -> Sample | None:
    """Return the pairs that are compared on a corpus; None where they are all."""
    return sampled(len(study.corpus), study.rng("pairs"))


def sampled_rho(
    embedded: Embedded,
    audio: tuple[Space, Distance],
    latent: tuple[Space, Distance],
    sample: Sample,
) -> SampledRho:
    """Return C_rho of a sample of pairs of rendered clips and originals."""
    rendered, study = embedded.rendered, embedded.rendered.question.study
    key = key_of(
        "bootstrap",
        corpus=study.corpus.fingerprint,
        audio=audio[0].key,
        latent=latent[0].key,
        pairs=["sampled", sample.columns.shape[1]],
        groups=study.corpus.groups,
        seed=study.seed,
    )

    def measured() -> dict[str, npt.NDArray[np.float64]]:
        heard = rendered.features, render(rendered.question.of_originals).features
        in_audio = _ranked(study, sample, *heard, audio[1])
        in_latent = _ranked(study, sample, embedded.queries, embedded.originals, latent[1])
        spaces = in_audio, in_latent
        drawn = bootstrap_samples(study)
        resampled = [
            ranks.resample(
                space, drawn, jobs=study.jobs, progress=partial(progress, what="bootstrap")
            )
            for space in spaces
        ]
        value, error = ranks.rank_agreement(*spaces), sampling_error(in_audio, in_latent)
        return {
            "value": np.array([value, error]),
            "replicates": ranks.rank_agreement_replicates(*resampled, jobs=study.jobs),
        }

    lasting = audio[0].lasting and latent[0].lasting
    stored = study.stores.of(lasting=lasting).fetch("bootstrap", key, measured, outer=True)
    value, error = stored["value"].tolist()
    return SampledRho(value, error, stored["replicates"], sample.pairs)


def _ranked(
    study: Study,
    sample: Sample,
    queries: Features | npt.NDArray[np.float32],
    originals: Features | npt.NDArray[np.float32],
    distance: Distance,
) -> ranks.Ranks:
    distances = np.empty((sample.n, sample.columns.shape[1]))
    blocks = progress(sample.blocks(), len(sample.columns), f"{distance.name} distances")
    for part, clips, columns in blocks:
        left, right = (
            _taken(of, at.tolist()) for of, at in ((queries, clips), (originals, columns))
        )
        distances[part] = pairwise_distances(
            left, right, distance, jobs=study.jobs, device=study.device
        )
    return ranks.rank_sample(sample, distances, space=distance.space)


def _taken(
    of: Features | npt.NDArray[np.float32], places: Sequence[int]
) -> Features | npt.NDArray[np.float32]:
    if isinstance(of, np.ndarray):
        return of[places]
    return [of[place] for place in places]
