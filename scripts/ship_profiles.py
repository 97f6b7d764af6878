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
    from collections.abc import Iterable

    from pytest_nnrel.encoders.protocol import Encoder
    from pytest_nnrel.runtime.settings import Scale
    from pytest_nnrel.transforms import Transform

STORED = Path(pytest_nnrel.__file__).parent / "data" / "reference_profiles.json"
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


def encoders(stored: dict[str, Any]) -> None:
    """Measure ranks, encoder by encoder."""
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
            write(stored)
            print(name, transform.name, f"{measured.value:.3f}", flush=True)


def noise(stored: dict[str, Any]) -> None:
    """Measure how much pink noise changes the audio."""
    _listen(stored, map(PinkNoise, RATIOS), stored["noise"], "audio")


def heard(stored: dict[str, Any]) -> None:
    """Measure what is heard of pink noise, then of all other conditions."""
    _listen(stored, map(PinkNoise, RATIOS), stored["noise"], "perceived")
    _listen(stored, field_grid(), stored["conditions"], "perceived")


def _listen(
    stored: dict[str, Any], transforms: Iterable[Transform], into: dict[str, Any], scale: Scale
) -> None:
    study = study_on(Corpus.bundled())
    for transform in transforms:
        told = into.setdefault(transform.name, {"damage": {}})["damage"]
        if scale not in told:
            told[scale] = damage_of(render(question(study, transform)), scale)["median"]
            write(stored)
            print(transform.name, scale, told[scale], flush=True)


def read() -> dict[str, Any]:
    """Return what is stored, or an empty table of the bundled corpus."""
    corpus = Corpus.bundled()
    if STORED.exists():
        stored: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
        if stored["corpus"]["fingerprint"] == corpus.fingerprint:
            return stored
    study = study_on(corpus)
    return {
        "corpus": {"name": corpus.name, "n": len(corpus), "fingerprint": corpus.fingerprint},
        "seed": study.seed,
        "conditions": {},
        "noise": {},
        "encoders": {},
    }


def write(stored: dict[str, Any]) -> None:
    """Store a table, a line for each condition."""
    replace_text(STORED, json.dumps(stored, indent=1) + "\n")


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for run in (encoders, noise, heard):
        commands.add_parser(run.__name__).set_defaults(run=run)
    parser.parse_args().run(read())


if __name__ == "__main__":
    main()
