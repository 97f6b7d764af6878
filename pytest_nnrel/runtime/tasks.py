"""Tasks side by side, through joblib: threads here, or whatever its backend names.

``joblib.parallel_config(backend="dask")``, or ``"ray"``, sends the same tasks to a cluster. Without
such a context they run in threads, as what is slow in them holds no lock of Python's.
"""

from __future__ import annotations

import os
import threading
import warnings
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    #: Wraps the results of a known number of tasks as they come, such as in a progress bar.
    Progress = Callable[[Iterable[Any], int], Iterable[Any]]

Part = TypeVar("Part")
Result = TypeVar("Result")


def run_tasks(
    task: Callable[[Part], Result],
    parts: Sequence[Part],
    *,
    jobs: int | None,
    progress: Progress | None = None,
    ordered: bool = True,
    here: bool = False,
) -> Iterator[Result]:
    """Yield the results of a task on each part.

    Parameters
    ----------
    task : callable
        Can be pickled, for backends of processes.
    parts : sequence
    jobs : int or None
        Tasks side by side, see `joblib.Parallel`.
    progress : callable, optional
        Given the results and their number, yields them.
    ordered : bool
        Whether results come in the order of the parts, or as they are done.
    here : bool
        Whether the task holds too much to be sent elsewhere: it then runs in threads, always.

    Notes
    -----
    When a task fails or the caller is interrupted, tasks that run in threads of this process are
    waited for, and none begins: a thread that still computes when the interpreter ends takes it
    down.
    """
    from joblib import Parallel, delayed

    run = _Run()
    name = f"{os.getpid()} {next(_NUMBERS)}"
    _RUNS[name] = run
    watched = _Watched(task, name)
    results = Parallel(
        n_jobs=jobs,
        prefer="threads",
        require="sharedmem" if here else None,
        return_as="generator" if ordered else "generator_unordered",
    )(delayed(watched)(part) for part in parts)
    try:
        for result in results if progress is None else progress(results, len(parts)):  # noqa: UP028
            yield result
    finally:
        run.end()
        with warnings.catch_warnings():
            # That tasks were cancelled is what was asked for.
            warnings.filterwarnings("ignore", message=".*have been cancelled", module="joblib")
            results.close()
        del _RUNS[name]


@dataclass
class _Run:
    """Tasks of one call that run in this process, in the context of the call."""

    context: Context = field(default_factory=copy_context)
    running: int = 0
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def end(self) -> None:
        """Let no task begin any more, and wait for those that have."""
        with self.changed:
            self.ended = True
            self.changed.wait_for(lambda: self.running == 0)


_NUMBERS = count()
_RUNS: dict[str, _Run] = {}


@dataclass(frozen=True, eq=False)  # joblib hashes it, but what it holds need not have a hash
class _Watched(Generic[Part, Result]):
    """A task whose run knows, in its own process, whether it is under way."""

    task: Callable[[Part], Result]
    run: str

    def __call__(self, part: Part) -> Result | None:
        run = _RUNS.get(self.run) or _Run()  # of another process: nobody here waits for it
        with run.changed:
            if run.ended:
                return None  # nobody takes it
            run.running += 1
        try:
            # A copy each: a context can be entered once at a time.
            return run.context.copy().run(self.task, part)
        finally:
            with run.changed:
                run.running -= 1
                run.changed.notify_all()
