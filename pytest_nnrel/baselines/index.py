"""Embeddings of a few originals that a baseline keeps: may the encoder query its old index still?

Outcomes alone cannot tell: they are the same when a space is rotated. The kept embeddings are
looked up among all originals as the encoder embeds them now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.baselines.entries import LISTED
from pytest_nnrel.errors import BaselineError
from pytest_nnrel.experiment.blocks import spread
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import exemplars_of, latent_space
from pytest_nnrel.runtime.listing import a_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.distances import Distance
    from pytest_nnrel.experiment.embedding import Embedded
    from pytest_nnrel.experiment.encoding import Listener
    from pytest_nnrel.statistics.consistency import Exemplars

    Embeddings = npt.NDArray[np.float32]

#: Originals whose embeddings are kept.
KEPT = 16
#: Digits of their numbers, which give float32 back exactly: an offset can be large against what
#: tells clips apart.
_DIGITS = 9


@dataclass(frozen=True)
class IndexKey:
    """What kept embeddings are of, and the distance that tells them apart."""

    encoder: str
    corpus: str
    distance: str

    def __str__(self) -> str:
        return f"index of {self.encoder} ({self.distance}, corpus {self.corpus})"


@dataclass(frozen=True)
class Index:
    """Embeddings of a few originals, as an encoder gave them once.

    Attributes
    ----------
    key : IndexKey
    fingerprint : str or None
        Of the encoder.
    embeddings : dict of str to tuple of float
        By id of the clip.
    """

    key: IndexKey
    fingerprint: str | None
    embeddings: dict[str, tuple[float, ...]]

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        return len(next(iter(self.embeddings.values())))

    def as_dict(self, clips: Sequence[str]) -> dict[str, Any]:
        """Return the content of a baseline file, an embedding in a line, in the corpus's order."""
        return {
            "encoder": self.key.encoder,
            "corpus": self.key.corpus,
            "distance": self.key.distance,
            "fingerprint": self.fingerprint,
            "embeddings": {
                clip: " ".join(f"{number:.{_DIGITS}g}" for number in self.embeddings[clip])
                for clip in clips
                if clip in self.embeddings
            },
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any], clips: Sequence[str]) -> Index:
        """Return the index that `as_dict` gave."""
        rows = {
            clip: tuple(float(number) for number in text.split())
            for clip, text in plain["embeddings"].items()
        }
        unknown = rows.keys() - set(clips)
        if unknown:
            raise ValueError(
                f"embeddings of clips {a_few(sorted(unknown), LISTED)}, not of the corpus"
            )
        finite = all(np.isfinite(row).all() for row in rows.values())
        if not finite or len({len(row) for row in rows.values()}) != 1:
            raise ValueError("embeddings that are missing, not finite, or of several lengths")
        # Files of versions that knew no other have none.
        key = IndexKey(plain["encoder"], plain["corpus"], plain.get("distance", "euclidean"))
        return cls(key, plain["fingerprint"], rows)


def index_of(listener: Listener, distance: Distance) -> Index:
    """Return the embeddings of a few originals, evenly spread, of those that can be told apart.

    Raises
    ------
    BaselineError
        If none can.
    """
    embedded = embed(listener, listener.originals)
    corpus = listener.study.corpus
    told = np.flatnonzero(~exemplars_of(latent_space(embedded, distance)).errors)
    if not len(told):
        raise BaselineError(
            f"{listener.encoder.name} gives no original an embedding that tells it from the others:"
            " there is no index to keep; see assert_encoder_sane"
        )
    chosen = told[spread(len(told), KEPT)]
    return Index(
        IndexKey(listener.encoder.name, corpus.fingerprint, distance.name),
        listener.fingerprint,
        {corpus.ids[i]: tuple(map(float, embedded.originals[i])) for i in chosen},
    )


def misfit(kept: Index, listener: Listener, distance: Distance) -> list[str]:
    """Return why an encoder does not fit embeddings that were kept of it; nothing where it does.

    It fits where each of them is nearest to its own original among all that the corpus has.
    """
    embedded = embed(listener, listener.originals)
    name, width = listener.encoder.name, embedded.originals.shape[1]
    if width != kept.dimensions:
        return [
            f"{name} does not fit its index: it returns {width} numbers, and kept are embeddings of"
            f" {kept.dimensions}"
        ]
    rows = _looked_up(kept, embedded, distance)
    if not rows.errors.any():
        return []
    lost = [clip for clip, error in zip(kept.embeddings, rows.errors) if error]
    return [
        f"{name} does not fit its index: of {len(kept.embeddings)} embeddings that are kept of"
        f" originals, {len(lost)} are nearer to another of {len(listener.study.corpus)} originals"
        f" as it embeds them now ({a_few(lost, LISTED)})",
        "  what is stored elsewhere must be embedded anew, and this with --nnrel-update-baseline;"
        " assert_interchangeable tells whether a rotation would do",
    ]


def _looked_up(kept: Index, embedded: Embedded, distance: Distance) -> Exemplars:
    """Return what kept embeddings find among all originals."""
    listener = embedded.listener
    corpus = listener.study.corpus
    clips = [corpus.index(clip) for clip in kept.embeddings]
    stored = np.array(list(kept.embeddings.values()), dtype=np.float32)
    looked_up = replace(
        embedded, rendered=render(listener.originals.question, clips), queries=stored
    )
    return exemplars_of(latent_space(looked_up, distance))
