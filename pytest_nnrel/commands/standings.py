"""``leaderboard`` and ``history``: encoders of several runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pytest_nnrel.commands.options import add
from pytest_nnrel.runtime import settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_nnrel.commands.options import Commands
    from pytest_nnrel.profiles.entrants import Run


def add_leaderboard(commands: Commands) -> None:
    """Add the command."""
    board = add(commands, "leaderboard", _leaderboard, "rank encoders of several runs by score")
    board.add_argument("results", type=Path, nargs="+", help="results.json of a run")
    board.add_argument("--out", type=Path, metavar="DIR", help="folder for page, CSV and Markdown")
    scales = get_args(settings.Scale)
    board.add_argument("--scale", choices=scales, default=scales[0], help="of damage")
    board.add_argument("--at", type=int, metavar="N", help="C_W among N clips, of any corpora")


def add_history(commands: Commands) -> None:
    """Add the command."""
    history = add(commands, "history", _history, "tell how encoders moved over runs")
    history.add_argument("results", type=Path, nargs="+", help="results.json of a run")


def _leaderboard(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.profiles.standings import standings
    from pytest_nnrel.report.leaderboard import markdown, views
    from pytest_nnrel.report.reading import as_written
    from pytest_nnrel.runtime.files import replace_text

    runs = _runs(chosen.results)
    with as_written(*chosen.results):
        found = standings(runs, scale=chosen.scale, among=chosen.at)
    print(markdown(found), end="")
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        for name, text in views(found).items():
            replace_text(chosen.out / name, text)
            print(chosen.out / name)


def _history(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.report.history import histories, lines_of
    from pytest_nnrel.report.reading import as_written

    runs = _runs(chosen.results)
    with as_written(*chosen.results):
        found = histories(runs)
    print("\n\n".join("\n".join(lines_of(one)) for one in found))


def _runs(files: Sequence[Path]) -> list[Run]:
    """Return runs, each called by its start, its commit where that is known, and its version.

    Those that are called alike, such as shards that began together, bear their files too.
    """
    from pytest_nnrel.profiles.entrants import Run
    from pytest_nnrel.report.reading import as_written
    from pytest_nnrel.report.results import load_results

    found = []
    for file in files:
        results = load_results(file)
        run, environment = results["run"], results["environment"]
        with as_written(file):
            marks = [run["started"], run.get("commit"), environment.get("pytest-nnrel")]
            found.append(Run(" ".join(filter(None, marks)), results))
    labels = [run.label for run in found]
    return [
        run if labels.count(run.label) == 1 else run._replace(label=f"{run.label} ({file})")
        for run, file in zip(found, files)
    ]
