"""Options that several commands have, and what they stand for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_nnrel.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

EXIT_CODES = """\
exit codes:
  0  done; of compare: the same or better; of verify: all is the same
  1  of compare: worse; of verify: something differs; of baseline merge: both sides changed a
     condition, each otherwise
  2  the input is wrong, and one line says how; of compare: not comparable, or not all of it; of
     verify: not all could be measured again
"""


def add(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int | None] | None,
    summary: str,
) -> argparse.ArgumentParser:
    """Add a command, which `run` carries out and `summary` describes; return its parser."""
    command = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def add_import(command: argparse.ArgumentParser) -> None:
    """Add the option by which a command knows transformations of one's own."""
    command.add_argument(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="module that defines transformations of one's own, found from here; may be repeated",
    )


def add_geometry(command: argparse.ArgumentParser) -> None:
    """Add the options that say how a folder's files are cut into clips."""
    command.add_argument("--sample-rate", type=int, metavar="HZ", help="of a folder's clips")
    for name in ("--source-seconds", "--window-seconds"):
        command.add_argument(name, type=float, metavar="SECONDS", help="of a folder's clips")
    command.add_argument("--segments", type=int, metavar="N", help="of each file of a folder")


def geometry_of(chosen: argparse.Namespace) -> dict[str, Any]:
    """Return which of those options were given."""
    return {
        name: getattr(chosen, name)
        for name in ("sample_rate", "source_seconds", "window_seconds", "segments")
        if getattr(chosen, name) is not None
    }


def import_own(module: str) -> None:
    """Import a module of the user's, found from here.

    Raises
    ------
    SettingError
        If it cannot be imported.
    """
    sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise SettingError(f"--import={module} cannot be imported: {error}") from error
    finally:
        sys.path.remove(os.getcwd())
