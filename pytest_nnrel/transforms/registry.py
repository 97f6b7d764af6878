"""The families that are known by name: ours, the user's own, and those of installed packages."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from pytest_nnrel.errors import CacheWarning, FamilyError
from pytest_nnrel.runtime.registry import Registry, home_of, import_modules
from pytest_nnrel.runtime.scalars import is_real
from pytest_nnrel.transforms.ladders import bounds_of, ladder_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_nnrel.transforms.protocol import Transform

#: What calls may name besides families.
_TAKEN = ("Chain", "Identity")

FAMILIES: Registry[type[Transform]] = Registry("families", "pytest_nnrel.families", FamilyError)
_told: set[tuple[str, str]] = set()
_followers: list[Callable[[type[Transform]], None]] = []


def register(family: type[Transform]) -> None:
    """Check what a class declares, complete it, and know it by its name from now on.

    Defined again, as in a notebook or when a module is reloaded, it takes its own place.

    Raises
    ------
    FamilyError
        If the declaration is wrong, or another family has the name.
    """
    if problem := _problem_of(family):
        raise FamilyError(f"{family.__name__}: {problem}")
    family.bounds = bounds_of(family.identity, family.ladder, family.negative_ladder)
    low, high = family.bounds
    for point in family.points:
        if not is_real(point) or not low <= point <= high or point == family.identity:
            raise FamilyError(
                f"{family.__name__}: points must be magnitudes from {low:g} to {high:g} that change"
                f" something, not {point!r}"
            )
    if not hasattr(family, "symbol"):
        family.symbol = family.__name__
    FAMILIES.add(family.__name__, family)
    for follower in _followers:
        follower(family)


def follow(follower: Callable[[type[Transform]], None]) -> None:
    """Call a function with every family, those that are known and those that come."""
    _followers.append(follower)
    for family in FAMILIES.so_far().values():
        follower(family)


def _problem_of(family: type[Transform]) -> str:
    for name, meaning in (
        ("unit", "of the magnitude, a text"),
        ("identity", "the magnitude that changes nothing, infinite where only the limit does"),
        ("ladder", "magnitudes of the severities 1, 2, ..., the mildest first"),
    ):
        if not hasattr(family, name):
            return f"a family declares {name}: {meaning}"
    if not isinstance(family.unit, str):
        return f"unit must be a text, not {family.unit!r}"
    if problem := ladder_problem(family.identity, family.ladder, family.negative_ladder):
        return problem
    if family.version is not None and not isinstance(family.version, str):
        return f"version must be a text, not {family.version!r}"
    taken_by = FAMILIES.holder(family.__name__, family)
    if family.__name__ in _TAKEN:
        taken_by = "pytest_nnrel"
    if taken_by is not None:
        return (
            f"there is a family of this name in {taken_by}, and names tell families apart; give"
            f" that of {family.__module__} another name"
        )
    return ""


def tell_unversioned(
    family: type[Transform], remedy: str = 'declare version: ClassVar[str] = "1"'
) -> None:
    """Say once that results of a family without a version are kept for the run only."""
    if home_of(family) not in _told:
        _told.add(home_of(family))
        warnings.warn(
            f"{family.__name__} of {family.__module__} declares no version, so that what it makes"
            f" is kept for this run only; {remedy}",
            CacheWarning,
            stacklevel=2,
        )


def families() -> dict[str, type[Transform]]:
    """Return all families by name, in the order in which they were defined.

    Raises
    ------
    FamilyError
        If an installed package declares families that cannot be loaded.
    """
    return FAMILIES.all()


def families_in(package: str, path: Iterable[str]) -> dict[str, type[Transform]]:
    """Import the modules of a package and return the families that they define, sorted by name."""
    import_modules(package, path)
    found = [
        family
        for family in FAMILIES.so_far().values()
        if family.__module__.startswith(f"{package}.")
    ]
    return {family.__name__: family for family in sorted(found, key=lambda f: f.__name__.lower())}


def family_named(name: str) -> type[Transform] | None:
    """Return the family of a name, if there is one; packages are asked for what is not known."""
    return FAMILIES.named(name)
