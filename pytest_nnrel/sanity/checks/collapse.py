"""Embeddings that do not differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.symptom import Symptom
from pytest_nnrel.sanity.under_test import COLLAPSED

if TYPE_CHECKING:
    from pytest_nnrel.sanity.under_test import EncoderUnderTest

#: Largest share of clips that may have the same embedding as another clip. Shown: none.
TWIN_SHARE = 0.1
#: Largest share of dimensions that are the same for all clips. Shown: up to 0.53, of ReLUs.
DEAD_SHARE = 0.9
#: Range of a dimension, relative to its largest value, that is rounding.
_CONSTANT = 1e-6
#: Least share of the possible rank. Shown: 0.87 and more.
RANK_SHARE = 0.1
#: Singular values below this share of the largest do not count as rank.
_NEGLIGIBLE = 1e-3


class Collapse(SanityCheck):
    """Few clips share an embedding, few dimensions are constant, the rank is above a tenth."""

    name = "collapse"
    title = "embeddings that differ: equal ones, rank, dead dimensions"
    cause = (
        "weights that were not loaded, input scaled to integers or to zero, a saturated or dead"
        " last layer, or training that collapsed"
    )
    order = 140

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        embeddings = tested.embeddings
        if tested.collapsed is not None:
            return Symptom(
                "all embeddings are equal: the median distance between clips is"
                f" {tested.collapsed:.1g} of the median length of an embedding",
                None,
            )
        seen = []
        n, d = embeddings.shape
        dead = int((np.ptp(embeddings, axis=0) <= _CONSTANT * np.abs(embeddings).max(axis=0)).sum())
        if dead > DEAD_SHARE * d:
            seen.append(f"{dead} of {d} dimensions are the same for all clips")
        scale = np.linalg.norm(embeddings, axis=1).max()
        apart = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        twins = int((apart.min(axis=1) <= COLLAPSED * scale).sum())
        if twins > TWIN_SHARE * n:
            seen.append(f"{twins} of {n} clips have the same embedding as another clip")
        possible = min(n - 1, d - dead)
        # Dimensions in units of their own deviation: a large one is no reason for others to count
        # less.
        deviations = embeddings.std(axis=0)
        alive = deviations > _CONSTANT * np.abs(embeddings).max(axis=0)
        centred = (embeddings - embeddings.mean(axis=0))[:, alive] / deviations[alive]
        values = np.linalg.svd(centred, compute_uv=False)
        rank = int((values > _NEGLIGIBLE * values[0]).sum())
        if possible > 1 and rank <= max(1.0, RANK_SHARE * possible):
            seen.append(
                f"embeddings of {n} clips in {d} dimensions differ in {rank} directions only"
            )
        return Symptom("; ".join(seen), None) if seen else None
