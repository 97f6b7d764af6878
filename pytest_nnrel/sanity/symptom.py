"""What a check of an encoder can come to, besides finding nothing."""

from __future__ import annotations

from typing import NamedTuple, NoReturn


class Symptom(NamedTuple):
    """What a check saw.

    Attributes
    ----------
    seen : str
        What was seen, a clause for the message.
    size : float or None
        How far embeddings moved, relative to the spread of the corpus; None where nothing moved
        that could be compared.
    """

    seen: str
    size: float | None


class SkippedError(Exception):
    """A check that cannot be made; its text says why."""


class FaultError(Exception):
    """Output that is a finding whatever was asked; its text says what was seen."""


def skip(reason: str) -> NoReturn:
    """Leave a check unmade.

    Parameters
    ----------
    reason : str
        Why it cannot be made, for the report.
    """
    raise SkippedError(reason)
