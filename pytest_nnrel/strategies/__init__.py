"""Hypothesis strategies for transformations and clips, drawn as integers.

Magnitudes are drawn on a family's ladder, 0 for the identity, so that shrinking ends at the
smallest breaking rung; ``floats()`` would end at a round number beyond it. Clips are drawn as
positions in their corpus, so that no audio passes through Hypothesis.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_nnrel.strategies.drawing import chain, clip, rungs
from pytest_nnrel.strategies.families import check_family, ladders_within
from pytest_nnrel.strategies.ladders import check_whole, ladder_of
from pytest_nnrel.strategies.paper import (
    environmental_noises,
    mp3s,
    pink_noises,
    pitch_shifts,
    tempo_shifts,
)
from pytest_nnrel.transforms import Transform
from pytest_nnrel.transforms.registry import follow

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

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

#: Steps of a chain where no number is given, if there are as many families.
_CHAIN_STEPS = 3


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
    check_family(family)
    return rungs(ladder_of(family, min, max, options))


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
    return st.one_of(*(rungs(ladder) for ladder in ladders_within(kinds, bounds)))


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
    ladders = ladders_within(kinds, bounds)
    check_whole(min_steps=min_steps)
    most = max(min_steps, min(_CHAIN_STEPS, len(ladders))) if max_steps is None else max_steps
    check_whole(max_steps=most)
    if not 2 <= min_steps <= most <= len(ladders):
        raise InvalidArgument(
            f"min_steps={min_steps}, max_steps={most}: a chain of {len(ladders)} families has 2 to"
            f" {len(ladders)} steps"
        )
    return chain(ladders, min_steps, most)


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
    return clip(corpus)


def _is_of(family: type[Transform], transform: Transform) -> bool:
    return isinstance(transform, family)


def _register_type(family: type[Transform]) -> None:
    # The identity belongs to every ladder, but a test that asks for a family wants one.
    st.register_type_strategy(family, lambda _: magnitudes(family).filter(partial(_is_of, family)))


def _register() -> None:
    """Tell Hypothesis how to generate transformations, and of the profiles ``nnrel...``."""
    follow(_register_type)
    st.register_type_strategy(Transform, lambda _: transforms())
    # What failing examples have in common is lines of this package.
    phases = [phase for phase in Phase if phase is not Phase.explain]
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=phases)
    settings.register_profile("nnrel", patient)
    # No database outlives a CI job: the same examples each time, and all that repeats a failure.
    settings.register_profile("nnrel-ci", patient, derandomize=True, database=None, print_blob=True)


# Hypothesis imports this module when it is imported itself (the entry point names the module, not
# a function, since that import may also start here), so registering is a part of importing.
_register()
