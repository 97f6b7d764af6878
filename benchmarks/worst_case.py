"""What encoders withstand in the worst case: attacks of a given energy, beside noise of the same.

python benchmarks/worst_case.py table                # hours on two cores; goes on where it was
python benchmarks/worst_case.py sanity --clips 40    # steps, starts, a large budget
python benchmarks/worst_case.py oracle --clips 12    # beside foolbox's DDN, clip by clip
python benchmarks/worst_case.py transfer             # attacks on one encoder, heard by another

Needs the extra ``torch`` and ``reference_models``; the oracle foolbox besides.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from reference_encoders import ENCODERS, results_of, stored_on
from tables import machine, print_table

import reference_models
from pytest_nnrel import Adversarial, Corpus, within_consistency
from pytest_nnrel.encoders.gradients import traced
from pytest_nnrel.experiment.attacks.descent import Logits, descend, noises
from pytest_nnrel.runtime.files import replace_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel import Measurement

STORED = Path(__file__).parent / "worst_case.json"
#: In decibels.
RATIOS = (80, 70, 60, 50, 40, 30, 20)
#: Of attacks that are told to be honest, and of those that are to transfer.
MIDDLE, LOUD = 60, 40


def table(corpus: Corpus) -> None:
    """Measure all encoders at all ratios, and keep each value as it is found."""
    known = stored_on(corpus, STORED)
    for name, snr in itertools.product(ENCODERS, RATIOS):
        rows = results_of(name, known)
        if str(snr) in rows:
            continue
        measured = within_consistency(reference_models.load(name), Adversarial(snr), corpus=corpus)
        control = measured.details["control"]
        rows[str(snr)] = {
            "attacked": [round(measured.value, 4), *(round(end, 4) for end in measured.ci)],
            "noise": [round(control["value"], 4), *(round(end, 4) for end in control["ci"])],
        }
        replace_text(STORED, json.dumps(known, indent=1) + "\n")
        print(f"{name} {snr} dB: {measured.value:.3f}, noise {control['value']:.3f}", flush=True)
    print_table(
        f"C_W under attacks (random noise of the same energy), {len(corpus)} clips",
        ["encoder", *(f"{snr} dB" for snr in RATIOS)],
        [
            [name, *(f"{rows[str(s)]['attacked'][0]:.3f} ({rows[str(s)]['noise'][0]:.3f})"
                     for s in RATIOS)]
            for name, rows in known["encoders"].items()
        ],
    )  # fmt: skip


def sanity(corpus: Corpus, names: Sequence[str]) -> None:
    """Print what an honest attack does: more steps, more starts, and a large budget."""
    attacks = {
        "noise": Adversarial(MIDDLE, steps=0),
        "5 steps": Adversarial(MIDDLE, steps=5),
        "10 steps": Adversarial(MIDDLE, steps=10),
        "20 steps": Adversarial(MIDDLE),
        "40 steps": Adversarial(MIDDLE, steps=40),
        "80 steps": Adversarial(MIDDLE, steps=80),
        "3 starts": Adversarial(MIDDLE, restarts=3),
        "targeted": Adversarial(MIDDLE, targeted=True),
        "10 dB": Adversarial(10),
    }
    rows = []
    for name in names:
        encoder = reference_models.load(name)
        found = {
            what: within_consistency(encoder, attack, corpus=corpus)
            for what, attack in attacks.items()
        }
        rows.append([name, *(f"{one.value:.3f}" for one in found.values())])
        again = _agreement(found["20 steps"], found["3 starts"])
        rows[-1].append(f"{again:.3f}")
        print(rows[-1], flush=True)
    print_table(
        f"C_W under attacks of {MIDDLE} dB, {len(corpus)} clips",
        ["encoder", *attacks, "clips alike after 1 and 3 starts"],
        rows,
    )


def _agreement(one: Measurement, other: Measurement) -> float:
    return float(np.mean(np.array(one.outcomes) == np.array(other.outcomes)))


def oracle(corpus: Corpus, names: Sequence[str]) -> None:
    """Print at which ratio each clip is lost, by our attack and by DDN (Rony et al. 2019)."""
    import foolbox
    import torch

    windows = torch.from_numpy(corpus.windows())
    norms = windows.norm(dim=1).numpy()
    rows: list[list[object]] = []
    for name in names:
        encoder = reference_models.load(name)
        originals = encoder.encode(windows.numpy(), corpus.sample_rate).astype(np.float64)
        others = ~np.eye(len(windows), dtype=bool)
        logits = Logits(originals, range(len(windows)), others, "euclidean")

        class Classifier(torch.nn.Module):
            def forward(self, audio: Any, known: Any = (encoder, originals)) -> Any:
                encoder, originals = known
                with torch.enable_grad():
                    heard = audio if audio.requires_grad else audio.clone().requires_grad_()
                    z = traced(encoder, heard, corpus.sample_rate).double()
                return -torch.cdist(z, torch.from_numpy(originals)).square().float()

        # Bounds that no sample reaches: audio has none. The schedule begins at 60 dB, and can grow.
        model = foolbox.PyTorchModel(Classifier().eval(), bounds=(-10, 10))
        begun = float(np.median(norms)) * 10.0 ** (-60 / 20)
        attack = foolbox.attacks.DDNAttack(init_epsilon=begun, steps=400, gamma=0.05)
        _, found, done = attack(model, windows, torch.arange(len(windows)), epsilons=None)
        sizes = (found.detach() - windows).norm(dim=1).numpy()
        known = np.where(done.numpy(), 20 * np.log10(norms / np.maximum(sizes, 1e-12)), -math.inf)
        for steps, starts in ((20, 1), (20, 3), (100, 1)):
            limits = _limits(encoder, windows, logits, norms, steps, starts)
            beside = limits - known
            rows.append(
                [name, f"{steps} steps, {starts} starts", f"{np.median(limits):.1f}",
                 f"{np.median(known):.1f}", int(done.sum()), int((beside >= -0.5).sum()),
                 f"{min(beside):.1f}"]
            )  # fmt: skip
            print(rows[-1], flush=True)
    print_table(
        f"Ratio at which clips are lost, in dB, {len(corpus)} clips; DDN with 400 steps",
        ["encoder", "our attack", "median", "DDN's median", "clips that DDN breaks",
         "clips where ours is as strong to half a decibel", "farthest behind"],
        rows,
    )  # fmt: skip


def _limits(
    encoder: Any,
    windows: Any,
    logits: Logits,
    norms: Any,
    steps: int,
    starts: int,
) -> Any:
    """Return the faintest ratio at which each clip is lost, by bisection from 0 to 100 dB."""
    rngs, room = [np.random.default_rng(0)] * len(windows), np.ones(windows.shape, dtype=bool)
    lost, holds = np.zeros(len(windows)), np.full(len(windows), 100.0)
    for _ in range(9):
        middle = (lost + holds) / 2
        radii = norms * 10.0 ** (-middle / 20.0)
        found = descend(
            lambda delta: traced(encoder, windows + delta, encoder.sample_rate),
            logits,
            room,
            radii,
            steps=steps,
            starts=[None, *(noises(rngs, room, radii) for _ in range(starts - 1))],
            targeted=False,
        )
        broken = found.margins > 0
        lost, holds = np.where(broken, middle, lost), np.where(broken, holds, middle)
    return lost


def transfer(corpus: Corpus, names: Sequence[str]) -> None:
    """Print C_W of each encoder under attacks that were made for another."""
    encoders = {name: reference_models.load(name) for name in names}
    rows = []
    for made_for, attacked in encoders.items():
        row = [made_for]
        for name, encoder in encoders.items():
            attack = Adversarial(LOUD, encoder=None if name == made_for else attacked)
            row.append(f"{within_consistency(encoder, attack, corpus=corpus).value:.3f}")
        rows.append(row)
        print(row, flush=True)
    print_table(
        f"C_W under attacks of {LOUD} dB made for another, {len(corpus)} clips",
        ["made for", *encoders],
        rows,
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=("table", "sanity", "oracle", "transfer"))
    parser.add_argument("--clips", type=int, help="of the bundled ones (default: all)")
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=ENCODERS)
    chosen = parser.parse_args()
    corpus = Corpus.bundled()
    if chosen.clips:
        corpus = corpus.subset(chosen.clips)
    if chosen.part == "table":
        table(corpus)
    elif chosen.part == "sanity":
        sanity(corpus, chosen.encoders)
    elif chosen.part == "oracle":
        oracle(corpus, chosen.encoders)
    else:
        transfer(corpus, chosen.encoders)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
