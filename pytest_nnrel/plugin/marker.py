"""The marker: what a test sets for itself."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pytest_nnrel.errors import SettingError, TransformError
from pytest_nnrel.runtime.scalars import is_whole

if TYPE_CHECKING:
    import pytest

    from pytest_nnrel.transforms import Transform

MARK = "nnrel"
#: Fixture by which a test runs through a grid.
TRANSFORM = "nnrel_transform"
_MARK_ARGUMENTS = ("corpus", "grid", "seed", "clips")
MARK_HELP = (
    f"{MARK}(corpus=None, grid=None, seed=None, clips=None): set these for what a test measures:"
    " corpus, a Corpus, 'bundled', a folder or 'mirdata:NAME', or clips of it by label,"
    " 'bundled[licence=MIT]'; grid, 'quick', 'imperceptible',"
    " 'paper', 'field', a family's name or a list of transformations, which nnrel_transform runs"
    " through; seed; and clips, how many of the corpus. What is left out is the run's"
    " (--nnrel-corpus and so on)."
)


def mark_of(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of a test's nnrel marks, the closest first to count.

    Raises
    ------
    SettingError
        If a mark has arguments that it cannot take, or a grid where it comes too late.
    """
    if is_of_grid(item):
        for mark in item.callspec.marks:  # type: ignore[attr-defined]  # those of pytest.param
            if mark.name == MARK and mark.kwargs.get("grid") is not None:
                raise SettingError(
                    f"@pytest.mark.{MARK}(grid=...) of a pytest.param comes too late for"
                    f" {TRANSFORM}; put grid= on the test"
                )
    arguments: dict[str, Any] = {}
    for mark in item.iter_markers(MARK):
        check_mark(mark)
        for name, value in mark.kwargs.items():
            if value is not None:
                arguments.setdefault(name, value)
    return arguments


def is_of_grid(item: pytest.Item) -> bool:
    """Tell whether a test is one of those that run through a grid."""
    return TRANSFORM in getattr(getattr(item, "callspec", None), "params", ())


def check_mark(mark: pytest.Mark) -> None:
    """Raise a SettingError if a mark has arguments that it cannot take."""
    unknown = [name for name in mark.kwargs if name not in _MARK_ARGUMENTS]
    if mark.args or unknown:
        odd = ", ".join([*map(repr, mark.args), *unknown])
        raise SettingError(
            f"@pytest.mark.{MARK} takes {', '.join(f'{name}=' for name in _MARK_ARGUMENTS)} only,"
            f" not {odd}"
        )
    for name, least in (("seed", 0), ("clips", 2)):
        value = mark.kwargs.get(name)
        if value is None:
            continue
        if not is_whole(value) or value < least:
            raise SettingError(
                f"@pytest.mark.{MARK}({name}=...) takes a whole number of {least} or more, not"
                f" {value!r}"
            )
    corpus = mark.kwargs.get("corpus")
    if corpus is not None and not isinstance(corpus, str | os.PathLike):
        from pytest_nnrel.corpus import Corpus

        if not isinstance(corpus, Corpus):
            raise SettingError(
                f"@pytest.mark.{MARK}(corpus=...) takes a Corpus, 'bundled', a folder or"
                f" 'mirdata:NAME', not {corpus!r}"
            )


def grid_of(choice: object) -> tuple[Transform, ...]:
    """Return the transformations of a grid's name, or of a mark's list.

    Raises
    ------
    SettingError
        If it is neither.
    """
    from pytest_nnrel.transforms import as_transform, grid

    if isinstance(choice, str):
        return grid(choice)
    expected = f"@pytest.mark.{MARK}(grid=...) takes a grid's name or a list of transformations"
    if not isinstance(choice, Iterable):
        raise SettingError(f"{expected}, not {choice!r}")
    try:
        transforms = tuple(as_transform(transform) for transform in choice)
    except TransformError as error:
        raise SettingError(f"{expected}: {error}") from error
    if not transforms:
        raise SettingError(f"{expected}, not an empty one")
    return transforms
