"""Windows alone, and in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import unchanged
from pytest_nnrel.sanity.symptom import skip

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest


class BatchSize(SanityCheck):
    """Encoded alone, a window has the embedding that it has in a batch but for rounding."""

    name = "batch_size"
    title = "a batch of 1 against a batch of n"
    cause = (
        "normalisation by the batch's own maximum, mean or deviation, batch normalisation in"
        " training mode, or squeeze() without an axis"
    )
    order = 60

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        if tested.encoder.batch_size == 1:
            skip("its batch_size is 1, so that it never gets more")
        n = min(tested.encoder.batch_size, len(tested.windows))
        return unchanged(
            tested,
            lambda: tested.encode(tested.windows, batch_size=1),
            f"encoded alone instead of in batches of {n}",
        )
