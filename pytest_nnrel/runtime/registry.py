"""Kinds of things that anyone can add to: ours, the user's own, those of installed packages.

Standard library only.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


class ClassRegistry(Registry[type[T]]):
    """Classes of one kind, each known by its name once it is defined, in the order they declare.

    Parameters
    ----------
    one : str
        What messages call one of them, with its article.
    kind, group, error
        As of `Registry`.
    texts : mapping of str to str
        Attributes that each declares, texts all of them, with what they are.
    named_by : str
        The attribute that is its name.
    """

    def __init__(
        self,
        one: str,
        kind: str,
        group: str,
        error: type[NNRelError],
        *,
        texts: Mapping[str, str],
        named_by: str = "name",
    ) -> None:
        super().__init__(kind, group, error)
        self._one = one
        self._texts = texts
        self._named_by = named_by

    def define(self, cls: type[T]) -> None:
        """Know a class that is being defined, unless a method is left for its subclasses.

        Raises
        ------
        NNRelError
            If it declares something wrongly, or its name is that of another.
        """
        if is_abstract(cls):
            return
        if problem := self._problem_of(cls):
            raise self._error(f"{cls.__module__}.{cls.__qualname__}: {problem}")
        self.add(self._name_of(cls), cls)

    def in_order(self) -> dict[str, type[T]]:
        """Return all by name, those of the smallest ``order`` first.

        Raises
        ------
        NNRelError
            If an installed package declares what cannot be loaded.
        """
        # By name within a place, so that the order in which modules are imported does not matter.
        return dict(sorted(self.all().items(), key=lambda named: (_order_of(named[1]), named[0])))

    def _name_of(self, cls: type[T]) -> str:
        return str(getattr(cls, self._named_by))

    def _problem_of(self, cls: type[T]) -> str:
        if problem := undeclared(cls, self._one, self._texts):
            return problem
        name, order = self._name_of(cls), _order_of(cls)
        if not name.isidentifier():
            return f"name must be one word of letters, digits and underscores, not {name!r}"
        if not isinstance(order, int | float) or isinstance(order, bool) or order != order:
            return f"order must be a number, not {order!r}"
        if holder := self.holder(name, cls):
            return (
                f"there is {self._one} {name!r} in {holder}, and names tell {self._kind} apart;"
                " give this one another"
            )
        return ""


def _order_of(cls: type) -> Any:  # noqa: ANN401
    return getattr(cls, "order", 0.0)


def undeclared(defined: type, one: str, texts: Mapping[str, str]) -> str:
    """Return which text a class does not declare; empty where it declares all.

    Parameters
    ----------
    defined : type
    one : str
        What the message calls one of its kind, with its article.
    texts : mapping of str to str
        Names of attributes, with what they are.
    """
    for attribute, meaning in texts.items():
        text = getattr(defined, attribute, None)
        if not isinstance(text, str) or not text.strip():
            return f"{one} declares {attribute}: {meaning}, a text, not {text!r}"
    return ""


def is_abstract(cls: type) -> bool:
    """Tell whether a method is left to be defined; ABCs know it only once the class is made."""
    return any(
        getattr(getattr(cls, name, None), "__isabstractmethod__", False) for name in dir(cls)
    )


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
