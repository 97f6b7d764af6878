"""Versions of installed distributions, for cache keys and reports. Standard library only."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NOT_INSTALLED = "not installed"


@cache
def library_version(distribution: str) -> str:
    """Return the installed version of a distribution, or `NOT_INSTALLED`."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return NOT_INSTALLED


def commit_of(folder: Path) -> str:
    """Return the commit that a folder is at, with a ``+`` where tracked files were changed since.

    Empty where it is in no repository, or git is not installed.
    """
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=10",
               "--exclude=*"]  # fmt: skip
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()
