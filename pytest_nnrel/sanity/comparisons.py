"""What checks compare: the same windows, where only rounding may tell, or small changes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.errors import EncoderError
from pytest_nnrel.sanity.symptom import Symptom
from pytest_nnrel.sanity.under_test import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.sanity.under_test import EncoderUnderTest, Matrix


def unchanged(
    tested: EncoderUnderTest,
    encode: Callable[[], Matrix],
    what: str,
    limit: float = ROUNDING,
    reference: Matrix | None = None,
) -> Symptom | None:
    """Check that the same audio gives the same embeddings, in their order.

    Parameters
    ----------
    tested : EncoderUnderTest
    encode : callable
        Returns float64[n, d].
    what : str
        What was done to the windows, for the message.
    limit : float
        How far the farthest clip may move, in spreads.
    reference : float64[n, d], optional
        Its embeddings; those of the windows where omitted.
    """
    try:
        embeddings = encode()
    except EncoderError as error:  # of windows that it took before
        return Symptom(str(error), None)
    moved = tested.displacements(embeddings, reference)
    farthest = int(moved.argmax())
    if moved[farthest] <= limit:
        return None
    return Symptom(
        f"{what}, {int((moved > limit).sum())} of {len(moved)} clips get another embedding,"
        f" {tested.clips[farthest].id!r} the farthest from its first",
        float(moved[farthest]),
    )


def steady(moved: Matrix, limit: float, what: str) -> Symptom | None:
    """Check that the median clip stays within a limit.

    Parameters
    ----------
    moved : float64[n]
        How far each clip moved, in spreads.
    limit : float
        In spreads.
    what : str
        What was done to the windows, for the message.
    """
    size = float(np.median(moved))
    if size <= limit:
        return None
    return Symptom(
        f"{what}, half of the clips move by {size:.2g} spreads or more, where {limit:g} is much",
        size,
    )
