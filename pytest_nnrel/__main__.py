"""Command line: what a run found, seen, heard, compared and checked after it is over."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from contextlib import redirect_stdout
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pytest_nnrel.errors import (
    BaselineError,
    MagnitudeError,
    NNRelError,
    ResultsError,
    SettingError,
)
from pytest_nnrel.runtime import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nnrel.baselines import Comparison, Retraining
    from pytest_nnrel.corpus import Clip, Corpus
    from pytest_nnrel.inspection import Finding
    from pytest_nnrel.transforms import Transform

_EXIT_CODES = """\
exit codes:
  0  done; of compare: the same or better
  1  of compare: worse; of baseline merge: both sides changed a condition, each otherwise
  2  the input is wrong, and one line says how; of compare: not comparable, or not all of it
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code, or 2 after printing what is wrong with the input."""
    with _Output(sys.stdout) as output, redirect_stdout(output):
        chosen = _parser().parse_args(arguments)
        try:
            return int(chosen.run(chosen) or 0)
        except (NNRelError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2


class _Output(TextIOBase):
    """Standard output, whose reader, such as ``head``, may leave early.

    What is printed later is then lost, and nothing else: the command is carried out to its end,
    and its exit code stands. Closing it flushes the stream, which is others' to close.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._silence()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._silence()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def _silence(self) -> None:
        # What is still buffered would break the pipe again when the interpreter ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_nnrel",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_show(commands)

    render = _add(commands, "render", _render, "make index.html and summary.md from a results.json")
    render.add_argument("results", type=Path, help="results.json of a report")
    render.add_argument("--out", type=Path, metavar="DIR", help="folder to write to (default: its)")

    compare = _add(
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

    baseline = _add(commands, "baseline", None, "merge the versions of a baseline of two branches")
    merge = _add(
        baseline.add_subparsers(required=True, metavar="COMMAND", title="commands"),
        "merge",
        _merge,
        "merge two versions of a baseline, condition by condition, as git's merge drivers do",
    )
    merge.add_argument("base", type=Path, help="what both come from; an empty file for nothing")
    merge.add_argument("ours", type=Path, help="one of them, which the result is written to")
    merge.add_argument("theirs", type=Path, help="the other")

    audit = _add(commands, "audit", _audit, "tell what is odd in a corpus: near-twins, silence,"
                 " clipping, offsets, cut-off frequencies")  # fmt: skip
    audit.add_argument("corpus", help="as --nnrel-corpus")
    _add_geometry(audit)

    cache = _add(commands, "cache", _cache, "tell or clear what is kept between runs")
    cache.add_argument("--dir", type=Path, help="as --nnrel-cache (default: the user's)")
    cache.add_argument("--clear", action="store_true", help="delete all of it")

    _add(commands, "schema", _schema, "print the JSON Schema of results.json")
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int | None] | None,
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _add_show(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    show = _add(
        commands, "show", _show, "tell what is known of a clip, and write it and its neighbour"
    )
    show.add_argument("clip", help="id of the clip")
    show.add_argument(
        "--transform",
        metavar="CALL",
        help='such as "PitchShift(2)" (default: that of --results under which it fared worst)',
    )
    show.add_argument(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="module that defines transformations of one's own, found from here; may be repeated",
    )
    show.add_argument(
        "--results", type=Path, metavar="FILE", help="results.json of a run that measured it"
    )
    show.add_argument(
        "--against",
        metavar="ID",
        help="the other original (default: the nearest, by --results, or by the audio)",
    )
    show.add_argument("--out", type=Path, default=Path("nnrel-clips"), metavar="DIR",
                      help="folder for the WAVs (default: nnrel-clips)")  # fmt: skip
    show.add_argument("--play", action="store_true", help="play them, where there is a player")
    show.add_argument("--corpus", help="as --nnrel-corpus (default: that of --results, or bundled)")
    show.add_argument("--seed", type=int, help="as --nnrel-seed (default: that of --results, or 0)")
    _add_geometry(show)


def _add_geometry(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sample-rate", type=int, metavar="HZ", help="of a folder's clips")
    for name in ("--source-seconds", "--window-seconds"):
        command.add_argument(name, type=float, metavar="SECONDS", help="of a folder's clips")
    command.add_argument("--segments", type=int, metavar="N", help="of each file of a folder")


def _geometry(chosen: argparse.Namespace) -> dict[str, Any]:
    return {
        name: getattr(chosen, name)
        for name in ("sample_rate", "source_seconds", "window_seconds", "segments")
        if getattr(chosen, name) is not None
    }


def _show(chosen: argparse.Namespace) -> None:
    from pytest_nnrel import inspection
    from pytest_nnrel.corpus import BUNDLED, open_corpus
    from pytest_nnrel.transforms import parse_transform

    geometry = _geometry(chosen)
    if chosen.seed is not None and chosen.seed < 0:
        raise SettingError(f"--seed takes a whole number of 0 or more, not {chosen.seed}")
    for module in chosen.modules:
        _import(module)
    transform = None if chosen.transform is None else parse_transform(chosen.transform)
    findings: list[Finding] = []
    if chosen.results is not None:
        name = None if transform is None else transform.name
        findings = inspection.findings_of(chosen.results, chosen.clip, name)
        print("\n".join(inspection.table_of(findings)), end="\n\n")
    if findings and chosen.corpus is None:
        corpus = inspection.corpus_of(findings[0], geometry)
    else:
        corpus = open_corpus(chosen.corpus or BUNDLED, **geometry)
    clips = _clips_to_hear(chosen, transform, findings, corpus)
    print("\n".join(inspection.describe(clips, corpus)))
    files = inspection.write_clips(clips, corpus.window_seconds, chosen.out)
    print("\n".join(map(str, files)))
    problem = inspection.play(files) if chosen.play else ""
    if problem:
        print(f"note: {problem}", file=sys.stderr)


def _import(module: str) -> None:
    sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise SettingError(f"--import={module} cannot be imported: {error}") from error
    finally:
        sys.path.remove(os.getcwd())


def _clips_to_hear(
    chosen: argparse.Namespace,
    transform: Transform | None,
    findings: Sequence[Finding],
    corpus: Corpus,
) -> dict[str, Clip]:
    """Return a clip, what becomes of it, and the original that is nearest to that, by role."""
    from pytest_nnrel.inspection import nearest_other
    from pytest_nnrel.transforms import parse_transform

    original = query = corpus.clip(chosen.clip)
    clips = {"original": original}
    if findings and transform is None:
        try:
            transform = parse_transform(findings[0].transform)
        except MagnitudeError:
            print(f"{findings[0].transform} was made in Python, and cannot be heard from here")
    if transform is not None:
        recorded = findings[0].details["identity"]["seed"] if findings else settings.DEFAULT_SEED
        seed = recorded if chosen.seed is None else chosen.seed
        clips["transformed"] = query = transform.apply(original, seed=seed)
    alike = [f.worst for f in findings if f.transform == findings[0].transform and f.worst]
    against = chosen.against or (alike[0]["neighbour"] if alike else None)
    against = against or nearest_other(query, original.id, corpus)
    return {**clips, "neighbour": corpus.clip(against)}


def _render(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.report import PAGE
    from pytest_nnrel.report.html import render_page
    from pytest_nnrel.report.markdown import SUMMARY, summary_text
    from pytest_nnrel.report.results import load_results
    from pytest_nnrel.runtime.files import replace_text

    results = load_results(chosen.results)
    folder = chosen.out or chosen.results.parent
    try:
        views = {PAGE: render_page(results, folder), SUMMARY: summary_text(results)}
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ResultsError(
            f"{chosen.results} is incomplete or was changed: {type(error).__name__} {error}; run"
            " the tests again with --nnrel-report"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in views.items():
        replace_text(folder / name, text)
        print(folder / name)


def _schema(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.report.results import schema

    print(json.dumps(schema(), indent=2))


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


def _audit(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.corpus import open_corpus
    from pytest_nnrel.measures import audit_corpus

    print(audit_corpus(open_corpus(chosen.corpus, **_geometry(chosen))))


def _cache(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.runtime.store import Store

    folder = chosen.dir or settings.default_cache_dir()
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{folder} is a file, not a folder; name the cache's folder with --dir")
    store = Store(folder)
    if chosen.clear:
        store.clear()
    entries, size = store.size()
    print(f"{store.root}: {entries:,} entries, {size / 2**20:,.1f} MiB")


if __name__ == "__main__":
    sys.exit(main())
