"""Encoders of runs: what each run measured of them, put together, and namesakes told apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_nnrel.errors import ResultsError
from pytest_nnrel.measurement import namesakes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nnrel.measurement import PlainMeasurement
    from pytest_nnrel.recording import Results


class Run(NamedTuple):
    """A run: what it is called, and what it found."""

    label: str
    results: Results


@dataclass(frozen=True)
class Entrant:
    """An encoder of a run.

    Attributes
    ----------
    name : str
        With its distance, where that is not Euclidean.
    run : str
        What the run is called.
    fingerprint : str or None
    setting : tuple
        What must be the same for two to be compared: corpus, seed and neighbours.
    groups : tuple of str
    measurements : dict of str to PlainMeasurement
        C_W by condition.
    notes : tuple of str
        Conditions of which its runs found different things.
    """

    name: str
    run: str
    fingerprint: str | None
    setting: Setting
    groups: tuple[str, ...]
    measurements: Mapping[str, PlainMeasurement]
    notes: tuple[str, ...] = ()


class Setting(NamedTuple):
    """What C_W depends on besides encoder and transformation."""

    corpus: str
    fingerprint: str
    clips: int
    seed: int
    neighbours: str

    def __str__(self) -> str:
        return (
            f"{self.clips} clips of {self.corpus} ({self.fingerprint[:8]}), seed {self.seed},"
            f" neighbours {self.neighbours}"
        )


class _Key(NamedTuple):
    """What measurements of one encoder have in common."""

    name: str
    fingerprint: str | None
    distance: str
    setting: Setting


def entrants_of(runs: Iterable[Run]) -> list[Entrant]:
    """Return the encoders of runs.

    What several runs measured of one encoder is put together; of a condition that more than one of
    them has, the last run's counts.

    Raises
    ------
    ResultsError
        If a run does not list the clips of a corpus, as early versions did not, or has two
        encoders that nothing tells apart.
    """
    found: dict[tuple[_Key, str], Entrant] = {}
    for label, results in runs:
        for key, measurements in _by_encoder(label, results).items():
            name, fingerprint, distance, setting = key
            listing = results.get("corpora", {}).get(setting.fingerprint)
            if listing is None:
                raise ResultsError(
                    f"run {label} does not list the clips of {setting.corpus}, which its version"
                    " did not keep yet; measure again with this one"
                )
            shown = name if distance == "euclidean" else f"{name} ({distance})"
            entrant = Entrant(
                shown, label, fingerprint, setting, tuple(listing["groups"]), measurements
            )
            told = (key, "" if fingerprint else label)
            earlier = found.pop(told, None)  # the later run's place, too
            found[told] = entrant if earlier is None else _joined(earlier, entrant)
    return _told_apart(list(found.values()))


def _by_encoder(label: str, results: Results) -> dict[_Key, dict[str, PlainMeasurement]]:
    """Return C_W in a run by encoder and condition.

    Raises
    ------
    ResultsError
        If two encoders without a fingerprint share a name.
    """
    found: dict[_Key, dict[str, PlainMeasurement]] = {}
    for measured in results["measurements"].values():
        if measured["measure"] != "within":
            continue
        details = measured["details"]
        identity = details["identity"]
        key = _Key(
            details["encoder"]["name"],
            identity.get("encoder_fingerprint"),
            identity["latent_distance"],
            _setting_of(measured),
        )
        transform = details["transform"]["name"]
        first = found.setdefault(key, {}).setdefault(transform, measured)
        if first["outcomes"] != measured["outcomes"]:
            raise ResultsError(
                f"run {label}: {namesakes(key.name, transform=transform, distance=key.distance)}"
            )
    return found


def _joined(earlier: Entrant, later: Entrant) -> Entrant:
    """Return what two runs measured of one encoder, such as shards of a suite."""
    before, after = earlier.measurements, later.measurements
    differing = [
        name
        for name in before.keys() & after.keys()
        if (before[name]["outcomes"], recipe_of(before[name]))
        != (after[name]["outcomes"], recipe_of(after[name]))
    ]
    notes = list(earlier.notes)
    if differing:
        notes.append(
            f"{later.name}: {earlier.run} and {later.run} found different things under"
            f" {', '.join(sorted(differing))}; the later counts"
        )
    return replace(
        later,
        run=f"{earlier.run}, {later.run}" if before.keys() - after.keys() else later.run,
        measurements={**before, **after},
        notes=tuple(notes),
    )


def recipe_of(measured: PlainMeasurement) -> str:
    """Return what made the transformed clips: engine and versions."""
    return str(measured["details"]["transform"]["recipe"])


def _setting_of(measured: PlainMeasurement) -> Setting:
    identity, corpus = measured["details"]["identity"], measured["details"]["corpus"]
    return Setting(
        corpus["name"],
        corpus["fingerprint"],
        corpus["clips"],
        identity["seed"],
        identity.get("neighbours", "others"),
    )


def _told_apart(entrants: Sequence[Entrant]) -> list[Entrant]:
    """Return entrants; namesakes on a corpus bear the run, or a piece of the fingerprint."""
    apart = []
    for entrant in entrants:
        alike = [
            other
            for other in entrants
            if (other.name, other.setting) == (entrant.name, entrant.setting)
        ]
        name = entrant.name
        if len(alike) > 1:
            by_run = len({other.run for other in alike}) == len(alike)
            mark = entrant.run if by_run else (entrant.fingerprint or "no fingerprint")[:8]
            name = f"{name}, {mark}"
        apart.append(replace(entrant, name=name))
    return apart
