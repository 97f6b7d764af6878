"""Simulate retrainings: how often verdicts on baselines are wrong, and what they miss.

python benchmarks/verdicts.py [--retrainings N]
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from tables import machine, print_table
from tqdm import tqdm

from pytest_nnrel.statistics import comparison

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Flags = npt.NDArray[np.bool_]

#: The paper's grid.
CONDITIONS = 94
CLIPS = (134, 300)
#: Shares of clips that flip in a condition which got worse.
NEGATIVE, POSITIVE = 0.05, 0.01


def unchanged(rng: np.random.Generator, n: int) -> tuple[Flags, Flags]:
    """Return outcomes of two trainings that are equally good.

    A clip's margin has a part of its own, a part of its condition, and two of the training: one
    that moves the clip in all conditions, and one for each. So flips go together in a clip.
    """
    hard = rng.uniform(-0.5, 3.0, (CONDITIONS, 1)) + rng.normal(0, 1, (1, n))
    sides = [
        hard + rng.normal(0, 0.3, (1, n)) + rng.normal(0, 0.3, (CONDITIONS, n)) > 0 for _ in "ab"
    ]
    return sides[0], sides[1]


def worse(
    rng: np.random.Generator, n: int, conditions: int, spread: int, others: float
) -> tuple[Flags, Flags]:
    """Return outcomes of which `spread` conditions got worse.

    In those clips flip at `NEGATIVE` and `POSITIVE`; in the others at `others` in either direction.
    """
    negative = np.full((conditions, 1), float(others))
    positive = np.full((conditions, 1), float(others))
    negative[:spread], positive[:spread] = NEGATIVE, POSITIVE
    draw = rng.random((conditions, n))
    lost, won = draw < negative, draw > 1 - positive
    before = np.where(lost, True, np.where(won, False, rng.random((conditions, n)) < 0.8))
    return before, np.where(lost, False, np.where(won, True, before))


def omnibus(before: Flags, after: Flags, rng: np.random.Generator) -> bool:
    """Return the verdict over all conditions."""
    groups = [f"{i:06}" for i in range(before.shape[1])]
    losses = before.astype(float) - after
    p = comparison.sign_flip_test(losses, groups, rng=rng)
    return p <= comparison.VERDICT_LEVEL


def named(before: Flags, after: Flags, rng: np.random.Generator) -> bool:
    """Tell whether McNemar's test with Holm's correction names any condition."""
    pairs = zip(*(flips.tolist() for flips in comparison.flips(before, after)))
    adjusted = comparison.holm([comparison.mcnemar(lost, won) for lost, won in pairs])
    return bool((adjusted <= comparison.SIGNIFICANCE).any())


def uncorrected(before: Flags, after: Flags, rng: np.random.Generator) -> bool:
    """Tell whether any condition fails at 5 % on its own, as without correction."""
    pairs = zip(*(flips.tolist() for flips in comparison.flips(before, after)))
    return any(comparison.mcnemar(lost, won) <= comparison.SIGNIFICANCE for lost, won in pairs)


def share(
    name: str,
    outcomes: Callable[[np.random.Generator], tuple[Flags, Flags]],
    test: Callable[[Flags, Flags, np.random.Generator], bool],
    retrainings: int,
) -> float:
    """Return how often a test calls a retraining worse."""
    rng = np.random.default_rng(20)
    rounds = tqdm(range(retrainings), desc=name, leave=False)
    return float(np.mean([test(*outcomes(rng), rng) for _ in rounds]))


def main() -> None:
    """Simulate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--retrainings", type=int, default=1000)
    k = parser.parse_args().retrainings
    rows = []
    for n in CLIPS:
        for title, outcomes, test in (
            ("no change, 94 conditions: verdict", lambda r, n=n: unchanged(r, n), omnibus),
            ("no change: any condition named", lambda r, n=n: unchanged(r, n), named),
            ("no change: any at 5 % uncorrected", lambda r, n=n: unchanged(r, n), uncorrected),
            ("one condition worse, alone: McNemar", lambda r, n=n: worse(r, n, 1, 1, 0), named),
            ("one condition worse, alone: verdict", lambda r, n=n: worse(r, n, 1, 1, 0), omnibus),
            ("five of five worse: verdict", lambda r, n=n: worse(r, n, 5, 5, 0), omnibus),
            ("five of 94 worse, others still: verdict",
             lambda r, n=n: worse(r, n, CONDITIONS, 5, 0), omnibus),
            ("five of 94 worse, others flip 1 % either way: verdict",
             lambda r, n=n: worse(r, n, CONDITIONS, 5, POSITIVE), omnibus),
            ("one of 94 worse, others still: named",
             lambda r, n=n: worse(r, n, CONDITIONS, 1, 0), named),
        ):  # fmt: skip
            rows.append([title, n, share(title, outcomes, test, k)])
    print_table(
        f"Retrainings called worse, of {k:,} (worse: {NEGATIVE:.0%} negative, {POSITIVE:.0%}"
        " positive flips)",
        ["retraining and test", "clips", "share"],
        rows,
    )
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
