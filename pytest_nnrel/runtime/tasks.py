"""Tasks side by side: in threads here, or by whatever backend of joblib's is in force.

``joblib.parallel_config(backend="dask")``, or ``"ray"``, sends the same tasks to a cluster. Without
such a context they run in threads, as what is slow in them holds no lock of Python's.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_nnrel.errors import NNRelError, WorkerWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    #: Wraps the results of a known number of tasks as they come, such as in a progress bar.
    Progress = Callable[[Iterable[Any], int], Iterable[Any]]

#: How often what was lost with a worker is tried.
_ATTEMPTS = 3
#: Packages of joblib's backends.
_BACKENDS = ("concurrent", "distributed", "joblib", "ray")

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
    down. What other processes had not done when one of them was killed is done again.
    """
    with closing(_results(task, parts, jobs=jobs, ordered=ordered, here=here)) as results:
        for result in results if progress is None else progress(results, len(parts)):  # noqa: UP028
            yield result


def _results(
    task: Callable[[Part], Result],
    parts: Sequence[Part],
    *,
    jobs: int | None,
    ordered: bool,
    here: bool,
) -> Generator[Result]:
    """Yield results, of what was lost with a worker after another attempt."""
    left = dict(enumerate(parts))
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with closing(_attempt(task, left, jobs=jobs, ordered=ordered, here=here)) as results:
                for number, result in results:
                    del left[number]
                    yield result
        except Exception as error:
            if attempt == _ATTEMPTS or not _is_of_worker(error):
                raise
            warnings.warn(
                f"a worker was lost ({type(error).__name__}: {str(error).partition('.')[0]}); what"
                " it had not done is done again",
                WorkerWarning,
                stacklevel=2,
            )
        else:
            return


def _is_of_worker(error: Exception) -> bool:
    """Tell whether an error is one of a backend, not of a task."""
    of = type(error).__module__.partition(".")[0]
    return of in _BACKENDS and not isinstance(error, NNRelError)


def _attempt(
    task: Callable[[Part], Result],
    parts: Mapping[int, Part],
    *,
    jobs: int | None,
    ordered: bool,
    here: bool,
) -> Generator[tuple[int, Result]]:
    numbered = list(parts.items())  # what is done is taken out meanwhile
    if not here and leaves_process():
        return _by_joblib(task, numbered, jobs, ordered=ordered)
    return _in_threads(task, numbered, jobs, ordered=ordered)


def _in_threads(
    task: Callable[[Part], Result],
    parts: Sequence[tuple[int, Part]],
    jobs: int | None,
    *,
    ordered: bool,
) -> Generator[tuple[int, Result]]:
    from joblib import effective_n_jobs

    threads = effective_n_jobs(jobs)
    if threads == 1 or len(parts) == 1:
        for number, part in parts:
            yield number, task(part)
        return
    context = copy_context()

    def run(number: int, part: Part) -> tuple[int, Result]:
        # A copy each: a context can be entered once at a time.
        return number, context.copy().run(task, part)

    with ThreadPoolExecutor(threads) as pool:
        pending = [pool.submit(run, number, part) for number, part in parts]
        try:
            for done in pending if ordered else as_completed(pending):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _by_joblib(
    task: Callable[[Part], Result],
    parts: Sequence[tuple[int, Part]],
    jobs: int | None,
    *,
    ordered: bool,
) -> Generator[tuple[int, Result]]:
    from joblib import Parallel, delayed

    if not getattr(_backend(), "supports_return_generator", False):
        return_as = "list"  # with Ray all results come at the end
    else:
        return_as = "generator" if ordered else "generator_unordered"
    run = _Run()
    name = f"{os.getpid()} {next(_NUMBERS)}"
    _RUNS[name] = run
    watched = _Watched(task, name)
    parallel = Parallel(n_jobs=jobs, prefer="threads", return_as=return_as)
    results = None
    try:
        results = parallel(delayed(watched)(number, part) for number, part in parts)
        for result in results:  # noqa: UP028  (no task begins any more before they are closed)
            yield result
    finally:
        run.end()
        with warnings.catch_warnings():
            # That tasks were cancelled is what was asked for.
            warnings.filterwarnings("ignore", message=".*have been cancelled", module="joblib")
            if isinstance(results, Generator):
                results.close()
        del _RUNS[name]


def leaves_process() -> bool:
    """Tell whether tasks leave for a backend of joblib's, or run in threads of this process."""
    return not getattr(_backend(), "supports_sharedmem", False)


def _backend() -> object:
    from joblib.parallel import get_active_backend

    return get_active_backend(prefer="threads")[0]


@dataclass
class _Run:
    """Tasks of one call that a backend runs in this process, in the context of the call."""

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

    def __call__(self, number: int, part: Part) -> tuple[int, Result] | None:
        run = _RUNS.get(self.run) or _Run()  # of another process: nobody here waits for it
        with run.changed:
            if run.ended:
                return None  # nobody takes it
            run.running += 1
        try:
            # A copy each: a context can be entered once at a time.
            return number, run.context.copy().run(self.task, part)
        finally:
            with run.changed:
                run.running -= 1
                run.changed.notify_all()
