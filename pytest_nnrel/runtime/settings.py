"""What a run is set to: seed, cache, workers, where progress goes. Standard library only.

Every measuring function reads the settings that are in force where it is called, in whatever thread
or event loop. Outside pytest these are the defaults; the plugin puts its own in force for the
length of a session, and of each test. Processes that are started meanwhile find them too.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TextIO

from pytest_nnrel.errors import SettingError
from pytest_nnrel.runtime import handover
from pytest_nnrel.runtime.scalars import is_whole
from pytest_nnrel.runtime.scopes import Scope, Scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path

#: Scales of damage: by distance of the audio space, or as heard.
Scale = Literal["audio", "perceived"]
DEFAULT_SEED = 0
#: Upper bound of the cache on disk; the least recently used entries leave first.
DEFAULT_CACHE_GIB = 10.0
#: Clips up to which a report has, unasked, what takes distances of all pairs in audio space: C_W of
#: the audio beside that of an encoder, and what is odd in the corpus.
ALL_PAIRS_UNASKED = 2048


@dataclass(frozen=True)
class Settings:
    """Settings of one run.

    Parameters
    ----------
    seed : int
        Seed of everything random: noise, crops of recordings, bootstraps.
    cache_dir : Path, callable or None
        Folder of the cache that outlives the run, or what returns it; None keeps nothing.
    cache_gib : float
        Size that the cache is cut back to, in GiB.
    jobs : int
        Tasks that run side by side.
    device : str or None
        Torch device for distances, and for encoders that do not name one, such as ``"cuda"``.
    corpus : callable or None
        Returns the run's `Corpus`, which whoever measures makes sure of; None stands for the
        bundled one.
    grid : callable or None
        Returns the run's grid of transformations, likewise; None stands for the quick one.
    progress : TextIO or None
        Terminal that progress bars are drawn on; None leaves the choice to tqdm, which draws on
        standard error where that is a terminal.
    audio_bound : bool
        Whether within-space measurements bring the audio space's along (the report draws it), of
        corpora of up to `ALL_PAIRS_UNASKED` clips.
    damage : {"audio", "perceived"}
        Scale on which measurements tell how much a transformation changed the audio.
    run : str
        Tells runs apart that share a process: each has stores of its own, and closes them.
    """

    seed: int = DEFAULT_SEED
    cache_dir: Path | Callable[[], Path] | None = None
    cache_gib: float = DEFAULT_CACHE_GIB
    jobs: int = field(default_factory=lambda: available_cores())
    device: str | None = None
    corpus: Callable[[], object] | None = None
    grid: Callable[[], Iterable[Any]] | None = None
    progress: TextIO | None = None
    audio_bound: bool = False
    damage: Scale = "audio"
    run: str = ""


_SCOPES: Scopes[Settings] = Scopes("pytest_nnrel_settings", outlasting=True)


def active() -> Settings:
    """Return the settings in force here, the defaults where there are none.

    Raises
    ------
    SettingError
        In a process that was started by a run which is over, and where several runs go on at once
        of which any could be meant.
    """
    return _SCOPES.current() or _handed_down() or _defaults()


def seed_or_own(seed: int | None) -> int:
    """Return the seed that a user gave, or that of the settings in force where there is none.

    Raises
    ------
    SettingError
        If it is no whole number.
    """
    if seed is None:
        return active().seed
    if not is_whole(seed):
        raise SettingError(f"seed takes a whole number, not {seed!r}")
    return int(seed)


def activate(settings: Settings, *, shared: bool = False) -> Scope[Settings]:
    """Put settings in force, `shared` where they are a run's; give the scope to `deactivate`."""
    return _SCOPES.enter(settings, shared=shared)


def deactivate(scope: Scope[Settings]) -> None:
    """Undo an `activate`."""
    _SCOPES.leave(scope)


def held() -> AbstractContextManager[None]:
    """Keep the settings in force here for a ``with`` block, though their test ends meanwhile.

    Raises
    ------
    SettingError
        As `active` does.
    """
    return _SCOPES.held()


def pickled(run: Settings) -> bytes:
    """Return what is in force in a run of this process, for those that it starts.

    Parameters
    ----------
    run : Settings
        The run's own; of the one test that it is in, they are the test's.
    """
    current = _SCOPES.within(run) or run
    return pickle.dumps(replace(current, progress=None))


def _handed_down() -> Settings | None:
    payload = handover.handed_down()
    return None if payload is None else _unpickled(payload)


@lru_cache(maxsize=1)
def _unpickled(payload: bytes) -> Settings:
    # Once for as long as they stay the same: their corpus is opened once.
    return pickle.loads(payload)  # type: ignore[no-any-return]


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def default_cache_dir() -> Path:
    """Return the user's cache folder for this package, by the platform's convention."""
    from platformdirs import user_cache_path

    return user_cache_path("pytest-nnrel", appauthor=False)


_DEFAULTS: list[Settings] = []


def _defaults() -> Settings:
    # One object for the whole process: scratch files and the encoder registry hang on it.
    if not _DEFAULTS:
        _DEFAULTS.append(Settings(cache_dir=default_cache_dir))
    return _DEFAULTS[0]
