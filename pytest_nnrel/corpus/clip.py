"""A clip: a mono signal with a name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_nnrel.corpus import audio
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.printing import AsItsRepr
from pytest_nnrel.runtime.scalars import is_positive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nnrel.corpus.audio import Samples


def as_clip(given: object, what: str) -> Clip:
    """Return a clip that was given as one.

    Raises
    ------
    CorpusError
        If it is none; the error begins with `what`, such as ``"audio_features"``.
    """
    if not isinstance(given, Clip):
        raise CorpusError(
            f"{what} takes a Clip, such as Clip('mine', samples, sample_rate) or one of a corpus,"
            f" not {type(given).__name__}"
        )
    return given


@dataclass(frozen=True, eq=False)
class Clip:
    """A mono signal with a name.

    Parameters
    ----------
    id : str
        Unique in its corpus, the same in every run.
    samples : float32[n]
        Full scale at ±1. Made read-only.
    sample_rate : int
        In Hz.
    labels : mapping, optional
        Whatever is known of the clip: its track, licence, tags.
    group : str, optional
        Clips of one track share a group; they are resampled together. None: a group of its own.

    Attributes
    ----------
    expression : str or None
        Python that gives the clip again, such as ``Corpus.bundled().clip('ID')``. None for a clip
        that was made of another, or comes from a corpus without `Corpus.expression`.

    Raises
    ------
    CorpusError
        If `samples` is no non-empty, finite, one-dimensional float array.
    """

    id: str
    samples: Samples
    sample_rate: int
    labels: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    expression: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples)
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise CorpusError(
                f"clip {self.id!r}: samples must be a mono float array of shape (n,), full scale"
                f" at ±1, not {samples.dtype}{list(samples.shape)}"
            )
        if len(samples) == 0:
            raise CorpusError(f"clip {self.id!r} holds no samples (zero length); leave it out")
        if problem := audio.rate_problem(self.sample_rate):
            raise CorpusError(f"clip {self.id!r}: {problem}")
        with np.errstate(over="ignore"):  # told below
            samples = samples.astype(np.float32)  # a copy: the caller's array stays theirs
        finite = np.isfinite(samples)
        if not finite.all():
            first = int(np.argmin(finite))
            raise CorpusError(
                f"clip {self.id!r} holds {int((~finite).sum())} NaN or infinite samples, the first"
                f" at {first / self.sample_rate:.3f} s; repair it or leave it out"
            )
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "sample_rate", int(self.sample_rate))
        object.__setattr__(self, "labels", dict(self.labels))

    def __reduce__(self) -> tuple[type[Clip], tuple[object, ...]]:
        # Pickling loses the write protection; making the clip anew restores it.
        return Clip, (self.id, self.samples, self.sample_rate, dict(self.labels), self.group)

    def __repr__(self) -> str:
        return self.expression or f"<Clip {self.id!r}, {self.seconds:g} s, {self.sample_rate} Hz>"

    _repr_pretty_ = AsItsRepr()

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @cached_property
    def loudness(self) -> float:
        """Integrated loudness in LUFS (EBU R 128); ``-inf`` for silence."""
        return audio.loudness(self.samples, self.sample_rate)

    def with_samples(self, samples: Samples) -> Clip:
        """Return the clip with other samples at the same rate."""
        return replace(self, samples=samples)

    def window(self, seconds: float, *, sample_rate: int | None = None) -> Samples:
        """Return the centre of the clip, zero-padded where the clip is shorter.

        Parameters
        ----------
        seconds : float
        sample_rate : int, optional
            Rate to resample to, in Hz; the clip's own where omitted.

        Returns
        -------
        float32[round(seconds * sample_rate)]

        Raises
        ------
        CorpusError
            If there is no such length or rate.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        if problem := audio.rate_problem(rate):
            raise CorpusError(problem)
        if not is_positive(seconds):
            raise CorpusError(f"a window takes seconds above 0, not {seconds!r}")
        samples = audio.resample(self.samples, self.sample_rate, rate)
        return audio.centre(samples, round(seconds * rate))


class ClipTransform(Protocol):
    """What a corpus asks of a transformation; `pytest_nnrel.Transform` has it."""

    def apply(self, clip: Clip, *, seed: int | None = None) -> Clip:
        """Return another clip."""
