"""Families whose transformations torch makes of a whole batch, on its device, while training.

Each does what the `render` of its family does, at magnitudes that differ from row to row, and is
held to it by tests; a family that is not here is rendered beforehand. torch-audiomentations has
some of them, and is not used: its noise is one second that repeats, its filters are of another
slope, its chance is torch's global one, and none of it would agree with what is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_nnrel.training.batched import filters, levels, noises, times
from pytest_nnrel.transforms import Identity, PinkNoise
from pytest_nnrel.transforms.field.clipping import Clipping
from pytest_nnrel.transforms.field.dropout import Dropout
from pytest_nnrel.transforms.field.gain import Gain
from pytest_nnrel.transforms.field.high_pass import HighPass
from pytest_nnrel.transforms.field.low_pass import LowPass
from pytest_nnrel.transforms.field.quantization import Quantization
from pytest_nnrel.transforms.field.tilt import Tilt
from pytest_nnrel.transforms.field.time_shift import TimeShift
from pytest_nnrel.transforms.field.white_noise import WhiteNoise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Generator, Tensor

    from pytest_nnrel.transforms import Transform

#: ``(waveforms: float32[n, samples], one transformation a row, sample_rate, generator)`` to
#: ``float32[n, samples]``, loudness not yet restored.
Batched: TypeAlias = "Callable[[Tensor, Sequence[Any], int, Generator], Tensor]"

#: By the class itself: what a subclass does is its own.
BATCHED: dict[type[Transform], Batched] = {
    Clipping: levels.clip,
    Dropout: times.drop_out,
    Gain: levels.amplify,
    HighPass: filters.high_pass,
    Identity: levels.keep,
    LowPass: filters.low_pass,
    PinkNoise: noises.add_pink,
    Quantization: levels.quantise,
    Tilt: filters.tilt,
    TimeShift: times.shift,
    WhiteNoise: noises.add_white,
}
