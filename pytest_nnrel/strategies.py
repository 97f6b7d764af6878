"""Hypothesis strategies for transformations and clips, drawn as integers.

Magnitudes are drawn on a family's ladder, 0 for the identity, so that shrinking ends at the
smallest breaking rung; ``floats()`` would end at a round number beyond it. Clips are drawn as
positions in their corpus, so that no audio passes through Hypothesis.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck, InvalidArgument

from pytest_nnrel.errors import NNRelError
from pytest_nnrel.transforms import (
    MP3,
    Chain,
    EnvironmentalNoise,
    Identity,
    PinkNoise,
    PitchShift,
    TempoShift,
    Transform,
    families,
)
from pytest_nnrel.transforms.grids import reach
from pytest_nnrel.transforms.ladders import severity_of
from pytest_nnrel.transforms.mp3 import BITRATES
from pytest_nnrel.transforms.noise import DB_PER_RUNG, INAUDIBLE_SNR_DB
from pytest_nnrel.transforms.registry import follow
from pytest_nnrel.transforms.rubberband import RATE_PER_RUNG, SEMITONES_PER_RUNG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from pytest_nnrel.corpus import Clip, Corpus

__all__ = [
    "chains",
    "clips",
    "environmental_noises",
    "magnitudes",
    "mp3s",
    "pink_noises",
    "pitch_shifts",
    "tempo_shifts",
    "transforms",
]

#: Bounds are met to this part of a rung, so that 0.3 is six rungs of 0.05.
_ROUNDING = 1e-6
#: The paper's largest magnitudes (Table 1).
_PAPER_SEMITONES = 12.0
_PAPER_RATES = (0.3, 1.5)
_PAPER_SNR_DB = -15.0
_PAPER_KBPS = 8
#: Severity of a chain whose steps are all as strong as their bounds allow.
_FULL_SEVERITY = 100
#: The profile whose deadline is Hypothesis's own, wherever nobody chose another.
_UNCHOSEN = "default"
#: That deadline: a measurement of a corpus takes longer.
_DEADLINE = timedelta(milliseconds=200)
#: Steps of a chain where no number is given, if there are as many families.
_CHAIN_STEPS = 3


def pitch_shifts(
    *, min_semitones: float | None = None, max_semitones: float = _PAPER_SEMITONES
) -> SearchStrategy[Transform]:
    """Generate pitch shifts on rungs of 5 cents; shrinks toward no shift.

    Parameters
    ----------
    min_semitones : float, optional
        ``-max_semitones`` where omitted.
    max_semitones : float

    Raises
    ------
    InvalidArgument
        For bounds out of order or out of the family's.
    """
    return _rungs(_pitch_ladder(min_semitones, max_semitones))


def tempo_shifts(
    *, min_rate: float = _PAPER_RATES[0], max_rate: float = _PAPER_RATES[1]
) -> SearchStrategy[Transform]:
    """Generate tempo shifts on rungs of 1 %; shrinks toward no shift.

    Parameters
    ----------
    min_rate, max_rate : float

    Raises
    ------
    InvalidArgument
        For bounds out of order or out of the family's.
    """
    return _rungs(_tempo_ladder(min_rate, max_rate))


def pink_noises(
    *, min_snr_db: float = _PAPER_SNR_DB, max_snr_db: float = INAUDIBLE_SNR_DB
) -> SearchStrategy[Transform]:
    """Generate pink noise on rungs of 0.5 dB; shrinks toward none, which is 60 dB.

    Parameters
    ----------
    min_snr_db, max_snr_db : float

    Raises
    ------
    InvalidArgument
        For bounds out of order or out of the family's.
    """
    return _rungs(_pink_ladder(min_snr_db, max_snr_db))


def environmental_noises(
    *,
    min_snr_db: float = _PAPER_SNR_DB,
    max_snr_db: float = INAUDIBLE_SNR_DB,
    recording: str | None = None,
) -> SearchStrategy[Transform]:
    """Generate environmental noise on rungs of 0.5 dB; shrinks toward none, which is 60 dB.

    Parameters
    ----------
    min_snr_db, max_snr_db : float
    recording : str, optional
        See `EnvironmentalNoise`.

    Raises
    ------
    InvalidArgument
        For bounds out of order or out of the family's.
    """
    return _rungs(_environmental_ladder(min_snr_db, max_snr_db, recording))


def mp3s(*, min_kbps: int = _PAPER_KBPS, max_kbps: int | None = None) -> SearchStrategy[Transform]:
    """Generate MP3 bitrates; shrinks toward the highest, or toward no coding without a maximum.

    Parameters
    ----------
    min_kbps : int
    max_kbps : int, optional
        No coding at all is among the values where omitted.

    Raises
    ------
    InvalidArgument
        For bounds out of order, or that are no bitrates of MP3.
    """
    return _rungs(_mp3_ladder(min_kbps, max_kbps))


def magnitudes(
    family: type[Transform],
    *,
    min: float | None = None,
    max: float | None = None,
    **options: Any,  # noqa: ANN401
) -> SearchStrategy[Transform]:
    """Generate a family on the rungs of its ladder; shrinks toward its identity.

    Parameters
    ----------
    family : class
        Any family, such as one of your own.
    min, max : float, optional
        In its unit. Where omitted, as far as `breaking_magnitude` goes on this side.
    **options
        Its other fields.

    Raises
    ------
    InvalidArgument
        For what is no family, for bounds out of order or out of the family's, and for options
        that it does not take.
    """
    return _rungs(_ladder_of(family, min, max, options))


def transforms(*kinds: type[Transform], **bounds: Any) -> SearchStrategy[Transform]:  # noqa: ANN401
    """Generate transformations of several families; shrinks toward the first family's mildest.

    Parameters
    ----------
    *kinds : class
        Families. Where omitted, all that are known: `PitchShift`, `TempoShift`, `PinkNoise`,
        `EnvironmentalNoise`, `MP3`, then the others in the order in which they were defined; but
        not those whose engine is not installed, such as `Opus` without the extra ``formats``.
    **bounds
        Keywords of the families' own strategies, such as ``max_semitones`` of `pitch_shifts`; of
        one without, ``min_`` and ``max_`` with the name of its magnitude, such as ``min_hz``. One
        that several families know, such as ``min_snr_db``, bounds them all.

    Raises
    ------
    InvalidArgument
        For what is no family, for a keyword that none of them knows, and for bad bounds.
    """
    return st.one_of(*(_rungs(ladder) for ladder in _ladders(kinds, bounds)))


def chains(
    *kinds: type[Transform],
    min_steps: int = 2,
    max_steps: int | None = None,
    **bounds: Any,  # noqa: ANN401
) -> SearchStrategy[Transform]:
    """Generate chains of different families, in any order, that share one severity.

    The severity is a whole number from 0 to 100. Each step takes the rung that lies this many
    percent of the way from its family's mildest to its strongest rung within the bounds, rounded
    to the nearest, in a direction of its own where the bounds leave two; but at least the rung
    next to the identity. Severity 0 is `Identity` itself, unless bounds exclude it: then it is the
    chain of the mildest rungs. A percent may be several rungs: narrow bounds make finer steps.

    Shrinks toward the fewest steps, then the first families in their order, then shifts upward,
    then the smallest severity.

    Parameters
    ----------
    *kinds : class
        As in `transforms`.
    min_steps : int
    max_steps : int, optional
        Three where omitted, or as many as there are families if these are fewer.
    **bounds
        As in `transforms`.

    Raises
    ------
    InvalidArgument
        As `transforms` does, and for numbers of steps that are out of order, below 2 or above the
        number of families.
    """
    ladders = _ladders(kinds, bounds)
    _check_whole(min_steps=min_steps)
    most = max(min_steps, min(_CHAIN_STEPS, len(ladders))) if max_steps is None else max_steps
    _check_whole(max_steps=most)
    if not 2 <= min_steps <= most <= len(ladders):
        raise InvalidArgument(
            f"min_steps={min_steps}, max_steps={most}: a chain of {len(ladders)} families has 2 to"
            f" {len(ladders)} steps"
        )
    return _chain(ladders, min_steps, most)


def clips(corpus: Corpus | None = None) -> SearchStrategy[Clip]:
    """Generate clips of a corpus; shrinks toward the first.

    A failure prints the clip as the expression that gives it again, if there is one: see
    `Clip.expression`.

    Parameters
    ----------
    corpus : Corpus, optional
        The run's where omitted; it is opened when the first clip is drawn.

    Raises
    ------
    InvalidArgument
        For what is no corpus.
    """
    if corpus is not None:
        from pytest_nnrel.corpus import Corpus

        if not isinstance(corpus, Corpus):
            raise InvalidArgument(f"corpus={corpus!r} is no Corpus")
    return _clip(corpus)


# ---------------------------------------------------------------------------------------------
# Ladders within bounds


@dataclass(frozen=True)
class _Ladder:
    """The rungs of a family between two severities, both among them."""

    family: type[Transform]
    first: int
    last: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def between(cls, family: type[Transform], low: float, high: float) -> _Ladder:
        """Return the rungs between two severities.

        Raises
        ------
        InvalidArgument
            If there are none, or these are not the family's.
        """
        rungs = family.severities()
        bounds = f"{family.__name__} between severities {low:g} and {high:g}"
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InvalidArgument(f"{bounds}: bounds must be finite")
        first, last = math.ceil(low - _ROUNDING), math.floor(high + _ROUNDING)
        if first > last:
            raise InvalidArgument(
                f"{bounds}: there is no rung; the bounds are out of order or narrow"
            )
        if first < rungs[0] or last > rungs[-1]:
            raise InvalidArgument(f"{bounds}: the family has severities {rungs[0]} to {rungs[-1]}")
        if first == last == 0:
            raise InvalidArgument(f"{bounds}: there is no rung but the identity")
        return cls(family, first, last)

    def __str__(self) -> str:
        return f"{self.family.__name__} between severities {self.first} and {self.last}"

    @property
    def holds_identity(self) -> bool:
        return self.first <= 0 <= self.last

    @property
    def directions(self) -> tuple[int, ...]:
        """Signs of the severities other than 0, upward first."""
        return (1,) * (self.last > 0) + (-1,) * (self.first < 0)

    def on(self, severity: int) -> Transform:
        transform = self.family.from_severity(severity)
        if isinstance(transform, Identity) or not self.options:
            return transform
        return replace(transform, **self.options)  # type: ignore[type-var]  # a dataclass

    def at(self, percent: int, direction: int) -> Transform:
        """Return the rung so far from the mildest to the strongest, and never the identity."""
        nearest, strongest = (self.first, self.last) if direction > 0 else (-self.last, -self.first)
        mildest = max(nearest, 0)
        # Whole numbers, halves upward, so that no rung hangs on how a float is rounded.
        way = (2 * percent * (strongest - mildest) + _FULL_SEVERITY) // (2 * _FULL_SEVERITY)
        return self.on(direction * max(mildest + way, 1))


def _pitch_ladder(min_semitones: float | None, max_semitones: float) -> _Ladder:
    _check_numbers(max_semitones=max_semitones)
    low = -max_semitones if min_semitones is None else min_semitones
    _check_numbers(min_semitones=low)
    return _Ladder.between(PitchShift, low / SEMITONES_PER_RUNG, max_semitones / SEMITONES_PER_RUNG)


def _tempo_ladder(min_rate: float, max_rate: float) -> _Ladder:
    _check_numbers(min_rate=min_rate, max_rate=max_rate)
    return _Ladder.between(
        TempoShift, (min_rate - 1.0) / RATE_PER_RUNG, (max_rate - 1.0) / RATE_PER_RUNG
    )


def _pink_ladder(min_snr_db: float, max_snr_db: float) -> _Ladder:
    return _noise_ladder(PinkNoise, min_snr_db, max_snr_db)


def _environmental_ladder(min_snr_db: float, max_snr_db: float, recording: str | None) -> _Ladder:
    ladder = _noise_ladder(EnvironmentalNoise, min_snr_db, max_snr_db)
    if recording is not None and not Path(recording).is_file():
        raise InvalidArgument(f"recording={recording!r} is no file")
    return ladder if recording is None else replace(ladder, options={"recording": recording})


def _noise_ladder(family: type[Transform], min_snr_db: float, max_snr_db: float) -> _Ladder:
    _check_numbers(min_snr_db=min_snr_db, max_snr_db=max_snr_db)
    return _Ladder.between(
        family,
        (INAUDIBLE_SNR_DB - max_snr_db) / DB_PER_RUNG,
        (INAUDIBLE_SNR_DB - min_snr_db) / DB_PER_RUNG,
    )


def _mp3_ladder(min_kbps: int, max_kbps: int | None) -> _Ladder:
    for name, value in (("min_kbps", min_kbps), ("max_kbps", max_kbps)):
        if value not in BITRATES and not (value is None and name == "max_kbps"):
            raise InvalidArgument(f"{name}={value!r} is no bitrate of MP3: {BITRATES}")
    mildest = 0.0 if max_kbps is None else MP3(max_kbps).severity
    return _Ladder.between(MP3, mildest, MP3(min_kbps).severity)


def _check_numbers(**bounds: object) -> None:
    for name, value in bounds.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise InvalidArgument(f"{name}={value!r} is no number")


def _check_whole(**numbers: object) -> None:
    for name, value in numbers.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise InvalidArgument(f"{name}={value!r} is no whole number")


#: Each family's own strategy, which has the keywords and their defaults, and its ladder of them.
_OWN: dict[
    type[Transform], tuple[Callable[..., SearchStrategy[Transform]], Callable[..., _Ladder]]
] = {
    PitchShift: (pitch_shifts, _pitch_ladder),
    TempoShift: (tempo_shifts, _tempo_ladder),
    PinkNoise: (pink_noises, _pink_ladder),
    EnvironmentalNoise: (environmental_noises, _environmental_ladder),
    MP3: (mp3s, _mp3_ladder),
}


def _ladder_of(
    family: type[Transform],
    low: float | None,
    high: float | None,
    options: Mapping[str, Any],
) -> _Ladder:
    """Return the rungs of any family between two magnitudes."""
    _check_family(family)
    given = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
    _check_numbers(**given)
    at: dict[str, float] = dict(zip(("downward", "upward"), reach(family)))
    rises = family.ladder[0] > family.identity
    for name, bound in given.items():
        least, most = family.bounds
        if bound != family.identity and not least <= bound <= most:
            raise InvalidArgument(
                f"{name}={bound!r}: {family.__name__} has {least:g} to {most:g} {family.unit}"
            )
        side = "upward" if (name == "max") == rises else "downward"
        at[side] = severity_of(bound, family.identity, family.ladder, family.negative_ladder)
    ladder = replace(_Ladder.between(family, at["downward"], at["upward"]), options=options)
    try:
        ladder.on(ladder.first or ladder.last)
    except (TypeError, NNRelError) as error:
        raise InvalidArgument(f"{family.__name__}: {error}") from error
    return ladder


def _check_family(family: object) -> None:
    known = _families()
    if family not in known:
        names = ", ".join(other.__name__ for other in known)
        raise InvalidArgument(f"{family!r} is no family: pass some of {names}")


def _families() -> tuple[type[Transform], ...]:
    """Return all families, the paper's first."""
    return tuple(dict.fromkeys((*_OWN, *families().values())))


def _bounded(family: type[Transform]) -> tuple[dict[str, Any], Callable[..., _Ladder]]:
    """Return the keywords that bound a family, with their defaults, and its ladder of them."""
    if family in _OWN:
        strategy, ladder = _OWN[family]
        parameters = inspect.signature(strategy).parameters.values()
        return {parameter.name: parameter.default for parameter in parameters}, ladder
    least, most = (f"{end}_{fields(family)[0].name}" for end in ("min", "max"))  # type: ignore[arg-type]
    return {least: None, most: None}, lambda **bounds: _ladder_of(
        family, bounds[least], bounds[most], {}
    )


def _ladders(kinds: tuple[type[Transform], ...], bounds: dict[str, Any]) -> list[_Ladder]:
    """Return the ladders of families, all where none is given, each within its own bounds."""
    for family in kinds:
        _check_family(family)
        if kinds.count(family) > 1:
            raise InvalidArgument(f"{family.__name__} is given more than once")
    able = [family for family in _families() if not family.missing()]
    bounded = [_bounded(family) for family in kinds or able]
    known = {name for keywords, _ in bounded for name in keywords}
    unknown = bounds.keys() - known
    if unknown:
        raise InvalidArgument(
            f"no family here has {', '.join(sorted(unknown))}; bounds are"
            f" {', '.join(sorted(known))}"
        )
    return [
        ladder(**{name: bounds.get(name, default) for name, default in keywords.items()})
        for keywords, ladder in bounded
    ]


# ---------------------------------------------------------------------------------------------
# What is drawn. Composed rather than mapped, so that a failure shows PitchShift(...), not a number.


def _check_deadline() -> None:
    """Refuse a deadline that nobody chose, before time is spent on shrinking what exceeds it.

    Raises
    ------
    FailedHealthCheck
        As Hypothesis does of tests that generate too slowly: it ends the test at once.
    """
    active = settings()  # of the test that draws
    # A deadline that was set, even to the same, is an object of its own.
    chosen = active.deadline is not settings.get_profile(_UNCHOSEN).deadline
    # ``find`` and ``example()`` suppress all health checks, and measure nothing by themselves.
    suppressed = set(HealthCheck) <= set(active.suppress_health_check)
    if active.deadline == _DEADLINE and not chosen and not suppressed:
        raise FailedHealthCheck(
            f"this test has Hypothesis's own deadline of {_DEADLINE.total_seconds() * 1e3:g} ms an"
            " example, which measurements exceed: have conftest.py call"
            ' hypothesis.settings.load_profile("nnrel"), or set @settings(deadline=None) on the'
            " test; a deadline of your own, such as @settings(deadline=60_000), is kept"
        )


@st.composite
def _rungs(draw: DrawFn, ladder: _Ladder) -> Transform:
    _check_deadline()
    return ladder.on(draw(st.integers(ladder.first, ladder.last)))


@st.composite
def _chain(draw: DrawFn, ladders: list[_Ladder], min_steps: int, max_steps: int) -> Transform:
    _check_deadline()
    # A list, from which shrinking can take any step and leave the others what they are (of a list
    # of unique values it could not); and as many turns whatever the steps, so that the shorter of
    # two sequences of draws is the one with fewer steps.
    places = st.integers(0, len(ladders) - 1)
    order: list[int] = []
    for place in draw(st.lists(places, min_size=min_steps, max_size=max_steps)):
        order.append(next(p for p in _from(place, len(ladders)) if p not in order))
    directions = [
        ladder.directions[draw(st.integers(0, len(ladder.directions) - 1))] for ladder in ladders
    ]
    severity = draw(st.integers(0, _FULL_SEVERITY))
    if severity == 0 and all(ladders[place].holds_identity for place in order):
        return Identity()
    return Chain(*(ladders[place].at(severity, directions[place]) for place in order))


def _from(place: int, places: int) -> Iterator[int]:
    """Yield all places, beginning at one and going round."""
    return ((place + step) % places for step in range(places))


@st.composite
def _clip(draw: DrawFn, corpus: Corpus | None) -> Clip:
    _check_deadline()
    if corpus is None:
        from pytest_nnrel.measures import run_corpus

        corpus = run_corpus()
    return corpus[draw(st.integers(0, len(corpus) - 1))]


def _is_of(family: type[Transform], transform: Transform) -> bool:
    return isinstance(transform, family)


def _register_type(family: type[Transform]) -> None:
    # The identity belongs to every ladder, but a test that asks for a family wants one.
    st.register_type_strategy(family, lambda _: magnitudes(family).filter(partial(_is_of, family)))


def _register() -> None:
    """Tell Hypothesis how to generate transformations, and of the profiles ``nnrel...``."""
    follow(_register_type)
    st.register_type_strategy(Transform, lambda _: transforms())
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("nnrel", patient)
    # No database outlives a CI job: the same examples each time, and all that repeats a failure.
    settings.register_profile("nnrel-ci", patient, derandomize=True, database=None, print_blob=True)


# Hypothesis imports this module when it is imported itself (the entry point names the module, not
# a function, since that import may also start here), so registering is a part of importing.
_register()
