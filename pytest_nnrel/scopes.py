"""What is in force for a time, found from any thread, task or event loop. Standard library only.

A context variable alone does not do: a new thread starts without one, and an event loop that
serves several tests keeps the one of the test that it began in. So what is open is kept as a tree
of the process, and the context variable only tells which of it is one's own.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Generic, TypeVar

T = TypeVar("T")


class Scopes(Generic[T]):
    """Values of one kind, such as settings, each in force while its scope is open.

    Parameters
    ----------
    name : str
        Of the context variable.
    """

    def __init__(self, name: str) -> None:
        self._own: ContextVar[Scope[T] | None] = ContextVar(name, default=None)
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
        outer = self._here()
        while outer is not self._own.get() and outer.outer is not None and not outer.shared:
            outer = outer.outer  # found by chance of being the only one: beside it, not in it
        scope = Scope(value, outer, shared=shared)
        with self._changing:
            outer.inner = (*outer.inner, scope)
        self._own.set(scope)
        return scope

    def leave(self, scope: Scope[T]) -> None:
        """Undo an `enter`, in whatever context."""
        with self._changing:
            scope.close()
        if self._own.get() is scope:
            self._own.set(scope.outer)

    def current(self) -> T | None:
        """Return the value in force here, or None.

        That is the value of this context's scope while it is open. Where there is none, as in a
        thread, or it is over, as in a loop that an earlier test began, it is that of the one test
        of the run; and of several that run at once none can be known to be meant, so that it is
        the run's own.
        """
        return self._here().value

    def anywhere(self) -> T | None:
        """Return the value in force where nothing is known of the context, or None."""
        return self._process.innermost().value

    def _here(self) -> Scope[T]:
        scope = self._own.get() or self._process
        while not scope.open and scope.outer is not None:
            scope = scope.outer
        return scope.innermost() if scope.shared else scope


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
