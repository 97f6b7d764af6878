"""What a claim of the paper is, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reference_models.errors import ReproductionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_models.paper.results import Results


@dataclass(frozen=True)
class Outcome:
    """What became of a claim.

    Attributes
    ----------
    number : int
    text : str
        The claim.
    holds : bool
    statistic : dict
        Plain values that it was judged by.
    explanation : str
        What was found, a sentence for each part of the claim.
    """

    number: int
    text: str
    holds: bool
    statistic: dict[str, Any]
    explanation: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper; called with results, it returns their `Outcome`.

    Attributes
    ----------
    number : int
    text : str
    place : str
        Where the paper makes it.
    judge : callable
        Returns the statistic and, for each part of the claim, whether it holds and a sentence.
    """

    number: int
    text: str
    place: str
    judge: Callable[[Results], tuple[dict[str, Any], list[Part]]]

    def __call__(self, results: Results) -> Outcome:
        """Judge the claim.

        Raises
        ------
        ReproductionError
            If the results lack what it is about.
        """
        try:
            statistic, parts = self.judge(results)
        except ReproductionError as error:
            raise ReproductionError(f"claim {self.number} cannot be judged: {error}") from error
        explanation = " ".join(
            f"{'As claimed' if part.holds else 'Not as claimed'}: {part.found}." for part in parts
        )
        holds = all(part.holds for part in parts)
        return Outcome(self.number, self.text, holds, statistic, explanation)


@dataclass(frozen=True)
class Part:
    """A part of a claim: whether it holds, and what was found, in words."""

    holds: bool
    found: str
