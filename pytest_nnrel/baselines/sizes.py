"""Runs on a corpus and on a part of it, side by side: C_W among as many clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.errors import NNRelError
from pytest_nnrel.measurement import AmongClips, Measurement

if TYPE_CHECKING:
    from pytest_nnrel.recording import Results


def among_alike(old: Results, new: Results) -> list[str]:
    """Return C_W of both among as many clips, a line for each condition on corpora of two sizes.

    That is sound where the clips of one corpus are a part of the other's: then both are of one
    population, and C_W among n follows from ranks (`Measurement.at`). It is no test, which takes
    the same clips among the same others.

    Parameters
    ----------
    old, new : Results
        Contents of ``results.json``.
    """
    lines = []
    for then in _within(old):
        for now in _within(new):
            if _condition(then) != _condition(now):
                continue
            corpora = [
                results["corpora"][one.details["identity"]["corpus"]]
                for results, one in ((old, then), (new, now))
            ]
            clips = [set(corpus["clips"]) for corpus in corpora]
            if len(clips[0]) == len(clips[1]) or not (clips[0] < clips[1] or clips[1] < clips[0]):
                continue
            n = min(1 + min(one.details.get("others", [one.n - 1])) for one in (then, now))
            try:
                sides = [
                    one.at(n, groups=corpus["groups"]) for one, corpus in zip((then, now), corpora)
                ]
            except NNRelError:  # written before there were ranks
                continue
            lines.append(
                f"{then.details['transform']['name']} of {then.details['encoder']['name']}, C_W"
                f" among {n} clips: {_told(sides[0])} then ({then.n} measured), {_told(sides[1])}"
                f" now ({now.n} measured); no test, as the clips differ"
            )
    return sorted(lines)


def _within(results: Results) -> list[Measurement]:
    found = [one for one in results["measurements"].values() if one["measure"] == "within"]
    return [Measurement.from_dict(one) for one in found]


def _condition(measured: Measurement) -> tuple[object, ...]:
    """Return what both must have in common."""
    identity, encoder = measured.details["identity"], measured.details["encoder"]
    names = ("transform", "seed", "latent_distance", "neighbours")
    recipe = measured.details["transform"]["recipe"]
    return (encoder["name"], *(identity.get(name) for name in names), str(recipe))


def _told(among: AmongClips) -> str:
    return f"{among.value:.3f} [{among.ci[0]:.3f}, {among.ci[1]:.3f}]"
