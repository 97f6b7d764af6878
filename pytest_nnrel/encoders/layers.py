"""Several outputs of one object, such as its layers, each an encoder, of one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.derived import DerivedEncoder
from pytest_nnrel.encoders.readout import ReadoutEncoder
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Encoder, Floats
    from pytest_nnrel.encoders.readout import Output

    Float = TypeVar("Float", bound=np.floating[Any])


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

    Attributes
    ----------
    widths : list of int or None
        How many numbers each output is; None until it has run.

    Raises
    ------
    EncoderError
        If no output is named, or one twice, or an option cannot be.
    """

    layers: tuple[LayerEncoder, ...]

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
        self.widths: list[int] | None = None
        self.layers = tuple(
            LayerEncoder(self, place, _label(output)) for place, output in enumerate(outputs)
        )

    @property
    def _taken(self) -> tuple[object, ...]:
        return ("layers", *(readout._taken for readout in self._readouts))

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
        if self.widths not in (None, widths):
            raise EncoderError(
                f"encoder {self.name!r} returned outputs of {widths} numbers, and of"
                f" {self.widths} before; they must keep their lengths"
            )
        self.widths = widths
        return np.concatenate(parts, axis=1)

    def forward_traced(self, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401
        import torch

        out = self._inner.forward_traced(audio, sample_rate)
        parts = [readout.read_traced(out, audio, sample_rate) for readout in self._readouts]
        return torch.cat(parts, dim=1)

    def _check_rows(self, batch: Samples, sample_rate: int, encoded: Floats) -> None:
        for readout, layer in zip(self._readouts, self.layers):
            readout._check_rows(batch, sample_rate, layer.part_of(encoded))

    def _check_rounding(self, embeddings: Floats) -> None:
        for layer in self.layers:
            layer._check_rounding(layer.part_of(embeddings))

    def columns(self, place: int) -> slice:
        """Return which numbers of the embedding are those of an output; known once it has run.

        Parameters
        ----------
        place : int
            Of the output.
        """
        assert self.widths is not None
        first = sum(self.widths[:place])
        return slice(first, first + self.widths[place])


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
        self.place = place

    @property
    def fingerprint(self) -> str | None:
        """Digest of the fingerprint of the whole, and of the place in it."""
        return self.fingerprint_of(self.whole.fingerprint)

    @property
    def _taken(self) -> tuple[object, ...]:
        return ("layer", self.place)

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        return self.part_of(self.whole.forward(batch, sample_rate))

    def forward_traced(self, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401
        if self.whole.widths is None:
            self.whole.forward(audio.detach().cpu().numpy(), sample_rate)
        return self.part_of(self.whole.forward_traced(audio, sample_rate))

    def part_of(self, embeddings: npt.NDArray[Float]) -> npt.NDArray[Float]:
        """Return its part of embeddings of the whole, float[n, d], which has run."""
        return embeddings[:, self.whole.columns(self.place)]


def _label(output: Output) -> str:
    steps = output if isinstance(output, tuple) else (output,)
    return ".".join(map(str, steps))
