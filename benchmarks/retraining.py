"""Real retrainings: how often verdicts on baselines are wrong, and what they miss.

python benchmarks/retraining.py train --music DIR --prepared FILE   # hours; goes on where it was
python benchmarks/retraining.py                                     # the tables, of what is stored
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Flags = npt.NDArray[np.bool_]

STORED = Path(__file__).parent / "retraining"
#: Trainings of a recipe; of it for a third as long; and of what else it is made worse by.
SEEDS, SHORT_SEEDS, WORSE_SEEDS = 40, 20, 12
#: The variant that the bars are set for.
SHORT = "a third as long"


def plan() -> list[tuple[str, str | None, int]]:
    """Return recipe, variant and seed of each training, in the order that they are trained."""
    from recipes import RECIPES, WORSE

    seeds = {None: SEEDS, **dict.fromkeys(WORSE, WORSE_SEEDS), SHORT: SHORT_SEEDS}
    # Those that the bars are of come first. Seeds of variants are others, so that no two trainings
    # have the same beginning.
    return [
        (name, variant, 1000 * number + seed)
        for first in (True, False)
        for name in RECIPES
        for seed in range(SEEDS)
        for number, variant in enumerate(seeds)
        if first == (variant in (None, SHORT)) and seed < seeds[variant]
    ]


def path_of(name: str, variant: str | None) -> Path:
    """Return where the trainings of a recipe are stored, one a line."""
    return STORED / f"{name}{'' if variant is None else ', ' + variant}.jsonl".replace(" ", "-")


def stored(name: str, variant: str | None = None) -> list[dict[str, Any]]:
    """Return what is stored of a recipe's trainings, ordered by seed."""
    path = path_of(name, variant)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return sorted(map(json.loads, lines), key=lambda training: training["seed"])


def load(name: str, variant: str | None = None) -> Flags:
    """Return the outcomes of a recipe's trainings, bool[trainings, conditions, n]."""
    return np.array(
        [
            [_unpacked(line, training["clips"]) for line in training["outcomes"].values()]
            for training in stored(name, variant)
        ]
    )


def _packed(outcomes: Flags) -> str:
    return np.packbits(outcomes).tobytes().hex()


def _unpacked(line: str, clips: int) -> Flags:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(line), np.uint8))
    return bits[:clips].astype(bool)


def train(music: Path, prepared: Path, only: list[str] | None, part: int, of: int) -> None:
    """Train and measure what is not stored yet; several processes may each take a part."""
    import recipes
    import torch
    from tqdm import tqdm

    from pytest_nnrel import Corpus, as_encoder, quick_grid, within_consistency

    torch.set_num_threads(1)
    clips = recipes.Music.load(music, prepared)
    corpus = Corpus.bundled()
    STORED.mkdir(exist_ok=True)
    mine = [one for one in plan() if one[2] % of == part and (not only or one[0] in only)]
    for name, variant, seed in tqdm(mine, desc="trainings"):
        if seed in {training["seed"] for training in stored(name, variant)}:
            continue
        started = time.perf_counter()
        trained = recipes.train(recipes.recipe_of(name, variant), clips, seed)
        seconds = time.perf_counter() - started
        encoder = as_encoder(trained, name=name)
        measured = [within_consistency(encoder, t, corpus=corpus) for t in quick_grid()]
        training = {
            "seed": seed,
            "corpus": corpus.fingerprint,
            "clips": len(corpus),
            "outcomes": {m.details["transform"]["name"]: _packed(m.outcomes) for m in measured},
        }
        with path_of(name, variant).open("a", encoding="utf-8") as file:
            file.write(json.dumps(training) + "\n")
        c_w = float(np.mean([m.value for m in measured]))
        tqdm.write(f"{name}, {variant}, {seed}: {c_w:.3f}, {seconds:.0f} s")


def main() -> None:
    """Train, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command")
    training = commands.add_parser("train", help="train what is not stored yet")
    training.add_argument("--music", type=Path, required=True, help="reference_models data collect")
    training.add_argument("--prepared", type=Path, required=True, help="mel bands, made if missing")
    training.add_argument("--only", nargs="+", metavar="RECIPE")
    training.add_argument("--part", type=int, default=0, help="which seeds (0)")
    training.add_argument("--of", type=int, default=1, help="parts that seeds are shared among (1)")
    chosen = parser.parse_args()
    if chosen.command == "train":
        train(chosen.music, chosen.prepared, chosen.only, chosen.part, chosen.of)


if __name__ == "__main__":
    main()
