"""Embeddings of originals and of rendered clips."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pytest_nnrel.encoders.layers import LayerEncoder
from pytest_nnrel.errors import EmbeddingSizeError, EncoderError
from pytest_nnrel.experiment.rendering import BLOCK
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.transforms import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy.typing as npt

    from pytest_nnrel.experiment.encoding import Listener
    from pytest_nnrel.experiment.rendering import Rendered
    from pytest_nnrel.runtime.store import Arrays

    T = TypeVar("T")
    U = TypeVar("U")
    Embeddings = npt.NDArray[np.float32]


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
        originals = _embeddings(listener, listener.originals)
        queries = _embeddings(listener, rendered)
    if queries.shape[1] != originals.shape[1]:
        raise EncoderError(
            f"encoder {listener.encoder.name!r} returned {originals.shape[1]} numbers for each"
            f" original and {queries.shape[1]} under {rendered.question.condition.name}; it must"
            " return embeddings of one length, whatever it hears"
        )
    key = listener.key(listener.originals, listener.study.corpus.fingerprint)
    return Embedded(rendered, listener, originals, key, queries)


def _embeddings(listener: Listener, rendered: Rendered) -> Embeddings:
    corpus = rendered.question.study.corpus
    if len(rendered.indices) < len(corpus):
        return _encoded(listener, rendered)
    return rendered.question.study.stores.recently(
        ("embeddings", listener.key(rendered, corpus.fingerprint)),
        lambda: _encoded(listener, rendered),
        lambda rows: rows.nbytes,
    )


def _encoded(listener: Listener, rendered: Rendered) -> Embeddings:
    """Return the embeddings of clips, from the store where they are there, float32[k, d]."""
    if isinstance(listener.encoder, LayerEncoder) and listener.whole is not None:
        return _of_layer(listener.encoder, listener.whole, rendered)
    question, store = rendered.question, listener.store(rendered)
    keys = {i: listener.key(rendered, question.study.corpus.keys[i]) for i in rendered.indices}
    stored: dict[int, Arrays | None] = {i: store.get("embeddings", key) for i, key in keys.items()}
    missing = [i for i, entry in stored.items() if entry is None]
    if missing and not isinstance(question.condition, Identity):
        rendered.render(missing)  # all at once, on all workers
    blocks = [missing[i : i + BLOCK * 2] for i in range(0, len(missing), BLOCK * 2)]
    windows = _one_ahead(partial(listener.windows, rendered), blocks)
    name = listener.encoder.name
    for block, of_block in progress(
        zip(blocks, windows), len(blocks), f"{name} on {question.condition.name}"
    ):
        for i, embedding in zip(block, listener.encode(rendered, block, of_block)):
            entry: Arrays = {"embedding": embedding}
            store.put("embeddings", keys[i], entry)
            stored[i] = entry
    rows = [entry["embedding"] for entry in stored.values() if entry is not None]
    widths = {row.shape for row in rows}
    if len(widths) > 1:
        raise EncoderError(
            f"encoder {name!r} returned embeddings of different lengths: {sorted(widths)}; it must"
            " return one length, whatever batch it gets"
        )
    return np.asarray(np.stack(rows), dtype=np.float32)


def _of_layer(layer: LayerEncoder, whole: Listener, rendered: Rendered) -> Embeddings:
    """Return what is a layer's of the embeddings of all layers."""
    rows = _embeddings(whole, rendered)
    if layer.whole.widths is None:  # all rows were stored: an original tells how long outputs are
        whole.encode(whole.originals, [0], whole.windows(whole.originals, [0]))
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
