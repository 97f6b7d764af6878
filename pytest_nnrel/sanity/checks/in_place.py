"""Changes of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.symptom import Symptom

if TYPE_CHECKING:
    from pytest_nnrel.sanity.under_test import EncoderUnderTest


class InPlace(SanityCheck):
    """The windows that were handed over are the same after encoding, bit by bit."""

    name = "in_place"
    title = "input left as it was"
    cause = "x *= gain, x -= mean or clip(..., out=x) where a copy is needed: x = x * gain"
    order = 30

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        left = tested.second_run.left_behind
        changed = int((left != tested.windows[: len(left)]).any(axis=1).sum())
        if not changed:
            return None
        seen = f"{changed} of {len(left)} windows are changed by encoding them"
        moved = tested.displacement(left)
        if moved is None:
            return Symptom(seen, None)
        return Symptom(f"{seen}; encoded again, clips move", moved)
