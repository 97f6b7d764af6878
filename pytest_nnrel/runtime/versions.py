"""Versions of installed distributions, for cache keys and reports. Standard library only."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

NOT_INSTALLED = "not installed"


@cache
def library_version(distribution: str) -> str:
    """Return the installed version of a distribution, or `NOT_INSTALLED`."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return NOT_INSTALLED
