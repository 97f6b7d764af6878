"""Scores of the reference encoders under the grid `field`, and how far halves of the clips agree.

Reads the profiles that come with the package (``scripts/ship_profiles.py`` measures them); seconds.
"""

from __future__ import annotations

import numpy as np

from pytest_nnrel.profiles.stored import bundled_profiles
from pytest_nnrel.statistics import scores

HALVINGS = 200
ENCODERS = ("mfcc", "ir", "at", "untrained", "vs", "ae")


def main() -> None:
    stored = bundled_profiles()
    conditions = [name for name in stored.conditions if name in stored.encoders["ae"].ranks]
    families: dict[str, list[int]] = {}
    for place, name in enumerate(conditions):
        families.setdefault(stored.conditions[name].family, []).append(place)
    losses = {
        name: np.array([np.array(stored.encoders[name].ranks[c]) > 0 for c in conditions], float)
        for name in ENCODERS
    }

    def relative(weights: np.ndarray) -> np.ndarray:
        """Return float64[encoders, draws, families]."""
        errors = [scores.family_errors(losses[name], families, weights) for name in ENCODERS]
        return np.stack([scores.relative_error(one, errors[0]) for one in errors])

    clips = stored.clips
    whole = relative(np.ones((1, clips), np.int32))[:, 0]
    print(f"{len(conditions)} conditions of {len(families)} families, {clips} clips")
    for name, of_families in zip(ENCODERS, whole):
        kept = 1.0 - losses[name].mean()
        most = list(families)[int(of_families.argmax())]
        print(
            f"{name}: score {scores.score(of_families):.3f}, mean C_W {kept:.3f},"
            f" most in {most} {of_families.max():.1f}"
        )
    rng = np.random.default_rng(0)
    first = np.array(
        [rng.permutation(np.arange(clips) < clips // 2) for _ in range(HALVINGS)], np.int32
    )
    halves = np.stack([scores.score(relative(half)) for half in (first, 1 - first)])[:, 1:]
    same = np.mean((np.argsort(halves[0], 0) == np.argsort(halves[1], 0)).all(axis=0))
    deviation = (halves[0] - halves[1]).std(axis=1) / np.sqrt(2.0)
    spread = halves.mean(axis=(0, 2)).std()
    print(f"same order in both halves: {same:.2f} of {HALVINGS} halvings")
    print("deviation of a half:", dict(zip(ENCODERS[1:], deviation.round(3).tolist())))
    pooled = (halves[0] - halves[1]).std() / np.sqrt(2.0)
    print(f"spread between encoders over that of halves: {spread / pooled:.1f}")


if __name__ == "__main__":
    main()
