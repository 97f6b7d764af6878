"""Kinds of things that anyone can add to: ours, the user's own, those of installed packages.

Standard library only.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nnrel.errors import NNRelError

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes or objects of one kind, by name, in the order in which they were defined.

    Parameters
    ----------
    kind : str
        What messages call them, in the plural.
    group : str
        Entry points of packages that bring some: modules, or what is defined in one.
    error : type of NNRelError
        Raised where one cannot be added.
    """

    def __init__(self, kind: str, group: str, error: type[NNRelError]) -> None:
        self._kind = kind
        self._group = group
        self._error = error
        self._known: dict[str, T] = {}
        self._installed_loaded = False

    def holder(self, name: str, other_than: T) -> str | None:
        """Return the module whose class has a name; None where none has, or this very one.

        Defined again, as in a notebook or when a module is reloaded, a class takes its own place.
        """
        known = self._known.get(name)
        if known is None or home_of(known) == home_of(other_than):
            return None
        return home_of(known)[0]

    def add(self, name: str, thing: T) -> None:
        """Know something by its name from now on."""
        self._known[name] = thing

    def so_far(self) -> dict[str, T]:
        """Return those that are defined, without looking for more."""
        return dict(self._known)

    def all(self) -> dict[str, T]:
        """Return all, those of installed packages too.

        Raises
        ------
        NNRelError
            If an installed package declares what cannot be loaded.
        """
        if not self._installed_loaded:
            self._load_installed()
            self._installed_loaded = True
        return dict(self._known)

    def named(self, name: str) -> T | None:
        """Return the one of a name, if any; packages are asked for what is not known."""
        return self._known.get(name) or self.all().get(name)

    def _load_installed(self) -> None:
        for entry in entry_points(group=self._group):
            try:
                entry.load()
            except Exception as error:
                package = entry.dist.name if entry.dist else "a package"
                raise self._error(
                    f"{package} declares {self._kind} in {entry.value}, which cannot be loaded"
                    f" ({type(error).__name__}: {error}); repair or uninstall it"
                ) from error


def import_modules(package: str, path: Iterable[str]) -> None:
    """Import every module of a package, so that what they define is known.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    path : iterable of str
        Its ``__path__``.
    """
    for module in iter_modules(path, f"{package}."):
        import_module(module.name)


def home_of(thing: object) -> tuple[str, str]:
    """Return what tells two classes, or objects of them, apart: the module, and the name in it."""
    cls = thing if isinstance(thing, type) else type(thing)
    return cls.__module__, cls.__qualname__


def order_problem(order: object) -> str:
    """Return what is wrong with a place among things of one kind; empty where nothing is."""
    if not isinstance(order, int | float) or isinstance(order, bool) or order != order:
        return f"order must be a number, not {order!r}"
    return ""
