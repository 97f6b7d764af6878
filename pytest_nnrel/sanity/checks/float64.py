"""Samples as float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.errors import EncoderError
from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import unchanged
from pytest_nnrel.sanity.symptom import skip

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest

#: Farthest clip with float64 in place of float32. Shown: 0.003, by a logarithm with its floor
#: below what float32 can tell from zero.
FLOAT64_LIMIT = 0.02


class Float64(SanityCheck):
    """The same samples as float64, where an encoder takes them, have the same embeddings."""

    name = "float64"
    title = "float32 against float64"
    cause = "bytes that are taken for float32 whatever they are, or a scale chosen by dtype"
    order = 80

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        # Integers are never handed over: encoders are promised floats at full scale ±1, and most
        # sound functions take integers for samples 32768 times as loud without complaint.
        try:
            embeddings = tested.encode(tested.windows, dtype=np.float64)
        except EncoderError as error:
            skip(f"it takes float32 only: {error}")
        return unchanged(
            tested, lambda: embeddings, "given the same samples as float64", FLOAT64_LIMIT
        )
