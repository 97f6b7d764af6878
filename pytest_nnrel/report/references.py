"""Curves of the reference encoders, to see an encoder's own against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_nnrel.profiles.stored import bundled_profiles, read_shipped
from pytest_nnrel.statistics import intervals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable


class Point(NamedTuple):
    """C_W of a reference encoder under one condition."""

    severity: float
    magnitude: float
    value: float
    low: float
    high: float
    #: How many clips have each rank, see `Measurement.ranks`; empty where they are not known.
    ranks: dict[int, int]


@dataclass(frozen=True)
class References:
    """C_W of reference encoders on one corpus.

    Attributes
    ----------
    corpus : str
    clips : int
    fingerprint : str
        Of the corpus.
    points : dict of str to dict of str to list
        By family, then by the encoder's label.
    """

    corpus: str
    clips: int
    fingerprint: str
    points: dict[str, dict[str, list[Point]]]

    def of(self, family: str, n: int) -> dict[str, list[Point]]:
        """Return the curves of a family, by label, as they are among n clips.

        C_W falls with the number of clips. What it is among fewer than were measured follows from
        their ranks (`Measurement.at`); among more it is not known, and that of all is returned.
        Points without ranks are left out but where all were measured.
        """
        drawn = {
            label: [self._at(point, n) for point in points if point.ranks or n >= self.clips]
            for label, points in self.points.get(family, {}).items()
        }
        return {label: points for label, points in drawn.items() if points}

    def _at(self, point: Point, n: int) -> Point:
        if n >= self.clips:
            return point
        from pytest_nnrel.statistics import consistency

        ranks = np.repeat(list(point.ranks), list(point.ranks.values()))
        chances = consistency.chances_among(ranks, np.full(len(ranks), self.clips - 1), n)
        alone = [str(clip) for clip in range(len(ranks))]
        low, high = intervals.proportion_interval(chances, alone)
        return point._replace(value=float(chances.mean()), low=low, high=high)

    def note(self, fingerprint: str, n: int) -> str:
        """Return what to bear in mind beside clips of a corpus; empty for the references' own."""
        if fingerprint == self.fingerprint:
            return ""
        about = f"The reference encoders were measured on {self.clips} clips of {self.corpus}"
        if n > self.clips:
            return f"{about}: among {n} they would be lower. It is other music, too."
        if not any(p.ranks for curves in self.points.values() for c in curves.values() for p in c):
            return f"{about}, and are not drawn: what they are among {n} is not known."
        return f"{about}, and are drawn as they are among {n} of these. It is other music."


def bundled_references() -> References | None:
    """Return the curves that the package has: of the paper's grid, and of the grid `field`."""
    known, field = load_references(bundled_curves()), bundled_profiles()
    if known is None or field is None or known.fingerprint != field.fingerprint:
        return known
    points = {family: dict(curves) for family, curves in known.points.items()}
    for encoder in field.encoders.values():
        for name, ranks in encoder.ranks.items():
            condition = field.conditions[name]
            points.setdefault(condition.family, {}).setdefault(encoder.label, []).append(
                Point(
                    condition.severity,
                    condition.magnitude,
                    *encoder.rate(name),
                    dict(Counter(ranks)),
                )
            )
    return replace(known, points=points)


def bundled_curves() -> Traversable:
    """Return where the package has the curves of the reference encoders, if it has them."""
    return resources.files("pytest_nnrel").joinpath("data", "reference_curves.json")


def load_references(file: Traversable) -> References | None:
    """Read curves of reference encoders.

    Parameters
    ----------
    file : Path or Traversable

    Returns
    -------
    References or None
        None where there is no such file.

    Raises
    ------
    ResultsError
        If the file holds something else.
    """
    return read_shipped(file, "curves", _references_of)


def _references_of(plain: dict[str, Any]) -> References:
    corpus = plain["corpus"]
    return References(
        corpus["name"], corpus["n"], corpus["fingerprint"], _by_family(plain["encoders"])
    )


def _by_family(encoders: dict[str, Any]) -> dict[str, dict[str, list[Point]]]:
    found: dict[str, dict[str, list[Point]]] = {}
    for encoder in encoders.values():
        for point in encoder["points"]:
            numbers = [float(point[name])
                       for name in ("severity", "magnitude", "within", "low", "high")]  # fmt: skip
            ranks = counts_of(point.get("ranks", ""))
            curves = found.setdefault(point["family"], {})
            curves.setdefault(encoder["label"], []).append(
                Point(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], ranks)
            )
    return found


def written_ranks(ranks: Iterable[int]) -> str:
    """Return ranks in one line, such as ``0:130 1:3 7:1`` for 134 clips."""
    given = list(ranks)
    return " ".join(f"{rank}:{given.count(rank)}" for rank in sorted(set(given)))


def counts_of(written: str) -> dict[int, int]:
    """Return how many clips have each rank, of what `written_ranks` gave."""
    pairs = (pair.split(":") for pair in written.split())
    return {int(rank): int(clips) for rank, clips in pairs}
