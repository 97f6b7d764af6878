"""Embeddings of originals and of rendered clips."""

from __future__ import annotations

import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pytest_nnrel.encoders.layers import LayerEncoder
from pytest_nnrel.errors import EmbeddingSizeError, EncoderError, WorkerWarning
from pytest_nnrel.experiment.blocks import blocks_of
from pytest_nnrel.experiment.vetting import on_vetted_workers
from pytest_nnrel.runtime.devices import CPU
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.tasks import leaves_process, run_tasks
from pytest_nnrel.transforms import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence, Set

    import numpy.typing as npt

    from pytest_nnrel.encoders import Encoder
    from pytest_nnrel.experiment.encoding import Embedding, EncodeTask, Listener
    from pytest_nnrel.experiment.rendering import Rendered
    from pytest_nnrel.runtime.handed import Handed

    T = TypeVar("T")
    U = TypeVar("U")
    Embeddings = npt.NDArray[np.float32]

#: Clips that are read and embedded at once, at least.
BATCH = 32


@dataclass(frozen=True, eq=False)
class Embedded:
    """Rendered clips, all or some, as an encoder hears them, and all originals, as it does too.

    Or as another does, whose embeddings are the index that those of the clips are looked up in.

    Attributes
    ----------
    rendered : Rendered
    listener : Listener
    originals : float32[n, d]
    originals_key : str
        What they are known by.
    queries : float32[k, d]
        Of the rendered clips.
    index : Listener or None
        Who heard the originals, where it is another.
    """

    rendered: Rendered
    listener: Listener
    originals: Embeddings
    originals_key: str
    queries: Embeddings
    index: Listener | None = None

    def among(self, other: Embedded) -> Embedded:
        """Return the clips among the originals as another encoder hears them.

        Raises
        ------
        EmbeddingSizeError
            If the embeddings of both have different lengths.
        """
        ours, theirs = self.queries.shape[1], other.originals.shape[1]
        if ours != theirs:
            raise EmbeddingSizeError(
                f"encoder {self.listener.encoder.name!r} returns {ours} numbers and"
                f" {other.listener.encoder.name!r} {theirs}: no distance between them is defined"
            )
        return replace(
            self,
            originals=other.originals,
            originals_key=other.originals_key,
            index=other.listener,
        )


def embed(listener: Listener, rendered: Rendered) -> Embedded:
    """Embed rendered clips, and all originals.

    Raises
    ------
    EncoderError
        If the encoder fails, or its embeddings are of several lengths.
    """
    with rendered.question.watch("embedding"):
        originals = embeddings_of(listener, listener.originals)
        queries = embeddings_of(listener, rendered)
    if queries.shape[1] != originals.shape[1]:
        raise EncoderError(
            f"encoder {listener.encoder.name!r} returned {originals.shape[1]} numbers for each"
            f" original and {queries.shape[1]} under {rendered.question.condition.name}; it must"
            " return embeddings of one length, whatever it hears"
        )
    key = listener.key(listener.originals)
    return Embedded(rendered, listener, originals, key, queries)


def embeddings_of(listener: Listener, rendered: Rendered) -> Embeddings:
    """Return the embeddings of rendered clips, float32[k, d], kept in memory where all are."""
    if len(rendered.indices) < len(rendered.question.study.corpus):
        return _encoded(listener, rendered)
    return rendered.question.study.stores.recently(
        ("embeddings", listener.key(rendered)),
        lambda: _encoded(listener, rendered),
        lambda rows: rows.nbytes,
    )


def _encoded(listener: Listener, rendered: Rendered) -> Embeddings:
    """Return the embeddings of clips, from the store where they are there, float32[k, d]."""
    if isinstance(listener.encoder, LayerEncoder) and listener.whole is not None:
        return _of_layer(listener.encoder, listener.whole, rendered)
    task = listener.task(rendered)
    rows = _Rows(listener.encoder.name, rendered.indices)
    rows.take(task.stored(rendered.indices))
    if rows.missing:
        all_are_made = len(rows.missing) == len(listener.study.corpus)
        for unstored in _encode(listener, task, rendered, set(rows.missing)):
            rows.take(unstored.items())
        rows.take(task.stored(rows.missing))
        for i in rows.missing:  # evicted meanwhile
            rows.take([(i, task.encode([i], task.windows([i]))[0])])
        if all_are_made and rendered is listener.originals:  # none is of an earlier run
            listener.study.stores.witnessed.add(listener.originals_known)
    return rows.embeddings


def _encode(
    listener: Listener, task: EncodeTask, rendered: Rendered, missing: Set[int]
) -> Iterator[dict[int, Embedding]]:
    """Embed and store clips; yield what could not be stored."""
    study, condition = rendered.question.study, rendered.question.condition
    blocks = blocks_of(rendered.indices, missing, least=BATCH)
    told = partial(progress, what=f"{task.encoder.value.name} on {condition.name}")
    if leaves_process() and can_be_sent(task.encoder):
        vetted = on_vetted_workers(task, listener)
        yield from run_tasks(vetted, blocks, jobs=study.jobs, progress=told, ordered=False)
        return
    if not isinstance(condition, Identity):
        rendered.make(missing)  # all at once, on all workers
    windows = _one_ahead(task.windows, blocks)
    for block, of_block in told(zip(blocks, windows), len(blocks)):
        yield task.encoded(block, of_block)


def can_be_sent(encoder: Handed[Encoder]) -> bool:
    """Tell whether workers can run an encoder: none that is on a device of this process."""
    if encoder.value.runs_on - {CPU}:
        return False
    try:
        return encoder.hand_over()
    except Exception as error:  # pickling runs the object's own code
        warnings.warn(
            f"encoder {encoder.value.name!r} cannot be pickled ({error}), so that it runs in this"
            " process and not on the workers; give as_encoder what can, such as a function of a"
            " module that loads the model when it is first called",
            WorkerWarning,
            stacklevel=2,
        )
        return False


class _Rows:
    """Embeddings of clips, as they come in.

    Parameters
    ----------
    name : str
        Of the encoder.
    indices : sequence of int
    """

    def __init__(self, name: str, indices: Sequence[int]) -> None:
        self._name = name
        self._place = {i: at for at, i in enumerate(indices)}
        self._rows: Embeddings | None = None

    @property
    def missing(self) -> list[int]:
        """Clips of which none has come."""
        return list(self._place)

    def take(self, embeddings: Iterable[tuple[int, Embedding]]) -> None:
        """Take embeddings in, by clip.

        Raises
        ------
        EncoderError
            If they are of another length than those before.
        """
        for i, embedding in embeddings:
            if self._rows is None:
                self._rows = np.empty((len(self._place), len(embedding)), dtype=np.float32)
            if embedding.shape != self._rows.shape[1:]:
                widths = sorted({embedding.shape, self._rows.shape[1:]})
                raise EncoderError(
                    f"encoder {self._name!r} returned embeddings of different lengths: {widths};"
                    " it must return one length, whatever batch it gets"
                )
            self._rows[self._place.pop(i)] = embedding

    @property
    def embeddings(self) -> Embeddings:
        """All of them, float32[k, d]."""
        assert self._rows is not None
        assert not self._place
        return self._rows


def _of_layer(layer: LayerEncoder, whole: Listener, rendered: Rendered) -> Embeddings:
    """Return what is a layer's of the embeddings of all layers."""
    rows = embeddings_of(whole, rendered)
    if layer.whole.widths is None:  # all rows were stored: an original tells how long outputs are
        task = whole.task(whole.originals)
        task.encode([0], task.windows([0]))
    return layer.part_of(rows)


def _one_ahead(load: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Yield what is loaded for each item, while the next is being loaded already."""
    with ThreadPoolExecutor(1) as pool:
        coming: Future[U] | None = None
        for item in items:
            loaded, coming = coming, pool.submit(load, item)
            if loaded is not None:
                yield loaded.result()
        if coming is not None:
            yield coming.result()
