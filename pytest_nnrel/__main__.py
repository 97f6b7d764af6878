"""Command line: what a run found, seen, heard, compared and checked after it is over."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout

from pytest_nnrel.commands.compare import add_baseline, add_compare
from pytest_nnrel.commands.options import EXIT_CODES
from pytest_nnrel.commands.show import add_show
from pytest_nnrel.commands.standings import add_history, add_leaderboard
from pytest_nnrel.commands.upkeep import add_audit, add_cache, add_render, add_schema
from pytest_nnrel.commands.verify import add_verify
from pytest_nnrel.errors import NNRelError
from pytest_nnrel.runtime.output import PatientOutput


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code, or 2 after printing what is wrong with the input."""
    with PatientOutput(sys.stdout) as output, redirect_stdout(output):
        chosen = _parser().parse_args(arguments)
        try:
            return int(chosen.run(chosen) or 0)
        except (NNRelError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_nnrel",
        description=__doc__,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for add in (
        add_show,
        add_render,
        add_compare,
        add_leaderboard,
        add_history,
        add_verify,
        add_baseline,
        add_audit,
        add_cache,
        add_schema,
    ):
        add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
