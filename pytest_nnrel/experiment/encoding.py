"""What an encoder is given of rendered clips, and under what its embeddings are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.errors import EncoderError
from pytest_nnrel.experiment.facts import WORST
from pytest_nnrel.experiment.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.encoders import Encoder
    from pytest_nnrel.experiment.rendering import Rendered
    from pytest_nnrel.experiment.study import Study
    from pytest_nnrel.runtime.store import Store


@dataclass(frozen=True, eq=False)
class Listener:
    """An encoder that listens to the clips of a study, as keys tell it.

    Attributes
    ----------
    encoder : Encoder
    originals : Rendered
        The clips as they are.
    fingerprint : str or None
        Of its weights; None where nobody vouches for it, so that nothing of it outlives the run.
    identity : str
        Digest of fingerprint, behaviour and what it asks for.
    whole : Listener or None
        Of all outputs of its object, where it is one of several.
    """

    encoder: Encoder
    originals: Rendered
    fingerprint: str | None
    identity: str
    whole: Listener | None = None

    @property
    def study(self) -> Study:
        """What it listens to the clips of."""
        return self.originals.question.study

    @property
    def sample_rate(self) -> int:
        """Rate of what it is given, in Hz."""
        return self.encoder.sample_rate or self.study.corpus.sample_rate

    @property
    def window_seconds(self) -> float:
        """Length of what it is given, in seconds."""
        return self.encoder.window_seconds or self.study.corpus.window_seconds

    def store(self, rendered: Rendered) -> Store:
        """Return where embeddings of rendered clips are kept."""
        lasting = self.fingerprint is not None and rendered.question.known.lasting
        return self.study.stores.of(lasting=lasting)

    def key(self, rendered: Rendered, clip: str) -> str:
        """Return what the embedding of a clip is stored under; of the corpus, all of them."""
        return key_of(
            "embeddings",
            clip=clip,
            window=self.study.corpus.window_seconds,
            seed=self.study.seed,
            transform=rendered.question.known.told,
            encoder=self.identity,
            generation=self.study.stores.generation(self.identity),
        )

    def windows(self, rendered: Rendered, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return what it is given of some clips, float32[k, samples], at its own rate."""
        clips = rendered.clips(indices)
        return np.stack(
            [clip.window(self.window_seconds, sample_rate=self.sample_rate) for clip in clips]
        )

    def encode(
        self, rendered: Rendered, indices: Sequence[int], windows: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Encode the windows of some clips.

        Raises
        ------
        EncoderError
            Of the encoder, with the clips at fault.
        """
        corpus = self.study.corpus
        try:
            return self.encoder.encode(windows, self.sample_rate)
        except EncoderError as error:
            at_fault = [corpus.ids[indices[row]] for row in error.rows]
            clips = f", clips {', '.join(at_fault[:WORST])}" if at_fault else ""
            where = f"(under {rendered.question.condition.name}, corpus {corpus.name!r}{clips})"
            # From what the encoder itself raised, if it did: the message says the rest.
            raise EncoderError(f"{error} {where}", error.rows) from error.__cause__
