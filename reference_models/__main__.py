"""Command line: ``python -m reference_models data collect``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from pytest_nnrel.errors import NNRelError


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return 0, or 2 after printing what is wrong with the input."""
    parser = argparse.ArgumentParser(prog="python -m reference_models", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="audio to train on")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    collect = actions.add_parser("collect", help="recorded music from Debian packages")
    collect.add_argument("--out", type=Path, required=True, help="folder of the collection")
    collect.add_argument("--packages", nargs="+", help="only these")
    collect.set_defaults(run=_collect)

    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except (NNRelError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _collect(chosen: argparse.Namespace) -> None:
    from reference_models.datasets import recorded

    tracks = recorded.collect(chosen.out, packages=chosen.packages)
    for part, count in sorted(Counter(track.part for track in tracks).items()):
        hours = sum(track.seconds for track in tracks if track.part == part) / 3600
        print(f"{part}: {count} tracks, {hours:.1f} h")


if __name__ == "__main__":
    sys.exit(main())
