"""Encoders side by side: scores from the results of runs, and whether a difference is real."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_nnrel.errors import ResultsError
from pytest_nnrel.profiles.entrants import entrants_of, recipe_of
from pytest_nnrel.profiles.scored import Profile, bootstrap_weights, losses_of, place_of, profile_of
from pytest_nnrel.profiles.stored import MFCC_KIND, bundled_profiles
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.statistics import comparison, intervals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nnrel.profiles.entrants import Entrant, Run, Setting
    from pytest_nnrel.profiles.stored import StoredProfiles

#: Name of the encoder that errors are relative to, also among the stored.
REFERENCE = "mfcc"


class Difference(NamedTuple):
    """Two encoders, in pairs over clips.

    Attributes
    ----------
    first, second : str
    difference, low, high : float
        Mean C_W of the first less the second's, over all conditions, and its 95 % interval.
    p : float
        Of no difference, after Holm's correction over all pairs.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Standings:
    """Profiles of encoders on the same conditions, the best first.

    Attributes
    ----------
    setting : Setting
    among : int or None
        Clips among which C_W is told, if fewer than were measured.
    conditions : tuple of str
        Measured of all.
    profiles : tuple of Profile
    runs : tuple of str
        Where each is from.
    differences : tuple of Difference
        Of all pairs, in the order of the profiles.
    notes : tuple of str
        What was left out.
    stored : tuple of Profile
        Of the reference encoders that come with the package, where they were measured under the
        same conditions and were not measured again.
    """

    setting: Setting
    among: int | None
    conditions: tuple[str, ...]
    profiles: tuple[Profile, ...]
    runs: tuple[str, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    stored: tuple[Profile, ...] = ()


def standings(runs: Iterable[Run], *, scale: str = "audio", among: int | None = None) -> Standings:
    """Put the encoders of runs side by side.

    Parameters
    ----------
    runs : iterable of Run
    scale : {"audio", "perceived"}
        Of damage.
    among : int, optional
        Clips among which C_W is told. Needed where corpora have different sizes.

    Returns
    -------
    Standings

    Raises
    ------
    ResultsError
        If runs are not comparable, hold no MFCC baseline, or have no condition in common.
    UndefinedMeasureError
        If they tell no damage.
    """
    return ranked(entrants_of(runs), scale=scale, among=among)


def ranked(
    entrants: Sequence[Entrant], *, scale: str = "audio", among: int | None = None
) -> Standings:
    """Put encoders side by side, as `standings` does those of runs.

    Parameters
    ----------
    entrants : sequence of Entrant
    scale, among
        As in `standings`.

    Returns
    -------
    Standings

    Raises
    ------
    ResultsError, UndefinedMeasureError
        As `standings` does.
    """
    references = _references(entrants)
    if not references:
        raise ResultsError(
            "no run measured the MFCC baseline, which errors are relative to: call profile(encoder)"
            " in a test, or measure MFCCEncoder() under the same grid; an encoder of one's own that"
            f" is called {REFERENCE!r} is not taken for it"
        )
    settings = {entrant.setting: None for entrant in entrants}
    comparable = {s._replace(corpus="", fingerprint="", clips=0) for s in settings}
    if len(settings) > 1 and (among is None or len(comparable) > 1):
        listed = "; ".join(sorted(map(str, settings)))
        mend = (
            "runs of several seeds or readings of neighbours are not comparable"
            if len(comparable) > 1
            else "corpora are not comparable as they are; --at N tells C_W as it is among N clips"
            " of each"
        )
        raise ResultsError(f"the runs are of {listed}: {mend}")
    missing = [e.name for e in entrants if e.setting not in references]
    if missing:
        raise ResultsError(
            f"{', '.join(missing)}: measured on a corpus on which the MFCC baseline was not;"
            " measure MFCCEncoder() there, too"
        )
    stored = [one for one in references.values() if not any(one is e for e in entrants)]
    shared, uncommon = shared_conditions([*entrants, *stored])
    notes = [*(note for entrant in entrants for note in entrant.notes), *uncommon]
    found = []
    for entrant in entrants:
        chosen = {name: entrant.measurements[name] for name in shared}
        profile = profile_of(
            chosen,
            references[entrant.setting].measurements,
            groups=entrant.groups,
            scale=scale,
            seed=entrant.setting.seed,
            among=among,
        )
        found.append((profile, entrant))
    found.sort(key=lambda pair: (pair[0].score, pair[1].name))
    profiles = tuple(replace(profile, encoder=entrant.name) for profile, entrant in found)
    alike = len(settings) == 1
    if not alike:
        notes.append("no differences are tested: the clips are not the same")
    return Standings(
        next(iter(settings)),
        among,
        tuple(shared),
        profiles,
        tuple(entrant.run for _, entrant in found),
        differences([entrant for _, entrant in found], shared, among) if alike else (),
        tuple(notes),
        tuple(
            profile_of(
                {name: of.measurements[name] for name in shared},
                references[of.setting].measurements,
                groups=of.groups,
                scale=scale,
                seed=of.setting.seed,
                among=among,
            )
            for of in _stored_beside(found[0][1], bundled_profiles())
            if all(name in of.measurements for name in shared) and not _measured(of, entrants)
        ),
    )


def _references(entrants: Sequence[Entrant]) -> dict[Setting, Entrant]:
    """Return the MFCC baseline by setting: as measured, else as it comes with the package."""
    found = {entrant.setting: entrant for entrant in entrants if _is_reference(entrant)}
    for entrant in entrants:
        if entrant.setting not in found:
            beside = _stored_beside(entrant, bundled_profiles())
            found |= {of.setting: of for of in beside if of.run == REFERENCE}
    return found


def _is_reference(entrant: Entrant) -> bool:
    """Tell whether this is the MFCC baseline, by Euclidean distance as in the paper."""
    details = next(iter(entrant.measurements.values()))["details"]
    encoder = details["encoder"]
    ours = encoder.get("kind", MFCC_KIND) == MFCC_KIND and encoder["name"] == REFERENCE
    return ours and details["identity"]["latent_distance"] == "euclidean"


def _stored_beside(entrant: Entrant, stored: StoredProfiles | None) -> list[Entrant]:
    """Return the stored encoders under an entrant's conditions, by their names as runs."""
    if stored is None:
        return []
    return [
        replace(entrant, name=of.label, run=name, fingerprint=None, measurements=known)
        for name, of in stored.encoders.items()
        if (known := stored.beside(name, entrant.measurements))
    ]


def _measured(of: Entrant, entrants: Sequence[Entrant]) -> bool:
    """Tell whether a stored encoder was measured in a run, too."""
    if of.run == REFERENCE:
        return any(map(_is_reference, entrants))
    return any(entrant.name == of.run for entrant in entrants)


def shared_conditions(entrants: Sequence[Entrant]) -> tuple[list[str], list[str]]:
    """Return the conditions that all were measured under, and who has more, in words.

    Raises
    ------
    ResultsError
        If there is none.
    """
    recipes = [
        {name: recipe_of(one) for name, one in entrant.measurements.items()} for entrant in entrants
    ]
    first = entrants[0].measurements
    shared = sorted(
        (
            name
            for name in recipes[0]
            if all(name in other and other[name] == recipes[0][name] for other in recipes)
        ),
        key=lambda name: place_of(first[name]),
    )
    if not shared:
        names = ", ".join(entrant.name for entrant in entrants)
        raise ResultsError(f"{names} have no condition in common: measure all under one grid")
    notes = [
        f"{entrant.name} has {len(of) - len(shared)} conditions more, which not all were measured"
        " under"
        for entrant, of in zip(entrants, recipes)
        if len(of) > len(shared)
    ]
    return shared, notes


def differences(
    entrants: Sequence[Entrant], conditions: Sequence[str], among: int | None = None
) -> tuple[Difference, ...]:
    """Test all pairs of encoders, clip by clip: the mean over all conditions.

    Parameters
    ----------
    entrants : sequence of Entrant
        Measured on the same clips.
    conditions : sequence of str
        That all were measured under.
    among : int, optional
        Clips among which C_W is told.

    Returns
    -------
    tuple of Difference
    """
    if len(entrants) < 2:
        return ()
    groups, seed = entrants[0].groups, entrants[0].setting.seed
    losses = [
        np.array([losses_of(one.measurements[name], among) for name in conditions])
        for one in entrants
    ]
    weights = bootstrap_weights(groups, seed)
    # By position: the entrants of a history share their name.
    pairs = list(combinations(range(len(entrants)), 2))
    gains = np.array([(losses[b] - losses[a]).mean(axis=0) for a, b in pairs])
    rng = np.random.default_rng(int(digest("flips", seed, list(groups)), 16))
    adjusted = comparison.holm(comparison.mean_flip_tests(gains, groups, rng=rng).tolist())
    return tuple(
        Difference(
            entrants[a].name,
            entrants[b].name,
            float(of_clips.mean()),
            *intervals.percentile_interval(intervals.proportion_replicates(of_clips, weights)),
            float(p),
        )
        for (a, b), of_clips, p in zip(pairs, gains, adjusted)
    )
