"""An encoder's profile: C_W against damage in every family, and a score beside MFCC's.

Magnitudes cannot be compared between families, and C_W under all of them in one mean counts what
nobody survives as much as what everybody should. A profile puts all on the scale of the audio
(`damage_of`), and takes the errors of each family relative to those of the MFCC baseline on the
same clips.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_nnrel.errors import SettingError, UndefinedMeasureError
from pytest_nnrel.measurement import MEASURES, Measurement
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.statistics import intervals, scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pytest_nnrel.measurement import PlainMeasurement
    from pytest_nnrel.statistics.consistency import Matrix

Profiled = Literal["within", "accuracy", "rho"]
#: C_W of which the damage is told at which a family falls below it.
LEVELS = (0.9, 0.5)
#: Families that are no transformation, or no single one.
NO_FAMILY = ("Identity", "Chain")


@dataclass(frozen=True)
class Point:
    """A condition of a curve.

    Attributes
    ----------
    name : str
        Of the condition.
    severity : float or None
    damage : float
        Median over clips.
    value, low, high : float
        The measure, and its 95 % interval.
    reference : float
        The measure of the reference.
    """

    name: str
    severity: float | None
    damage: float
    value: float
    low: float
    high: float
    reference: float


@dataclass(frozen=True)
class FamilyProfile:
    """A curve, and its errors.

    Attributes
    ----------
    family : str
    points : tuple of Point
        By damage.
    error, reference_error : float
        1 less the measure, mean over the conditions: of the encoder, and of the reference.
    relative : float
        Errors over the reference's, 5 % of the clips added to both (`scores.relative_error`).
    ci : (float, float)
        95 % interval of `relative`.
    falls_at : dict of float to float
        By level of C_W, the damage at which the curve falls below it; infinity where it does not.
        Of other measures none: what they are of originals alone is not 1.
    """

    family: str
    points: tuple[Point, ...]
    error: float
    reference_error: float
    relative: float
    ci: tuple[float, float]
    falls_at: dict[float, float]


@dataclass(frozen=True)
class Profile:
    """What an encoder keeps, family by family, and its score.

    Attributes
    ----------
    encoder, reference, corpus : str
        Names.
    measure, distance, scale : str
    n : int
        Clips.
    families : tuple of FamilyProfile
    score : float
        Mean of the families' relative errors: 1 is as good as MFCC, less is better.
    ci : (float, float)
        95 % interval, bootstrapped over clips or groups, in pairs with the reference.
    mean : float
        The measure, mean over all conditions.
    """

    encoder: str
    reference: str
    corpus: str
    measure: str
    distance: str
    scale: str
    n: int
    families: tuple[FamilyProfile, ...]
    score: float
    ci: tuple[float, float]
    mean: float

    def family(self, name: str) -> FamilyProfile:
        """Return the profile of a family.

        Raises
        ------
        SettingError
            If it is not among them.
        """
        for one in self.families:
            if one.family == name:
                return one
        known = ", ".join(one.family for one in self.families)
        raise SettingError(
            f"the profile of {self.encoder!r} has no family {name!r}; it has {known}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as builtins that JSON can hold; None for infinity."""
        plain = asdict(self)
        for family in plain["families"]:
            family["falls_at"] = {
                f"{level:g}": damage if math.isfinite(damage) else None
                for level, damage in family["falls_at"].items()
            }
        return plain

    def __str__(self) -> str:
        symbol = MEASURES[self.measure].symbol
        width = max(len(one.family) for one in self.families)
        head = (
            f"{self.encoder}: score {self.score:.3f} [{self.ci[0]:.3f}, {self.ci[1]:.3f}], errors"
            f" over those of {self.reference} (1: as many); mean {symbol} {self.mean:.3f};"
            f" {self.n} clips of {self.corpus}"
        )
        told = list(self.families[0].falls_at)
        levels = "".join(f"  {f'{symbol} < {level:g} at':>13}" for level in told)
        lines = [
            head,
            "",
            f"  {'family':<{width}}  relative  [95 % interval]   error  {self.reference:>6}"
            + levels,
        ]
        for one in self.families:
            falls = "".join(f"  {_damage(one.falls_at[level]):>13}" for level in told)
            lines.append(
                f"  {one.family:<{width}}  {one.relative:>8.2f}"
                f"  [{one.ci[0]:>5.2f}, {one.ci[1]:>6.2f}]   {one.error:>5.3f}"
                f"   {one.reference_error:>5.3f}{falls}"
            )
        return "\n".join([*lines, "", f"  damage: {SCALES[self.scale]}"])


#: What the numbers of a scale are.
SCALES = {
    "audio": "distance of the audio to its original, 1 as far as another piece (DTW over MFCCs)",
    "perceived": "Zimtohrli's distance, some .03 between two pieces of music",
}


def _damage(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "not reached"


def profile_of(
    encoder: Mapping[str, PlainMeasurement],
    reference: Mapping[str, PlainMeasurement],
    *,
    groups: Sequence[str],
    scale: str,
    seed: int,
    among: int | None = None,
    replicates: tuple[Mapping[str, Matrix], Mapping[str, Matrix]] | None = None,
) -> Profile:
    """Make a profile of measurements.

    Parameters
    ----------
    encoder, reference : dict of str to PlainMeasurement
        By condition, of one measure, corpus and distance; the reference's may be more.
    groups : sequence of str
        Of the corpus, in the order of its clips.
    scale : str
        Of damage.
    seed : int
        Of the bootstrap.
    among : int, optional
        Clips among which C_W is told, fewer than were measured (`Measurement.at`).
    replicates : pair of dict of str to float64[replicates], optional
        Bootstraps of the measure by condition, of encoder and reference, drawn in pairs: of what
        has no outcome of each clip (C_rho).

    Returns
    -------
    Profile

    Raises
    ------
    UndefinedMeasureError
        If there is no condition of a family, or a measurement tells no damage.
    """
    conditions = sorted(
        (
            name
            for name, one in encoder.items()
            if name in reference and one["details"]["transform"]["family"] not in NO_FAMILY
        ),
        key=lambda name: place_of(encoder[name]),
    )
    if not conditions:
        raise UndefinedMeasureError(
            "a profile is of families of transformations, and no condition of one was measured of"
            " both the encoder and its reference"
        )
    families: dict[str, list[int]] = {}
    for i, name in enumerate(conditions):
        families.setdefault(encoder[name]["details"]["transform"]["family"], []).append(i)
    first = encoder[conditions[0]]
    sides = (encoder, reference)
    if replicates is None:
        losses = [np.array([losses_of(side[name], among) for name in conditions]) for side in sides]
        weights = bootstrap_weights(groups, seed)
        once = np.ones((1, len(groups)), dtype=np.int32)
        values = [1.0 - of_side.mean(axis=1) for of_side in losses]
        intervals_of = [intervals.proportion_interval(1.0 - row, groups) for row in losses[0]]
        errors = [scores.family_errors(of_side, families, once)[0] for of_side in losses]
        drawn = [scores.family_errors(of_side, families, weights) for of_side in losses]
    else:
        values = [np.array([side[name]["value"] for name in conditions]) for side in sides]
        intervals_of = [(encoder[name]["ci"][0], encoder[name]["ci"][1]) for name in conditions]
        errors = [scores.means_of(1.0 - of_side[None], families)[0] for of_side in values]
        drawn = [
            scores.means_of(1.0 - np.stack([of_side[name] for name in conditions], 1), families)
            for of_side in replicates
        ]
    of_draws = scores.relative_error(*drawn)
    relative = scores.relative_error(*errors)
    identity = first["details"]["identity"]
    return Profile(
        encoder=first["details"]["encoder"]["name"],
        reference=reference[conditions[0]]["details"]["encoder"]["name"],
        corpus=first["details"]["corpus"]["name"],
        measure=first["measure"],
        distance=identity["latent_distance"],
        scale=scale,
        n=among or len(groups),
        families=tuple(
            _family(
                family,
                [
                    _point(
                        encoder[conditions[i]],
                        scale,
                        float(values[0][i]),
                        intervals_of[i],
                        float(values[1][i]),
                    )
                    for i in rows
                ],
                errors[0][k],
                errors[1][k],
                relative[k],
                of_draws[:, k],
                LEVELS if first["measure"] == "within" else (),
            )
            for k, (family, rows) in enumerate(families.items())
        ),
        score=float(scores.score(relative)),
        ci=intervals.percentile_interval(scores.score(of_draws)),
        mean=float(values[0].mean()),
    )


def place_of(measured: PlainMeasurement) -> tuple[str, float, str]:
    """Return where a condition stands in tables: by family, then by severity."""
    transform = measured["details"]["transform"]
    severity = transform["severity"]
    return transform["family"], math.inf if severity is None else severity, transform["name"]


def bootstrap_weights(groups: Sequence[str], seed: int) -> npt.NDArray[np.int32]:
    """Return how often each clip is drawn, int32[replicates, n]: alike for all that is compared."""
    rng = np.random.default_rng(int(digest("profiles", seed, list(groups)), 16))
    return intervals.drawn(groups, rng, intervals.REPLICATES)


def losses_of(measured: PlainMeasurement, among: int | None = None) -> Matrix:
    """Return of each clip, float64[n], 1 where it is lost, or the chance of that among fewer.

    Raises
    ------
    UndefinedMeasureError, TooFewClipsError
        If it cannot be told among so many: see `Measurement.at`.
    """
    if among is None:
        return np.array([float(outcome == "0") for outcome in measured["outcomes"]])
    return 1.0 - Measurement.from_dict(measured).chances_at(among)


def damage_on(measured: PlainMeasurement, scale: str) -> float | None:
    """Return the median damage of a condition; None where it was not told, or is not finite."""
    told = measured["details"].get("damage", {}).get(scale)
    median = None if told is None else told["median"]
    return None if median is None or not math.isfinite(median) else median


def _point(
    measured: PlainMeasurement,
    scale: str,
    value: float,
    interval: tuple[float, float],
    of_reference: float,
) -> Point:
    transform = measured["details"]["transform"]
    damage = damage_on(measured, scale)
    if damage is None:
        raise UndefinedMeasureError(
            f"how much {transform['name']} changed the audio on the scale {scale!r} was not"
            " recorded with the measurement, or is not finite as originals are alike; measure it"
            " again, with --nnrel-damage=perceived for what is heard"
        )
    return Point(
        transform["name"],
        transform["severity"],
        damage,
        value,
        *interval,
        of_reference,
    )


def _family(
    name: str,
    points: Sequence[Point],
    error: float,
    reference_error: float,
    relative: float,
    replicates: Matrix,
    levels: Sequence[float],
) -> FamilyProfile:
    points = sorted(points, key=lambda point: (point.damage, point.name))
    damages, values = [p.damage for p in points], [p.value for p in points]
    return FamilyProfile(
        name,
        tuple(points),
        float(error),
        float(reference_error),
        float(relative),
        intervals.percentile_interval(replicates),
        {level: scores.falls_at(damages, values, level) for level in levels},
    )
