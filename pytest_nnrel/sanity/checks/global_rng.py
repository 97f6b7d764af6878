"""Global random states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.symptom import Symptom

if TYPE_CHECKING:
    from pytest_nnrel.sanity.under_test import EncoderUnderTest


class GlobalRNG(SanityCheck):
    """Encoding neither draws from nor seeds the global generators of Python, numpy and torch."""

    name = "global_rng"
    title = "global random states left as they were"
    cause = (
        "a random crop, dither or dropout, or a seed that is set while encoding; use a generator"
        " of its own, seeded by the content"
    )
    order = 40

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        consumed = tested.second_run.consumed
        if not consumed:
            return None
        seen = f"encoding moves the global random state of {', '.join(consumed)}"
        embeddings = tested.second_run.embeddings
        if embeddings is None or tested.collapsed is not None:
            return Symptom(seen, None)
        moved = tested.displacements(embeddings)
        return Symptom(
            f"{seen}; from one run to the next the farthest clip moves", float(moved.max())
        )
