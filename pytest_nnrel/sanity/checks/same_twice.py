"""The same windows, a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import unchanged
from pytest_nnrel.sanity.symptom import FaultError

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest, Matrix


class SameTwice(SanityCheck):
    """Encoded a second time, the same windows have the same embeddings but for rounding."""

    name = "same_twice"
    title = "the same input twice"
    cause = "a random crop, dither or dropout at inference, or a state carried from call to call"
    order = 50

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        def again() -> Matrix:
            expected, embeddings = tested.embeddings, tested.second_run.embeddings
            if embeddings is None or embeddings.shape != expected.shape:
                raise FaultError("NaN, infinite values or other lengths, unlike the first time")
            return embeddings

        return unchanged(tested, again, "encoded a second time")
