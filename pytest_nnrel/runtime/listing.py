"""Lists in messages, of which only the first few are named. Standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How many things a message names where nothing else is said.
NAMED = 5


def a_few(things: Sequence[object], most: int = NAMED) -> str:
    """Return things in a line, those beyond the first few as a number."""
    return ", ".join(map(str, things[:most])) + _rest(things, most, " ")


def a_few_lines(things: Sequence[object], most: int) -> list[str]:
    """Return things, a line each, and a line with the number of those beyond the first few."""
    return [*map(str, things[:most]), *filter(None, [_rest(things, most)])]


def _rest(things: Sequence[object], most: int, before: str = "") -> str:
    return f"{before}and {len(things) - most:,} more" if len(things) > most else ""
