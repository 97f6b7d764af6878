"""Several outputs of one object, such as its layers, each an encoder, of one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.derived import DerivedEncoder
from pytest_nnrel.encoders.protocol import _TOLD_APART
from pytest_nnrel.encoders.readout import ReadoutEncoder
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Embeddings, Encoder
    from pytest_nnrel.encoders.readout import Output


class LayersEncoder(DerivedEncoder):
    """An encoder whose embedding is several outputs of another's object, one behind the other.

    Parameters
    ----------
    inner : Encoder
        What runs the object.
    outputs : sequence of str, int or tuple
        As `ReadoutEncoder` takes one.
    pool, pool_axis
        As of `ReadoutEncoder`, of each output.

    Raises
    ------
    EncoderError
        If no output is named, or one twice, or an option cannot be.
    """

    def __init__(
        self,
        inner: Encoder,
        *,
        outputs: Sequence[Output],
        pool: str | None,
        pool_axis: int | None = None,
    ) -> None:
        if not outputs or len(set(outputs)) < len(outputs):
            raise EncoderError(
                f"encoder {inner.name!r}: output must name one output or more, each once, not"
                f" {list(outputs)}"
            )
        super().__init__(inner)
        self._readouts = [
            ReadoutEncoder(inner, output=output, pool=pool, pool_axis=pool_axis)
            for output in outputs
        ]
        self._widths: list[int] | None = None
        self.layers = tuple(
            LayerEncoder(self, place, _label(output)) for place, output in enumerate(outputs)
        )

    @property
    def fingerprint(self) -> str | None:
        """Digest of the fingerprints of what is read out."""
        if self.tells_its_state:
            return super().fingerprint
        of_outputs = [readout.fingerprint for readout in self._readouts]
        return None if None in of_outputs else digest("layers", *of_outputs)

    def _passes_over(self, owner: object, attribute: str) -> bool:
        if any(owner is readout for readout in self._readouts):
            return attribute in _TOLD_APART
        return super()._passes_over(owner, attribute)

    def _advice(
        self,
        error: Exception,
        batch: Samples,
        sample_rate: int,
        **options: Any,  # noqa: ANN401
    ) -> str:
        return self._readouts[0]._advice(error, batch, sample_rate, **options)

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        out = self._inner.forward(batch, sample_rate)
        parts = [
            readout._checked(readout.read(out, batch, sample_rate), len(batch), 0)
            for readout in self._readouts
        ]
        widths = [part.shape[1] for part in parts]
        if self._widths not in (None, widths):
            raise EncoderError(
                f"encoder {self.name!r} returned outputs of {widths} numbers, and of"
                f" {self._widths} before; they must keep their lengths"
            )
        self._widths = widths
        return np.concatenate(parts, axis=1)

    def columns(self, place: int, heard: Callable[[], object]) -> slice:
        """Return which numbers of the embedding are those of an output.

        Parameters
        ----------
        place : int
            Of the output.
        heard : callable
            Encodes something, where nothing was since the encoder was made.
        """
        if self._widths is None:
            heard()
        assert self._widths is not None  # since what was encoded came through `forward`
        first = sum(self._widths[:place])
        return slice(first, first + self._widths[place])


class LayerEncoder(DerivedEncoder):
    """One of several outputs.

    Parameters
    ----------
    whole : LayersEncoder
    place : int
        Of the output among those of `whole`.
    label : str
        How it is called.
    """

    def __init__(self, whole: LayersEncoder, place: int, label: str) -> None:
        super().__init__(whole, f"{whole.name}[{label}]")
        self.whole = whole
        self.ragged = None  # which gives all of them
        self._place = place

    @property
    def fingerprint(self) -> str | None:
        """Digest of the fingerprint of the whole, and of the place in it."""
        if self.tells_its_state:
            return super().fingerprint
        whole = self.whole.fingerprint
        return None if whole is None else digest("layer", whole, self._place)

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        return self.part_of(
            self.whole.forward(batch, sample_rate), lambda: self.whole.forward(batch, sample_rate)
        )

    def part_of(self, embeddings: Embeddings, heard: Callable[[], object]) -> Embeddings:
        """Return its part of embeddings of the whole.

        Parameters
        ----------
        embeddings : float[n, d]
        heard : callable
            As of `LayersEncoder.columns`.

        Returns
        -------
        float[n, d]
        """
        return embeddings[:, self.whole.columns(self._place, heard)]


def _label(output: Output) -> str:
    steps = output if isinstance(output, tuple) else (output,)
    return ".".join(map(str, steps))
