"""An encoder under test: on the windows of a corpus, with embeddings that all checks compare with.

The *spread* of a corpus is the median Euclidean distance between embeddings of different clips.
How far a check moves embeddings is given in spreads.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.corpus import audio
from pytest_nnrel.encoders.evaluation import modules_in_training
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.experiment.recognition import WITNESS_TOLERANCE
from pytest_nnrel.measures import study_on
from pytest_nnrel.sanity.global_states import draw_from_global_rngs, rng_digests
from pytest_nnrel.sanity.observed import NonFiniteError, Observed
from pytest_nnrel.sanity.symptom import FaultError, SkippedError, skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.corpus import Clip, Corpus
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders import Encoder

    Matrix = npt.NDArray[np.float64]

#: Clips that are encoded, evenly spread over the corpus.
CLIPS = 32
#: Farthest clip, in spreads, where only rounding may differ. Shown by sound encoders: up to 5e-6.
ROUNDING = WITNESS_TOLERANCE
#: Least ratio of the spread to the median length of an embedding: below, the tolerance for
#: rounding would be finer than float32. Shown: 0.009 and more, the least by an untrained VGG.
COLLAPSED = 1e-4


def clips_and_seed(corpus: Corpus | None, seed: int | None) -> tuple[Corpus, int]:
    """Return the clips that are encoded, and the seed; the run's where None.

    Raises
    ------
    TooFewClipsError
        If the corpus has fewer than two clips.
    """
    study = study_on(corpus, seed)
    return study.corpus.subset(min(CLIPS, len(study.corpus))), study.seed


@dataclass(frozen=True)
class SecondRun:
    """What was observed while the same windows were encoded again."""

    embeddings: Matrix | None
    left_behind: Samples
    consumed: list[str]
    training: list[Any]


@dataclass
class EncoderUnderTest:
    """An encoder on the windows of a corpus, and its embeddings that all checks compare with.

    Clips whose embeddings are not finite are set aside, so that the rest can be checked.

    Attributes
    ----------
    encoder : Encoder
    corpus : Corpus
        At most 32 clips.
    seed : int
        Of the run.
    rate : int
        At which the encoder is given windows, in Hz.
    seconds : float
        Length of its windows.
    clips : list of Clip
        Those that are not set aside.
    windows : float32[n, samples]
        Of these clips.
    set_aside : list of str
        Ids of the clips whose embeddings are not finite.
    """

    encoder: Encoder
    corpus: Corpus
    seed: int
    rate: int = field(init=False)
    seconds: float = field(init=False)
    clips: list[Clip] = field(init=False)
    windows: Samples = field(init=False)
    set_aside: list[str] = field(init=False)
    _baseline: Matrix | None = field(init=False)

    def __post_init__(self) -> None:
        self.rate = self.encoder.sample_rate or self.corpus.sample_rate
        self.seconds = self.encoder.window_seconds or self.corpus.window_seconds
        self.corpus.require_source(self.seconds, f"encoder {self.encoder.name!r}")
        windows = self.corpus.windows(sample_rate=self.rate, window_seconds=self.seconds)
        kept = np.arange(len(windows))
        self._baseline = None
        while self._baseline is None and len(kept) >= 2:
            try:
                self._baseline = self._encode(Observed(self.encoder), windows[kept])
            except NonFiniteError as error:
                kept = np.delete(kept, list(error.rows))
        self.set_aside = [id_ for i, id_ in enumerate(self.corpus.ids) if i not in kept]
        if self._baseline is None:
            kept = np.arange(len(windows))
        self.windows = windows[kept]
        self.clips = [self.corpus[int(i)] for i in kept]

    @property
    def embeddings(self) -> Matrix:
        """Embeddings of the windows, float64[n, d]."""
        if self._baseline is None:
            skip("fewer than two clips have finite embeddings")
        return self._baseline

    @cached_property
    def spread(self) -> float:
        """Median distance between embeddings of different clips."""
        return spread_of(self.embeddings)

    @cached_property
    def collapsed(self) -> float | None:
        """Ratio of the spread to the median length of an embedding, if it is but rounding."""
        length = float(np.median(np.linalg.norm(self.embeddings, axis=1)))
        if self.spread > COLLAPSED * length:
            return None
        return self.spread / length if length > 0.0 else 0.0

    @cached_property
    def second_run(self) -> SecondRun:
        """What is observed while the windows are encoded once more."""
        observed = Observed(self.encoder)
        embeddings: Matrix | None = None
        draw_from_global_rngs()  # so that a seed which every run sets is a change as well
        before = rng_digests()
        training: list[Any] = []
        with modules_in_training(training.append), suppress(NonFiniteError):
            embeddings = self._encode(observed, self.windows)
        after = rng_digests()
        consumed = [name for name, state in before.items() if after[name] != state]
        left = np.concatenate(observed.left_behind)
        return SecondRun(embeddings, left, consumed, training)

    def encode(
        self,
        windows: Samples,
        *,
        batch_size: int | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> Matrix:
        """Return embeddings of as many numbers as the first, float64[k, d].

        Parameters
        ----------
        windows : float32[k, samples]
        batch_size : int, optional
            The encoder's own where omitted.
        dtype : dtype
            Of what the encoder is handed.

        Raises
        ------
        FaultError
            If they hold NaN or infinite values, or another count of numbers.
        EncoderError
            If the encoder raises.
        """
        expected = self.embeddings.shape[1]
        try:
            observed = Observed(self.encoder, batch_size=batch_size, dtype=dtype)
            embeddings = self._encode(observed, windows)
        except NonFiniteError as error:
            raise FaultError(
                f"NaN or infinite values for {len(error.rows)} or more of {len(windows)} clips,"
                " whose embeddings are finite otherwise"
            ) from error
        if embeddings.shape[1] != expected:
            raise FaultError(f"embeddings of {embeddings.shape[1]} numbers instead of {expected}")
        return embeddings

    def displacements(self, embeddings: Matrix, reference: Matrix | None = None) -> Matrix:
        """Return how far each clip has moved, in spreads, float64[n].

        Parameters
        ----------
        embeddings : float64[n, d]
            Of the clips, in their order.
        reference : float64[n, d], optional
            What they moved from; `embeddings` of this object where omitted.
        """
        if self.collapsed is not None:
            skip("all embeddings are equal, so there is no spread to compare with")
        base = self.embeddings if reference is None else reference
        return np.asarray(np.linalg.norm(embeddings - base, axis=1) / self.spread)

    def displacement(self, windows: Samples) -> float | None:
        """Return how far clips move if these are encoded; None where nothing tells.

        That is the clip that moves most, since few may; of an encoder that gives something else
        each time, the median clip.
        """
        try:
            found = self.encode(windows)
            repeated = self.displacements(self.encode(windows), found)
            moved = self.displacements(found)
        except (FaultError, SkippedError, EncoderError):
            return None
        return float(np.max(moved) if np.max(repeated) <= ROUNDING else np.median(moved))

    def centres(self, signals: Sequence[Samples]) -> Samples:
        """Return the centre window of each signal at the encoder's rate, float32[n, samples]."""
        return np.stack([audio.centre(signal, self.windows.shape[1]) for signal in signals])

    def _encode(self, observed: Observed, windows: Samples) -> Matrix:
        return observed.encode(windows, self.rate).astype(np.float64)


def spread_of(embeddings: Matrix) -> float:
    """Return the median distance between different rows of float[n, d]."""
    first, second = np.triu_indices(len(embeddings), k=1)
    return float(np.median(np.linalg.norm(embeddings[first] - embeddings[second], axis=1)))
