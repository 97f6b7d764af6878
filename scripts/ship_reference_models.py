"""Make what comes with the package of the reference models, from training runs and results.

::

    python scripts/ship_reference_models.py excerpt --data OPEN_CORPUS
    python scripts/ship_reference_models.py checkpoints --runs RUNS [--as long]
    python scripts/ship_reference_models.py results --from OUT_OF_REPRODUCE [--as long]
    python scripts/ship_reference_models.py ranks
    python scripts/ship_reference_models.py readme

`excerpt` takes some test clips out of the open corpus. `checkpoints` stores the first trial of each
run as float16, and the scores of all trials in ``trials.json``, beside those of other runs.
`results` stores what `reproduce` gave on the bundled corpus, and of brief trainings the reference
encoders' C_W, which reports draw behind a user's own. `ranks` adds to these how many originals are
nearer to each clip, from which reports draw them among fewer clips. `readme` writes scores and
claims into the package's README.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import shutil
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_nnrel
import reference_models
from pytest_nnrel import Corpus, as_encoder, quick_grid, within_consistency
from pytest_nnrel.report.references import written_ranks
from pytest_nnrel.runtime.files import replace_text
from pytest_nnrel.transforms.grids import PAPER_FAMILIES
from reference_models import checkpoint
from reference_models.datasets import opencorpus
from reference_models.errors import ReproductionError
from reference_models.paper import results as reproduction_results
from reference_models.paper.analysis import consistency_rows
from reference_models.paper.claims import CLAIMS
from reference_models.paper.reproduction import EXCERPT
from reference_models.paper.targets import WITHIN_EUCLIDEAN
from reference_models.paper.trained import trained_networks

if TYPE_CHECKING:
    from reference_models.networks import TaskNetwork
    from reference_models.paper.results import Results

#: Enough for every task, in some 4 MB.
EXCERPT_CLIPS = 40
CURVES = Path(pytest_nnrel.__file__).parent / "data" / "reference_curves.json"
README = checkpoint.SHIPPED.parent / "README.md"
LABELS = {
    "mfcc": "MFCC",
    "at": "AT: auto-tagging",
    "ir": "IR: instrument recognition",
    "vs": "VS: voice separation",
    "ae": "AE: autoencoder",
}


def excerpt(chosen: argparse.Namespace) -> None:
    """Copy evenly spaced rendered test clips with their part of the manifest."""
    manifest = json.loads((chosen.data / opencorpus.MANIFEST).read_text(encoding="utf-8"))
    clips = [c for c in manifest["clips"] if c["part"] == "test" and c["instrument"]]
    manifest["clips"] = clips[:: len(clips) // EXCERPT_CLIPS]
    manifest["blocks"] = []
    shutil.rmtree(EXCERPT, ignore_errors=True)
    for clip in manifest["clips"]:
        for file in (clip["audio"], clip["voice"]):
            if file:
                target = EXCERPT / file["path"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(chosen.data / file["path"], target)
    replace_text(EXCERPT / opencorpus.MANIFEST, json.dumps(manifest, indent=1) + "\n")
    opencorpus.load(EXCERPT, "at", "test", verify=True)


def checkpoints(chosen: argparse.Namespace) -> None:
    """Store first trials as float16, with the effect that this has on C_W."""
    folder = checkpoint.SHIPPED / chosen.extent
    folder.mkdir(exist_ok=True)
    trials: dict[str, dict[str, object]] = defaultdict(dict, checkpoint.trials_in(folder))
    for trained in trained_networks(chosen.runs):
        trials[f"{trained.task}-{trained.encoder}"][str(trained.trial)] = {
            name: trained.card[name] for name in ("recipe", "data", "scores", "curves")
        }
        if trained.trial > 1:
            continue
        name = trained.task if trained.encoder == "vgg" else f"mfcc-{trained.task}"
        if folder != checkpoint.BRIEF:
            name = f"{name}-{folder.name}"
        card = {k: v for k, v in trained.card.items() if k not in ("precision", "sha256")}
        card["name"] = name
        if trained.encoder == "vgg":
            card["float16"] = _effect(trained.network)
        checkpoint.save(
            trained.network,
            folder / name,
            task=trained.task,
            encoder=trained.encoder,
            arguments=trained.card["arguments"],
            precision="float16",
            card=card,
        )
        print(name, card["scores"], card.get("float16"))
    replace_text(folder / checkpoint.TRIALS, json.dumps(trials, indent=1) + "\n")


def _effect(network: TaskNetwork) -> dict[str, float]:
    """Return how far C_W on the bundled corpus moves when the weights are rounded."""
    corpus = Corpus.bundled()
    exact = as_encoder(network.embedding, name="exact")
    rounded = as_encoder(copy.deepcopy(network).half().float().embedding, name="rounded")
    differences = [
        abs(
            within_consistency(exact, transform, corpus=corpus).value
            - within_consistency(rounded, transform, corpus=corpus).value
        )
        for transform in quick_grid()
    ]
    return {
        "clips": len(corpus),
        "conditions": len(differences),
        "largest difference of C_W": max(differences),
        "mean difference of C_W": sum(differences) / len(differences),
    }


def results(chosen: argparse.Namespace) -> None:
    """Store results of the bundled corpus, and C_W of the first trials by condition."""
    found = reproduction_results.load(getattr(chosen, "from") / "reproduction.json")
    if found.corpus["fingerprint"] != Corpus.bundled().fingerprint:
        raise SystemExit("these results are not of the bundled corpus: give reproduce --clips 134")
    # Where folders were when it was run, is of no use elsewhere.
    plain = re.sub(r"(?<![\w.])/[^\s\"]*/", "", json.dumps(found.provenance))
    found.provenance = json.loads(plain)
    reproduction_results.MEASURED.parent.mkdir(exist_ok=True)
    if chosen.extent == "long":
        found.save(reproduction_results.MEASURED_LONG)
        return
    found.save(reproduction_results.MEASURED)
    replace_text(CURVES, json.dumps(curves(found), indent=1) + "\n")


def ranks(_: argparse.Namespace) -> None:
    """Measure the ranks of the first trials on the bundled clips, for curves among fewer clips.

    Encoders that have them since `results` are passed over, so that it can go on where it ended.
    """
    plain = json.loads(CURVES.read_text(encoding="utf-8"))
    kinds = {kind.__name__: kind for kind in PAPER_FAMILIES}
    for name, encoder in plain["encoders"].items():
        if all("ranks" in point for point in encoder["points"]):
            continue
        known = as_encoder(reference_models.load(name))
        for point in encoder["points"]:
            magnitude = point["magnitude"]
            transform = kinds[point["family"]](int(magnitude) if magnitude % 1 == 0 else magnitude)
            measured = within_consistency(known, transform, corpus=Corpus.bundled())
            if abs(measured.value - point["within"]) > 2.5 / measured.n:
                raise SystemExit(
                    f"{name}, {transform}: {measured.value:.3f}, and {point['within']:.3f} is"
                    " stored: run results first"
                )
            low, high = measured.ci
            point |= {
                "within": round(measured.value, 6), "low": round(low, 6), "high": round(high, 6),
                "ranks": written_ranks(measured.ranks),
            }  # fmt: skip
        replace_text(CURVES, json.dumps(plain, indent=1) + "\n")
        print(name, len(encoder["points"]), "conditions")


def curves(found: Results) -> dict[str, object]:
    """Return C_W of the first trials by condition, as reports draw it."""
    family = {kind.symbol: kind.__name__ for kind in PAPER_FAMILIES}
    measured = consistency_rows(found, WITHIN_EUCLIDEAN)
    encoders = {
        name: {
            "label": label,
            "points": [
                {
                    "family": family[row.transformation],
                    "magnitude": row.magnitude,
                    "severity": row.severity,
                    "within": round(row.value, 6),
                    "low": round(row.low, 6),
                    "high": round(row.high, 6),
                }
                for row in reproduction_results.select(measured, encoder=name)
                if row.trial <= 1
            ],
        }
        for name, label in LABELS.items()
    }
    corpus = {
        "name": found.corpus["name"],
        "n": found.corpus["clips"],
        "fingerprint": found.corpus["fingerprint"],
    }
    return {"corpus": corpus, "encoders": encoders}


def readme(_: argparse.Namespace) -> None:
    """Write the sections of the package's README that are made of results."""
    text = README.read_text(encoding="utf-8")
    for name, section in sections().items():
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        _, after = rest.split(f"<!-- /{name} -->", 1)
        text = f"{before}<!-- {name} -->\n{section}<!-- /{name} -->{after}"
    replace_text(README, text)


def sections() -> dict[str, str]:
    """Return the sections by name: scores, claims, and what of these longer training changes."""
    heads = ["name", "task", "encoder", "clips seen", "measure", "test", "other trials"]
    heads += ["held-out SoundFont"]
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for path in sorted(checkpoint.SHIPPED.glob("*/*.safetensors")):
        _, card = checkpoint.load_network(path)
        trials = checkpoint.trials_in(path.parent)
        # A corpus of one SoundFont has none to hold out.
        test, font = (_score(card["scores"].get(part)) for part in ("test", "test-font"))
        others = [
            f"{trial['scores']['test']['value']:.3f}"
            for number, trial in trials[f"{card['task']}-{card['encoder']}"].items()
            if int(number) != card["recipe"]["trial"]
        ]
        seen = len(card["curves"]) * checkpoint.epoch_clips(card)
        cells = [
            f"`{path.stem}`", card["task"].upper(), card["encoder"],
            f"{seen:,}", card["scores"]["test"]["measure"],
            test, ", ".join(others), font,
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    brief, long = map(judged, (reproduction_results.MEASURED, reproduction_results.MEASURED_LONG))
    claims = [f"{claim.number}. {claim.text} {told}" for claim, (_, told) in zip(CLAIMS, brief)]
    table = ["| claim | trained briefly | trained longer |", "|---|---|---|"]
    changed = []
    for claim, (before, _), (after, told) in zip(CLAIMS, brief, long):
        table.append(f"| {claim.number} | {before} | {after} |")
        if after != "holds" or before != after:
            changed.append(f"{claim.number}. {told}")
    return {
        "scores": "\n".join(rows) + "\n",
        "claims": "\n".join(claims) + "\n",
        "longer": "\n".join([*table, "", *changed]) + "\n",
    }


def judged(measured: Path) -> list[tuple[str, str]]:
    """Return what results say of each claim: a verdict, and what it comes from."""
    found = reproduction_results.load(measured)
    told = []
    for claim in CLAIMS:
        try:
            outcome = claim(found)
        except ReproductionError as error:
            told.append(("not judged", f"**Not judged:** {error}."))
        else:
            verdict = "holds" if outcome.holds else "does not hold"
            told.append((verdict, f"**It {verdict} here.** {outcome.explanation}"))
    return told


def _score(score: dict[str, float | None] | None) -> str:
    if score is None:
        return ""
    without = score["compared"]
    return f"{score['value']:.3f}" + ("" if without is None else f" ({without:.3f})")


def main() -> None:
    """Run one of the five."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, option, run in (
        ("excerpt", "--data", excerpt),
        ("checkpoints", "--runs", checkpoints),
        ("results", "--from", results),
    ):
        command = commands.add_parser(name)
        command.add_argument(option, type=Path, required=True)
        command.set_defaults(run=run)
        if run is not excerpt:
            command.add_argument("--as", dest="extent", choices=("brief", "long"), default="brief")
    commands.add_parser("ranks").set_defaults(run=ranks)
    commands.add_parser("readme").set_defaults(run=readme)
    chosen = parser.parse_args()
    chosen.run(chosen)


if __name__ == "__main__":
    main()
