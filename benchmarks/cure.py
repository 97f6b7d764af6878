"""Training for consistency, shown on the paper's encoders: what it gains, what it costs.

python benchmarks/cure.py at --data OPEN     # hours; goes on where it was
python benchmarks/cure.py at-long --data OPEN

An encoder that is shipped is trained on for a while, on clips of its task, in several ways with
the same batches, and measured on recorded music that none of them heard; the documentation's page
makes tables of what is stored. OPEN is an open corpus, see
``reference_models/README.md``. Needs ``reference_models[train]``.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from filelock import FileLock

from pytest_nnrel import (
    MP3,
    Adversarial,
    Corpus,
    PinkNoise,
    PitchShift,
    as_encoder,
    between_consistency,
    quick_grid,
    sensitivity,
    within_consistency,
)
from pytest_nnrel.runtime.allocation import keep_freed_memory
from pytest_nnrel.runtime.files import replace_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from pytest_nnrel.training import TransformedPool
    from reference_models.networks import TaskNetwork

#: A file for each training, named by encoder, way and seed.
STORED = Path(__file__).parent / "cure"
#: What training sees; of the quick grid's families the others are unseen.
SEEN = (PitchShift(2), PitchShift(-2), PinkNoise(12))
#: What it sees of attacks, where it does.
ATTACKS = Adversarial(60, steps=3)
#: Clips that are trained on, windows of a batch, and the rate that a cosine takes to zero.
CLIPS, BATCH, RATE = 1_200, 24, 3e-4
SEEDS = (1, 2, 3)


class Way(NamedTuple):
    """How the encoder is trained on.

    Attributes
    ----------
    views : bool
        Whether the task is learnt from views of the clips, too.
    form : str or None
        Of the consistency loss, where there is one, and its weight: chosen so that it is about as
        large as the task's loss.
    weight : float
    steps : int
    attacks : bool
        Whether a view may be an attack.
    """

    views: bool
    form: str | None = None
    weight: float = 0.0
    steps: int = 150
    attacks: bool = False


WAYS = {
    "plain": Way(views=False),
    "augmentation": Way(views=True),
    "stability": Way(True, "stability", 0.5),
    "contrastive": Way(True, "contrastive", 0.1),
    "longer": Way(True, "contrastive", 0.3, steps=300),
    "vicreg": Way(True, "vicreg", 0.02),
    "attacks": Way(True, "contrastive", 0.1, attacks=True),
}
#: Under which C_rho is told, the attack, and how far severities of pitch are to be told.
AGREED = (PitchShift(2), PinkNoise(12), MP3(16))
ATTACK = Adversarial(60)
#: Clips that attacks and severities are measured on.
FEW = 30


def shipped(name: str) -> tuple[TaskNetwork, dict[str, Any]]:
    """Return a network that is shipped, by the name of its encoder, and its card."""
    from reference_models import checkpoint

    return checkpoint.load_network(checkpoint.path_of(name))


def clips_of(task: str, data: Path) -> tuple[Tensor, Tensor]:
    """Return windows of clips to learn from, float32[n, 44100], and what is true of them."""
    import torch

    from reference_models.clips import Crops
    from reference_models.datasets import open_data

    train = open_data("open", data, task, "train")
    chosen = np.random.default_rng(0).permutation(len(train))[:CLIPS]
    crops = Crops(train, chosen.tolist())
    windows, targets = zip(*(crops[i] for i in range(len(crops))))
    return torch.from_numpy(np.stack(windows)), torch.from_numpy(np.stack(targets))


def trained(
    encoder: str,
    name: str,
    seed: int,
    windows: Tensor,
    targets: Tensor,
    pool: TransformedPool,
    precision: str,
) -> TaskNetwork:
    """Return the shipped network, trained on in one of the ways."""
    import torch
    from tqdm import tqdm

    from pytest_nnrel.training import ConsistencyLoss
    from reference_models.task import task_named

    torch.manual_seed(seed)
    network, card = shipped(encoder)
    network.train()
    way, of_task = WAYS[name], task_named(card["task"])
    loss = ConsistencyLoss(
        (*SEEN, ATTACKS) if way.attacks else SEEN,
        sample_rate=22_050,
        form=way.form or "stability",
        weight=way.weight,
        pool=pool,
        seed=seed,
    )
    kept: list[Tensor] = []
    # z is what is left of this after dropout, which would make views differ from clips by itself.
    network.embedding.encoder.projection[2].register_forward_hook(
        lambda module, given, out: kept.append(out)
    )
    optimiser = torch.optim.Adam(network.parameters(), RATE, amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, way.steps)
    rng = np.random.default_rng(seed)
    order = itertools.chain.from_iterable(rng.permutation(len(windows)) for _ in itertools.count())
    for _ in tqdm(range(way.steps), desc=f"{encoder}, {name} {seed}"):
        chosen = list(itertools.islice(order, BATCH))
        clean, target = windows[chosen], targets[chosen]
        audio = clean
        if way.views:
            audio = torch.cat([clean, loss.views(clean, chosen, encode=network.embedding)])
            target = torch.cat([target, target])
        kept.clear()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            total = of_task.loss(network, audio, target)
        if way.form:
            total = total + loss.compare(*kept[0].float().chunk(2))
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        schedule.step()
    network.embedding.encoder.projection[2]._forward_hooks.clear()
    return network.eval()


def measured(task: str, network: TaskNetwork, data: Path) -> dict[str, Any]:
    """Return what became of a network, on recorded music and on its task."""
    from reference_models import evaluation
    from reference_models.datasets import open_data

    corpus = Corpus.bundled()
    few = corpus.subset(FEW)
    encoder = as_encoder(network.embedding, name=task)
    within = {t.name: within_consistency(encoder, t, corpus=corpus).value for t in quick_grid()}
    rho = {t.name: between_consistency(encoder, t, corpus=corpus).value for t in AGREED}
    attacked = within_consistency(encoder, ATTACK, corpus=few)
    told = sensitivity(encoder, (PitchShift(-2), PitchShift(2)), corpus=few, steps=4)
    scores = evaluation.scores_on(network, task, open_data("open", data, task, "test"))
    return {
        "within": within,
        "rho": rho,
        "attacked": attacked.value,
        "pitch told (R2)": told.value,
        "score": scores["value"],
    }


def run(
    encoder: str, data: Path, ways: Sequence[str], seeds: Sequence[int], precision: str
) -> None:
    """Train and measure what is not stored yet of these weights, and no other process is at."""
    import torch

    from pytest_nnrel.training import TransformedPool

    torch.set_num_threads(1)
    keep_freed_memory()
    network, card = shipped(encoder)
    task, weights = card["task"], {"weights": card["sha256"]}
    STORED.mkdir(exist_ok=True)

    def keep(name: str, make: Callable[[], TaskNetwork]) -> None:
        path = STORED / f"{encoder}-{name}.json"
        with FileLock(data.parent / f"{path.name}.lock"):
            if path.exists() and weights.items() <= json.loads(path.read_text("utf-8")).items():
                return
            found = weights | measured(task, make(), data)
            replace_text(path, json.dumps(found, indent=1) + "\n")
        mean = np.mean(list(found["within"].values()))
        print(f"{path.stem}: mean C_W {mean:.3f}, score {found['score']:.3f}", flush=True)

    keep("shipped", lambda: network)
    if not ways:
        return
    windows, targets = clips_of(task, data)
    folder = data.parent / f"{data.name}-pool-{task}"
    pool = TransformedPool(windows, SEEN, sample_rate=22_050, versions=2, folder=folder)
    for seed, way in itertools.product(seeds, ways):

        def train(way: str = way, seed: int = seed) -> TaskNetwork:
            return trained(encoder, way, seed, windows, targets, pool, precision)

        keep(f"{way}-{seed}", train)


def main() -> None:
    """Train, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("encoder", help="by its name, such as at or at-long")
    parser.add_argument("--data", type=Path, required=True, help="an open corpus")
    parser.add_argument(
        "--only", nargs="*", choices=WAYS, default=list(WAYS), metavar="WAY",
        help="without one, the encoder is measured as it is shipped",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument(
        "--precision", choices=("32-true", "bf16-mixed"), default="32-true",
        help="bf16-mixed is faster on a CPU that has its instructions, and far slower on others",
    )  # fmt: skip
    chosen = parser.parse_args()
    run(chosen.encoder, chosen.data, chosen.only, chosen.seeds, chosen.precision)


if __name__ == "__main__":
    main()
