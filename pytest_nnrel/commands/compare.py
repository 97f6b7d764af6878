"""``compare`` and ``baseline merge``: outcomes of two versions, clip by clip."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nnrel.commands.options import add
from pytest_nnrel.errors import BaselineError, ResultsError, SettingError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_nnrel.baselines import Comparison, Retraining
    from pytest_nnrel.commands.options import Commands


def add_compare(commands: Commands) -> None:
    """Add the command."""
    compare = add(
        commands, "compare", _compare, "tell whether encoders got worse, from two files of outcomes"
    )
    compare.add_argument(
        "old", type=Path, nargs="+", help="baseline or results.json; several with --retrained"
    )
    compare.add_argument("new", type=Path, help="baseline or results.json")
    compare.add_argument(
        "--retrained",
        action="store_true",
        help="tell whether a recipe got worse: the trainings of NEW against those of all OLD"
        " (default: whether the same training did, clip by clip)",
    )
    compare.add_argument(
        "--max-drop",
        type=float,
        metavar="DROP",
        help="largest drop of a value in any condition, significant or not (default: only what is"
        " significant counts)",
    )
    compare.add_argument(
        "--partial", action="store_true", help="leave out what the new file does not have"
    )


def add_baseline(commands: Commands) -> None:
    """Add the command, which has commands of its own."""
    baseline = add(commands, "baseline", None, "merge the versions of a baseline of two branches")
    merge = add(
        baseline.add_subparsers(required=True, metavar="COMMAND", title="commands"),
        "merge",
        _merge,
        "merge two versions of a baseline, condition by condition, as git's merge drivers do",
    )
    merge.add_argument("base", type=Path, help="what both come from; an empty file for nothing")
    merge.add_argument("ours", type=Path, help="one of them, which the result is written to")
    merge.add_argument("theirs", type=Path, help="the other")


def _compare(chosen: argparse.Namespace) -> int:
    from pytest_nnrel.baselines import compare_records, compare_retrained, load_records

    if chosen.retrained:
        if chosen.max_drop is not None or chosen.partial:
            raise SettingError("--max-drop and --partial are of the same training: leave them out")
        return _tell(chosen, *compare_retrained(chosen.old, chosen.new), few="trainings")
    if len(chosen.old) > 1:
        raise SettingError(
            "two files are compared clip by clip; several OLD are trainings of one recipe:"
            " --retrained"
        )
    old, new = load_records(chosen.old[0]), load_records(chosen.new)
    for path, records in ((chosen.old[0], old), (chosen.new, new)):
        if records.trainings and not records.entries:
            raise BaselineError(
                f"{path} holds trainings only ({records.summary}), and nothing to compare clip by"
                " clip; whether their recipe got worse is asked with"
                f" compare --retrained {chosen.old[0]} {chosen.new}"
            )
    comparisons, notes, complete = compare_records(old, new, max_drop=chosen.max_drop)
    if not comparisons:
        notes = [*notes, *_side_by_side(chosen.old[0], chosen.new)]
    code = _tell(chosen, comparisons, notes, few="groups of clips")
    if not (code or complete or chosen.partial):
        raise BaselineError("not all of the old file is in the new one; --partial leaves that out")
    return code


def _tell(
    chosen: argparse.Namespace,
    comparisons: Sequence[Comparison | Retraining],
    notes: Sequence[str],
    *,
    few: str,
) -> int:
    """Print comparisons and what could not be compared; return the exit code."""
    for comparison in comparisons:
        print("\n".join(comparison.lines()))
    for note in notes:
        print(f"note: {note}")
    if not comparisons:
        raise BaselineError(
            f"{', '.join(map(str, chosen.old))} and {chosen.new} cannot be compared, as the notes"
            " say; measure the same encoders on the same corpus, grid and seed"
        )
    verdicts = {comparison.verdict for comparison in comparisons}
    if "worse" in verdicts:
        return 1
    if "undecided" in verdicts:
        raise BaselineError(f"there are too few {few} to tell; measure more of them")
    return 0


def _side_by_side(old: Path, new: Path) -> list[str]:
    """Return what two runs on a corpus and on a part of it found, among as many clips."""
    from pytest_nnrel.baselines.sizes import among_alike
    from pytest_nnrel.report.results import load_results

    try:
        return among_alike(load_results(old), load_results(new))
    except ResultsError:  # of a baseline, which holds no ranks
        return []


def _merge(chosen: argparse.Namespace) -> int:
    from pytest_nnrel.baselines import merge_files

    conflicts = merge_files(chosen.base, chosen.ours, chosen.theirs)
    for conflict in conflicts:
        print(f"conflict: {conflict}", file=sys.stderr)
    if conflicts:
        print(
            f"{chosen.ours} is left as it is: measure these on what is merged, with"
            " pytest --nnrel-update-baseline, or take one side's entries by hand",
            file=sys.stderr,
        )
    return 1 if conflicts else 0
