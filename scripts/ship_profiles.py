"""Store the reference encoders' profiles, which reports draw behind a user's own.

::

    python scripts/ship_profiles.py encoders
    python scripts/ship_profiles.py noise
    python scripts/ship_profiles.py heard

`encoders` measures, under the grid `field` on the bundled clips, how many originals are nearer to
each clip than its own: of the encoders of the paper, of their network before any training, and of
one that gives every clip the same embedding. `noise` tells how much pink noise of several ratios
changes the audio, which the damage of others is compared with; `heard` adds what is heard of all
of them (extra ``perception``). All go on where they ended.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import pytest_nnrel
import reference_models
from pytest_nnrel import Corpus, PinkNoise, as_encoder, field_grid, within_consistency
from pytest_nnrel.experiment.damage import damage_of
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.study import question
from pytest_nnrel.measures import study_on
from pytest_nnrel.runtime.files import replace_text

if TYPE_CHECKING:
    from pytest_nnrel.encoders.protocol import Encoder
    from pytest_nnrel.runtime.settings import Scale
    from pytest_nnrel.transforms import Transform

DATA = Path(pytest_nnrel.__file__).parent / "data"
STORED, NOISE = DATA / "reference_profiles.json", DATA / "noise_damage.json"
#: By name: how reports call them.
LABELS = {
    "mfcc": "MFCC",
    "at": "AT: auto-tagging",
    "ir": "IR: instrument recognition",
    "vs": "VS: voice separation",
    "ae": "AE: autoencoder",
    "untrained": "the same network, not trained",
    "collapsed": "one embedding for all",
}
#: Signal-to-noise ratios in dB, from what nobody hears on.
RATIOS = (54, 48, 42, 36, 30, 24, 18, 12, 6, 0, -6, -12)


def load(name: str) -> Encoder:
    """Return an encoder by its name in `LABELS`."""
    if name == "untrained":
        import torch

        from reference_models.networks import VGGEmbedding

        torch.manual_seed(0)
        return as_encoder(VGGEmbedding().eval(), name=name)
    if name == "collapsed":
        return as_encoder(lambda batch: np.ones((len(batch), 4)), name=name)
    return as_encoder(reference_models.load(name))


def encoders() -> None:
    """Measure ranks, encoder by encoder."""
    stored = read(STORED, {"conditions": {}, "encoders": {}})
    for name, label in LABELS.items():
        known = stored["encoders"].setdefault(name, {"label": label, "ranks": {}})
        encoder = load(name)
        for transform in field_grid():
            if transform.name in known["ranks"]:
                continue
            measured = within_consistency(encoder, transform, corpus=Corpus.bundled())
            details = measured.details
            stored["conditions"][transform.name] = {
                "family": details["transform"]["family"],
                "severity": details["transform"]["severity"],
                "magnitude": details["transform"]["magnitude"],
                "recipe": details["transform"]["recipe"],
                "damage": {"audio": details["damage"]["audio"]["median"]},
            } | stored["conditions"].get(transform.name, {})
            known["ranks"][transform.name] = " ".join(map(str, measured.ranks))
            write(stored, STORED)
            print(name, transform.name, f"{measured.value:.3f}", flush=True)


def noise() -> None:
    """Measure how much pink noise changes the audio."""
    table = read(NOISE, {"conditions": []})
    known = {one["snr_db"] for one in table["conditions"]}
    table["conditions"] += [{"snr_db": r, "damage": {}} for r in RATIOS if r not in known]
    for one in table["conditions"]:
        _listen(PinkNoise(one["snr_db"]), one["damage"], "audio", table, NOISE)


def heard() -> None:
    """Measure what is heard of pink noise, then of all other conditions."""
    table = read(NOISE, {"conditions": []})
    for one in table["conditions"]:
        _listen(PinkNoise(one["snr_db"]), one["damage"], "perceived", table, NOISE)
    stored = read(STORED, {})
    for transform in field_grid():
        told = stored["conditions"][transform.name]["damage"]
        _listen(transform, told, "perceived", stored, STORED)


def _listen(
    transform: Transform, told: dict[str, float], scale: Scale, table: dict[str, Any], file: Path
) -> None:
    if scale in told:
        return
    rendered = render(question(study_on(Corpus.bundled()), transform))
    told[scale] = damage_of(rendered, scale)["median"]
    write(table, file)
    print(transform.name, scale, told[scale], flush=True)


def read(file: Path, empty: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of the bundled corpus, or an empty table of it."""
    corpus = Corpus.bundled()
    if file.exists():
        stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if stored["corpus"]["fingerprint"] == corpus.fingerprint:
            return stored
    told = {"name": corpus.name, "n": len(corpus), "fingerprint": corpus.fingerprint}
    return {"corpus": told, "seed": study_on(corpus).seed} | empty


def write(table: dict[str, Any], file: Path) -> None:
    """Store a table, a line for each number."""
    replace_text(file, json.dumps(table, indent=1) + "\n")


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for run in (encoders, noise, heard):
        commands.add_parser(run.__name__).set_defaults(run=run)
    parser.parse_args().run()


if __name__ == "__main__":
    main()
