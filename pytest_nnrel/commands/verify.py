"""``verify``: what a results file states, measured again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nnrel.commands.options import add, add_geometry, add_import, geometry_of, import_own
from pytest_nnrel.errors import ResultsError, SettingError

if TYPE_CHECKING:
    import argparse

    from pytest_nnrel.commands.options import Commands


def add_verify(commands: Commands) -> None:
    """Add the command."""
    verify = add(
        commands,
        "verify",
        _verify,
        "measure again what a results.json states, and tell what differs",
    )
    verify.add_argument("results", type=Path, help="results.json of a report")
    verify.add_argument(
        "--encoder",
        action="append",
        default=[],
        dest="encoders",
        metavar="NAME=OBJECT",
        help="what stands for an encoder of the results: MODULE:OBJECT, found from here, or the"
        " file of a table or model; may be repeated (the MFCC encoder is known)",
    )
    verify.add_argument("--corpus", help="as --nnrel-corpus (default: those of the results)")
    verify.add_argument(
        "--sample", type=int, metavar="N", help="only N measurements (default: all)"
    )
    verify.add_argument(
        "--tolerance", type=float, metavar="T", help="of values that are the same (default: 0.0001)"
    )
    verify.add_argument(
        "--partial", action="store_true", help="leave out what cannot be measured again"
    )
    add_import(verify)
    add_geometry(verify)


def _verify(chosen: argparse.Namespace) -> int:
    from pytest_nnrel.corpus import open_corpus
    from pytest_nnrel.encoders.named import named_encoder
    from pytest_nnrel.report.results import load_results
    from pytest_nnrel.verification import TOLERANCE, Verifier

    if chosen.sample is not None and chosen.sample < 1:
        raise SettingError(f"--sample takes a whole number of 1 or more, not {chosen.sample}")
    if chosen.tolerance is not None and not 0.0 <= chosen.tolerance < float("inf"):
        raise SettingError(f"--tolerance takes a number of 0 or more, not {chosen.tolerance:g}")
    results = load_results(chosen.results)
    for module in chosen.modules:
        import_own(module)
    encoders = {}
    for given in chosen.encoders:
        name, equals, named = given.partition("=")
        if not equals:
            raise SettingError(f"--encoder takes NAME=OBJECT, not {given!r}")
        encoders[name] = named_encoder(named, Path.cwd())
    corpus = None if chosen.corpus is None else open_corpus(chosen.corpus, **geometry_of(chosen))
    tolerance = TOLERANCE if chosen.tolerance is None else chosen.tolerance
    verifier = Verifier(results, encoders, corpus, tolerance)
    counts = dict.fromkeys(("same", "differs", "not checked"), 0)
    for checked in verifier.verify(chosen.sample):
        counts[checked.outcome] += 1
        print(checked)
    for note in verifier.notes():
        print(f"note: {note}")
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    if counts["differs"]:
        return 1
    left_out = counts["not checked"] and not chosen.partial
    if left_out or not counts["same"]:
        raise ResultsError(
            f"{counts['not checked']} of {sum(counts.values())} measurements of {chosen.results}"
            " were not checked; --partial leaves out what cannot be"
        )
    return 0
