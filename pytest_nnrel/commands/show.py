"""``show``: a clip, what becomes of it, and its neighbour, to look at and to hear."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nnrel.commands.options import add, add_geometry, add_import, geometry_of, import_own
from pytest_nnrel.errors import MagnitudeError, SettingError
from pytest_nnrel.runtime import settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_nnrel.commands.options import Commands
    from pytest_nnrel.corpus import Clip, Corpus
    from pytest_nnrel.inspection import Finding
    from pytest_nnrel.transforms import Transform


def add_show(commands: Commands) -> None:
    """Add the command."""
    show = add(
        commands, "show", _show, "tell what is known of a clip, and write it and its neighbour"
    )
    show.add_argument("clip", help="id of the clip")
    show.add_argument(
        "--transform",
        metavar="CALL",
        help='such as "PitchShift(2)" (default: that of --results under which it fared worst)',
    )
    add_import(show)
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
    add_geometry(show)


def _show(chosen: argparse.Namespace) -> None:
    from pytest_nnrel import inspection
    from pytest_nnrel.corpus import BUNDLED, open_corpus
    from pytest_nnrel.transforms import parse_transform

    geometry = geometry_of(chosen)
    if chosen.seed is not None and chosen.seed < 0:
        raise SettingError(f"--seed takes a whole number of 0 or more, not {chosen.seed}")
    for module in chosen.modules:
        import_own(module)
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
