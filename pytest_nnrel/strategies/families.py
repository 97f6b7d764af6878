"""Families that are to be drawn, each with its bounds."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hypothesis.errors import InvalidArgument

from pytest_nnrel.strategies.ladders import ladder_of
from pytest_nnrel.strategies.paper import PAPERS_OWN
from pytest_nnrel.transforms import families

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.strategies.ladders import Ladder
    from pytest_nnrel.transforms import Transform


def check_family(family: object) -> None:
    """Check that something is a family.

    Raises
    ------
    InvalidArgument
        If it is none; the message names those that there are.
    """
    known = _families()
    if family not in known:
        names = ", ".join(other.__name__ for other in known)
        raise InvalidArgument(f"{family!r} is no family: pass some of {names}")


def _families() -> tuple[type[Transform], ...]:
    """Return all families, the paper's first."""
    return tuple(dict.fromkeys((*PAPERS_OWN, *families().values())))


def _bounded(family: type[Transform]) -> tuple[dict[str, Any], Callable[..., Ladder]]:
    """Return the keywords that bound a family, with their defaults, and its ladder of them."""
    if family in PAPERS_OWN:
        strategy, ladder = PAPERS_OWN[family]
        parameters = inspect.signature(strategy).parameters.values()
        return {parameter.name: parameter.default for parameter in parameters}, ladder
    least, most = (f"{end}_{fields(family)[0].name}" for end in ("min", "max"))  # type: ignore[arg-type]
    return {least: None, most: None}, lambda **bounds: ladder_of(
        family, bounds[least], bounds[most], {}
    )


def ladders_within(kinds: tuple[type[Transform], ...], bounds: dict[str, Any]) -> list[Ladder]:
    """Return the ladders of families, all where none is given, each within its own bounds."""
    for family in kinds:
        check_family(family)
        if kinds.count(family) > 1:
            raise InvalidArgument(f"{family.__name__} is given more than once")
    unasked = [f for f in _families() if not f.missing() and not f.of_encoder]
    bounded = [_bounded(family) for family in kinds or unasked]
    known = {name for keywords, _ in bounded for name in keywords}
    unknown = bounds.keys() - known
    if unknown:
        raise InvalidArgument(
            f"no family here has {', '.join(sorted(unknown))}; bounds are"
            f" {', '.join(sorted(known))}"
        )
    return [
        ladder(**{name: bounds.get(name, default) for name, default in keywords.items()})
        for keywords, ladder in bounded
    ]
