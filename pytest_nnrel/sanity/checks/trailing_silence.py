"""Silence at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import steady
from pytest_nnrel.sanity.symptom import Symptom, skip
from pytest_nnrel.sanity.under_test import spread_of

if TYPE_CHECKING:
    from pytest_nnrel.sanity.under_test import EncoderUnderTest

#: Silence that is appended, in seconds.
SILENCE_SECONDS = 0.1
#: Least share of the spread that is left with it. Shown: 0.67 and more.
SILENCE_SPREAD = 0.2
#: Median displacement by it, in spreads. Shown: up to 1.62, by transformers.
SILENCE_LIMIT = 5.0


class TrailingSilence(SanityCheck):
    """A tenth of a second of silence at the end neither draws clips together nor moves them far."""

    name = "trailing_silence"
    title = "silence at the end"
    cause = (
        "the last frame or state taken for the whole, attention or statistics over padding, or a"
        " size that depends on the length"
    )
    order = 120

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        if tested.encoder.window_seconds is not None:
            skip(f"its window is fixed, {tested.encoder.window_seconds:g} s")
        silence = round(SILENCE_SECONDS * tested.rate)
        embeddings = tested.encode(np.pad(tested.windows, ((0, 0), (0, silence))))
        moved = tested.displacements(embeddings)
        what = f"with {SILENCE_SECONDS:g} s of silence at the end"
        left = spread_of(embeddings) / tested.spread
        if left < SILENCE_SPREAD:
            return Symptom(
                f"{what}, the clips are drawn together to {left:.2g} of their spread",
                float(np.median(moved)),
            )
        return steady(moved, SILENCE_LIMIT, what)
