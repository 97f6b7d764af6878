"""What is in force for a time, found from any thread, task or event loop. Standard library only.

A context variable alone does not do: a new thread starts without one, and an event loop that
serves several tests keeps the one of the test that it began in. So what is open is kept as a tree
of the process, and the context variable only tells which of it is one's own.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from pytest_nnrel.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class _Place(NamedTuple, Generic[T]):
    """Where a context is: in a scope that it opened, or was given, or that is held for it."""

    scope: Scope[T]
    held: bool = False
    value: T | None = None  # while it was held


class Scopes(Generic[T]):
    """Values of one kind, such as settings, each in force while its scope is open.

    Parameters
    ----------
    name : str
        Of the context variable.
    outlasting : bool
        Whether a value that is `held` is in force even when its scope has been left meanwhile.
    """

    def __init__(self, name: str, *, outlasting: bool = False) -> None:
        self._outlasting = outlasting
        self._own: ContextVar[_Place[T] | None] = ContextVar(name, default=None)
        self._process: Scope[T] = Scope(None, None, shared=True)
        self._changing = threading.Lock()

    def enter(self, value: T, *, shared: bool = False) -> Scope[T]:
        """Put a value in force, until the scope that is returned, or one around it, is left.

        Parameters
        ----------
        value : T
        shared : bool
            Whether it is a run's, in which tests open theirs: who knows only the run may be in its
            one test.
        """
        place = self._own.get()
        if place is None and shared:
            outer = self._process  # which run this thread is of is not known: beside any other
        else:
            outer = self._here()
            while outer.outer is not None and not outer.shared and not _is_own(place, outer):
                outer = outer.outer  # found by chance of being the only one: beside it, not in it
        scope = Scope(value, outer, shared=shared)
        with self._changing:
            outer.inner = (*outer.inner, scope)
        self._own.set(_Place(scope))
        return scope

    def leave(self, scope: Scope[T]) -> None:
        """Undo an `enter`, in whatever context."""
        with self._changing:
            scope.close()
        if _is_own(self._own.get(), scope):
            outer = scope.outer
            if outer is None or outer is self._process:
                self._own.set(None)
            else:
                self._own.set(_Place(outer))

    def current(self) -> T | None:
        """Return the value in force here, or None.

        That is the value of this context's scope while it is open. Where there is none, as in a
        thread, or it is over, as in a loop that an earlier test began, it is that of the one test
        of the run; and of several that run at once none can be known to be meant, so that it is
        the run's own.

        Raises
        ------
        SettingError
            If there are several runs at once, and which is meant is not known.
        """
        place = self._own.get()
        if place is not None and place.held and self._outlasting:
            return place.value
        scope = self._here()
        if scope is self._process and len(scope.inner) > 1:
            raise SettingError(
                f"{len(scope.inner)} test runs are going on in this process at once, and it is not"
                " known to which of them this thread belongs; start it in the context of its test:"
                " contextvars.copy_context().run"
            )
        return scope.value

    def within(self, value: T) -> T | None:
        """Return what is in force in the scope of a value where nothing more is known, or None."""
        pending = [self._process]
        while pending:
            scope = pending.pop()
            if scope.value is value:
                return scope.innermost().value
            pending += scope.inner
        return None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep what is in force here for a block, be it that it is known by chance only.

        When it is left elsewhere meanwhile, it stays in force if it is `outlasting`; else what is
        around it is, and not what is opened next.

        Raises
        ------
        SettingError
            As `current` does.
        """
        before = self._own.get()
        self._own.set(_Place(self._here(), held=True, value=self.current()))
        try:
            yield
        finally:
            self._own.set(before)

    def _here(self) -> Scope[T]:
        place = self._own.get() or _Place(self._process)
        scope = place.scope
        while not scope.open and scope.outer is not None:
            scope = scope.outer
        return scope.innermost() if scope.shared and not place.held else scope


def _is_own(place: _Place[T] | None, scope: Scope[T]) -> bool:
    return place is not None and place.scope is scope


class Scope(Generic[T]):
    """A value, the scope that it was opened in, and those that are open in it."""

    def __init__(self, value: T | None, outer: Scope[T] | None, *, shared: bool) -> None:
        self.value = value
        self.outer = outer
        self.shared = shared
        self.open = True
        # Replaced, never changed: it is read without a lock, which a fork could leave locked.
        self.inner: tuple[Scope[T], ...] = ()

    def innermost(self) -> Scope[T]:
        """Return the last of the scopes of which each is the only one in the one before."""
        scope = self
        while len(inner := scope.inner) == 1:
            scope = inner[0]
        return scope

    def close(self) -> None:
        """Close the scope and whatever is still open in it; forget the value."""
        if self.outer is not None:
            self.outer.inner = tuple(other for other in self.outer.inner if other is not self)
        for scope in self.inner:
            scope.close()
        self.open = False
        self.value = None
