"""Few bits a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.errors import MagnitudeError
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class Quantization(Transform):
    """Round samples to a number of bits, without dither.

    Steps are even and reach from peak to peak of the clip; no step is at zero, so that one bit is
    the sign.

    Parameters
    ----------
    bits : int
        From 1 to 15.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    bits: int

    unit: ClassVar[str] = "bits"
    identity: ClassVar[float] = math.inf
    ladder: ClassVar[tuple[float, ...]] = tuple(range(15, 0, -1))
    points: ClassVar[tuple[float, ...]] = (12, 8, 4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bits != int(self.bits):
            raise MagnitudeError(f"Quantization(bits=...) takes whole bits, not {self.bits!r}")
        object.__setattr__(self, "bits", int(self.bits))

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np

        step = 2.0 * float(np.abs(samples).max()) / 2**self.bits
        if step == 0.0:
            return samples
        half = 2 ** (self.bits - 1)
        levels = np.clip(np.floor(samples / step), -half, half - 1)
        return np.asarray((levels + 0.5) * step, dtype=np.float32)
