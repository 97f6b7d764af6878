"""Workers that embed as this process does: each shows it before it embeds anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel.errors import EncoderError
from pytest_nnrel.experiment.recognition import ANY_CLIPS, same_embeddings, witnesses_among
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from pytest_nnrel.experiment.encoding import Embedding, EncodeTask, Listener
    from pytest_nnrel.runtime.handed import Handed


@dataclass(frozen=True, eq=False)
class Witnesses:
    """Some originals, and what the process that measures makes of them.

    Attributes
    ----------
    clips : list of int
    embeddings : float32[n, d]
    key : str
        Digest of both, of the encoder and of the corpus.
    """

    clips: list[int]
    embeddings: npt.NDArray[np.float32]
    key: str


#: By their keys, those that this process has embedded alike.
_FOUND_ALIKE: set[str] = set()


@dataclass(frozen=True)
class VettedTask:
    """Embeds and stores a block of rendered clips, in a process that embeds witnesses alike.

    Attributes
    ----------
    task : EncodeTask
        Of the rendered clips.
    originals : EncodeTask
    witnesses : Handed of Witnesses
    """

    task: EncodeTask
    originals: EncodeTask
    witnesses: Handed[Witnesses]

    def __call__(self, block: Sequence[int]) -> dict[int, Embedding]:
        """Embed what is missing; return what could not be stored.

        Raises
        ------
        EncoderError
            If the encoder gives other embeddings in this process than where the witnesses are
            from; nothing of it is stored then.
        """
        witnesses = self.witnesses.value
        if witnesses.key not in _FOUND_ALIKE:
            here = self.originals.encode(witnesses.clips, self.originals.windows(witnesses.clips))
            if not same_embeddings(here, list(witnesses.embeddings)):
                raise EncoderError(
                    f"encoder {self.task.encoder.value.name!r} gives other embeddings on workers"
                    " than in this process; give both the same libraries, and the encoder no state"
                    " that is set in one of them only"
                )
            _FOUND_ALIKE.add(witnesses.key)
        return self.task(block)


def on_vetted_workers(task: EncodeTask, listener: Listener) -> VettedTask:
    """Return how workers embed rendered clips, once they are found to embed as this process does.

    Each of them embeds as many originals as tell whether stored embeddings hold, once a run.

    Parameters
    ----------
    task : EncodeTask
        Of the rendered clips.
    listener : Listener
        Whose task it is.
    """
    study = listener.study
    originals = listener.task(listener.originals)

    def drawn() -> Witnesses:
        number = witnesses_among(len(study.corpus))
        clips = sorted(ANY_CLIPS.permutation(len(study.corpus))[:number].tolist())
        embeddings = originals.encode(clips, originals.windows(clips))
        key = digest("witnesses", listener.key(listener.originals), clips, embeddings)
        return Witnesses(clips, embeddings, key)

    witnesses = study.stores.recently(
        ("witnesses", listener.key(listener.originals)),
        drawn,
        lambda found: found.embeddings.nbytes,
    )
    what = f"originals by encoder {listener.encoder.name!r}"
    return VettedTask(task, originals, study.stores.handed(witnesses, what, witnesses.key))
