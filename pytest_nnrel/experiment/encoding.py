"""What an encoder is given of rendered clips, and under what its embeddings are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.encoders.travel import packed
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.experiment.facts import WORST
from pytest_nnrel.experiment.keys import key_of
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.transforms import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from pytest_nnrel.encoders import Encoder
    from pytest_nnrel.experiment.rendering import Rendered, RenderTask
    from pytest_nnrel.experiment.study import Study
    from pytest_nnrel.runtime.handed import Handed
    from pytest_nnrel.runtime.shards import Arrays
    from pytest_nnrel.runtime.store import Store

    Embedding = npt.NDArray[np.float32]


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
        Digest of fingerprint, behaviour, what it asks for, its device and how it is executed.
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

    def key(self, rendered: Rendered) -> str:
        """Return what the embeddings of all rendered clips are known by."""
        return digest(self.task(rendered).scope, self.study.corpus.fingerprint)

    @property
    def originals_known(self) -> tuple[str, str, int]:
        """What stored embeddings of the originals are of, whatever became of earlier ones."""
        return self.identity, self.study.corpus.fingerprint, self.study.seed

    def task(self, rendered: Rendered) -> EncodeTask:
        """Return how rendered clips are embedded."""
        study = self.study
        generation = study.stores.generation(self.identity)
        scope = key_of(
            "embeddings",
            window=study.corpus.window_seconds,
            seed=study.seed,
            transform=rendered.question.known.told,
            encoder=self.identity,
            generation=generation,
        )
        lasting = self.fingerprint is not None and rendered.question.known.lasting
        return EncodeTask(
            study.stores.handed(
                self.encoder,
                f"encoder {self.encoder.name!r}",
                digest(self.identity, generation),  # what was found changed is sent anew
                packed,
            ),
            rendered.task("records"),
            self.sample_rate,
            self.window_seconds,
            study.stores.of(lasting=lasting),
            scope,
        )


@dataclass(frozen=True)
class EncodeTask:
    """Embeds and stores a block of rendered clips; runs here, or in a process or cluster.

    Attributes
    ----------
    encoder : Handed of Encoder
    rendered : RenderTask
    sample_rate : int
        Of what the encoder is given, in Hz.
    window_seconds : float
    store : Store
    scope : str
        What, besides the clip, each embedding is stored under.
    """

    encoder: Handed[Encoder]
    rendered: RenderTask
    sample_rate: int
    window_seconds: float
    store: Store
    scope: str

    def __call__(self, block: Sequence[int]) -> dict[int, Embedding]:
        """Embed what is missing; return what could not be stored."""
        with self.store.lock(digest(self.scope, block[0]), outer=True):
            found = dict(self.stored(block))
            missing = [i for i in block if i not in found]
            if not missing:
                return {}
            if not isinstance(self.rendered.condition, Identity):  # originals are decoded only
                self.rendered(missing)
            return self.encoded(missing, self.windows(missing))

    def stored(self, indices: Sequence[int]) -> Iterator[tuple[int, Embedding]]:
        """Yield the embeddings of those clips of which they are stored."""
        keys = self.rendered.keys_of(indices)
        for at, entry in self.store.get_of("embeddings", self.scope, keys):
            yield indices[at], entry["embedding"]

    def encoded(
        self, indices: Sequence[int], windows: npt.NDArray[np.float32]
    ) -> dict[int, Embedding]:
        """Embed and store the windows of some clips; return what could not be stored."""
        rows = self.encode(indices, windows)
        entries: dict[str, Arrays] = {
            key: {"embedding": row} for key, row in zip(self.rendered.keys_of(indices), rows)
        }
        is_stored = self.store.put_of("embeddings", self.scope, entries)
        return {} if is_stored else dict(zip(indices, rows))

    def windows(self, indices: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return what the encoder is given of some clips, float32[k, samples], at its own rate."""
        clips = self.rendered.clips(indices)
        return np.stack(
            [clip.window(self.window_seconds, sample_rate=self.sample_rate) for clip in clips]
        )

    def encode(
        self, indices: Sequence[int], windows: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Encode the windows of some clips.

        Raises
        ------
        EncoderError
            Of the encoder, with the clips at fault.
        """
        corpus = self.rendered.corpus.value
        try:
            return self.encoder.value.encode(windows, self.sample_rate)
        except EncoderError as error:
            at_fault = [corpus.ids[indices[row]] for row in error.rows]
            clips = f", clips {', '.join(at_fault[:WORST])}" if at_fault else ""
            where = f"(under {self.rendered.condition.name}, corpus {corpus.name!r}{clips})"
            # From what the encoder itself raised, if it did: the message says the rest.
            raise EncoderError(f"{error} {where}", error.rows) from error.__cause__
