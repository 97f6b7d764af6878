"""Windows in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.runtime.store import digest
from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import unchanged

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest, Matrix


class BatchOrder(SanityCheck):
    """In another order, in which none keeps its place, windows keep their embeddings."""

    name = "batch_order"
    title = "the order in the batch"
    cause = (
        "batch and time axis mixed up in a reshape, a recurrent layer with batch_first wrong, or a"
        " position in the batch that leaks"
    )
    order = 70

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        seed = int(digest("sanity", tested.seed, tested.corpus.fingerprint), 16)
        cycle = np.random.default_rng(seed).permutation(len(tested.windows))
        source = np.empty_like(cycle)
        source[cycle] = np.roll(cycle, 1)  # one cycle through all places: no clip keeps its own

        def reordered() -> Matrix:
            embeddings = np.empty_like(tested.embeddings)
            embeddings[source] = tested.encode(tested.windows[source])
            return embeddings

        return unchanged(tested, reordered, "encoded in another order")
