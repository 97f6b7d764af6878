"""What figures take of rows, and what they say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_models.checkpoint import BASELINE
from reference_models.errors import ReproductionError
from reference_models.paper.results import TRANSFORMATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reference_models.paper.results import Consistency, Performance


def present(transformations: Iterable[str], what: str) -> list[str]:
    """Return those of the paper's transformations that there are, in its order."""
    found = set(transformations)
    ordered = [name for name in TRANSFORMATIONS if name in found]
    if not ordered:
        raise ReproductionError(f"the results hold no {what}; run the reproduction with it")
    return ordered


def _trainings(rows: Iterable[Consistency | Performance]) -> int:
    return len({row.trial for row in rows if row.encoder not in ("", BASELINE)})


def trainings_note(rows: Sequence[Consistency | Performance]) -> str:
    """Say what of the trainings is drawn."""
    trainings = _trainings(rows)
    if trainings > 1:
        return f"Thick: mean over {trainings} trainings of each network; thin: each training."
    return "One training of each network."


def bands_note(rows: Sequence[Consistency]) -> str:
    """Say what the bands are."""
    clips = " or ".join(str(n) for n in sorted({row.clips for row in rows}))
    averaged = ", averaged over trainings" if _trainings(rows) > 1 else ""
    return f"Bands: 95 % intervals over {clips} clips{averaged}."
