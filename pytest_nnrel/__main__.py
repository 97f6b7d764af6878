"""Command line: ``python -m pytest_nnrel show | render | compare | cache``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pytest_nnrel import settings
from pytest_nnrel.errors import BaselineError, NNRelError, ResultsError, SettingError


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code, or 2 after printing what is wrong with the input."""
    parser = argparse.ArgumentParser(prog="python -m pytest_nnrel", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser("show", help="write a clip, its transformation and a neighbour")
    show.add_argument("clip", help="id of the clip")
    show.add_argument("--transform", required=True, help='such as "PitchShift(semitones=2)"')
    show.add_argument("--against", help="id of the other original that was nearer")
    show.add_argument("--corpus", default="bundled", help="as --nnrel-corpus")
    show.add_argument("--sample-rate", type=int)
    show.add_argument("--source-seconds", type=float)
    show.add_argument("--window-seconds", type=float)
    show.add_argument("--segments", type=int)
    show.add_argument("--seed", type=int, default=settings.DEFAULT_SEED)
    show.add_argument("--out", type=Path, default=Path("nnrel-clips"), help="folder for the WAVs")
    show.set_defaults(run=_show)

    render = commands.add_parser("render", help="make index.html from a results.json")
    render.add_argument("results", type=Path)
    render.add_argument("--out", type=Path, help="file to write (default: index.html beside it)")
    render.set_defaults(run=_render)

    compare = commands.add_parser(
        "compare",
        help="tell whether encoders got worse, from two baselines or results.json",
        description="Exit code 0: the same or better. 1: worse. 2: not comparable.",
    )
    compare.add_argument("old", type=Path)
    compare.add_argument("new", type=Path)
    compare.add_argument(
        "--max-drop", type=float, help="largest drop of a value that is allowed in any condition"
    )
    compare.add_argument(
        "--partial", action="store_true", help="leave out what the new file does not have"
    )
    compare.set_defaults(run=_compare)

    cache = commands.add_parser("cache", help="tell or clear what is kept between runs")
    cache.add_argument("--dir", type=Path, default=None, help="as --nnrel-cache")
    cache.add_argument("--clear", action="store_true", help="delete all of it")
    cache.set_defaults(run=_cache)

    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen) or 0)
    except (NNRelError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _show(chosen: argparse.Namespace) -> None:
    import soundfile

    from pytest_nnrel.corpus import open_corpus
    from pytest_nnrel.transforms import parse_transform

    geometry = {
        name: getattr(chosen, name)
        for name in ("sample_rate", "source_seconds", "window_seconds", "segments")
        if getattr(chosen, name) is not None
    }
    if chosen.seed < 0:
        raise SettingError(f"--seed takes a whole number of 0 or more, not {chosen.seed}")
    corpus = open_corpus(chosen.corpus, **geometry)
    transform = parse_transform(chosen.transform)
    original = corpus[corpus.index(chosen.clip)]
    clips = {"1-original": original, "2-transformed": transform.apply(original, seed=chosen.seed)}
    if chosen.against:
        clips["3-neighbour"] = corpus[corpus.index(chosen.against)]
    chosen.out.mkdir(parents=True, exist_ok=True)
    for role, clip in clips.items():
        path = chosen.out / f"{role}.wav"
        # Floats, since loudness restoration may go beyond full scale.
        window = clip.window(corpus.window_seconds)
        soundfile.write(path, window, clip.sample_rate, subtype="FLOAT")
        print(f"{path}  {clip.id}" + (f" under {transform.name}" if "trans" in role else ""))


def _render(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.report import PAGE
    from pytest_nnrel.report.html import render_page
    from pytest_nnrel.report.results import load_results

    page = chosen.out or chosen.results.parent / PAGE
    results = load_results(chosen.results)
    try:
        rendered = render_page(results)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ResultsError(
            f"{chosen.results} is incomplete or was changed: {type(error).__name__} {error}"
        ) from error
    page.write_text(rendered, encoding="utf-8")
    print(page)


def _compare(chosen: argparse.Namespace) -> int:
    from pytest_nnrel.baselines import compare_records, load_records

    old, new = load_records(chosen.old), load_records(chosen.new)
    comparisons, notes, complete = compare_records(old, new, max_drop=chosen.max_drop)
    for comparison in comparisons:
        print("\n".join(comparison.lines()))
    for note in notes:
        print(f"note: {note}")
    if not comparisons:
        raise BaselineError(f"{chosen.old} and {chosen.new} cannot be compared")
    verdicts = {comparison.verdict for comparison in comparisons}
    if "worse" in verdicts:
        return 1
    if "undecided" in verdicts:
        raise BaselineError("clips were lost, and there are too few groups of clips to tell")
    if not complete and not chosen.partial:
        raise BaselineError("not all of the old file is in the new one; --partial leaves that out")
    return 0


def _cache(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.store import Store

    folder = chosen.dir or settings.default_cache_dir()
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{folder} is a file, not a folder")
    store = Store(folder)
    if chosen.clear:
        store.clear()
    entries, size = store.size()
    print(f"{store.root}: {entries:,} entries, {size / 2**20:,.1f} MiB")


if __name__ == "__main__":
    sys.exit(main())
