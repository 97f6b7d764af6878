"""Somebody else's microphone or loudspeaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.errors import MagnitudeError
from pytest_nnrel.transforms.filters import equalise
from pytest_nnrel.transforms.protocol import Transform, checked_magnitude

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples

#: Centres of the third octaves, in Hz (IEC 61260).
_THIRD_OCTAVES = (
    25, 31.5, 40, 50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600,
    2000, 2500, 3150, 4000, 5000, 6300, 8000, 10000, 12500, 16000, 20000,
)  # fmt: skip
#: Gains at those in dB, the mildest device first. They are of no product: drawn up after what such
#: devices have in common, such as a small loudspeaker's lack of bass and its resonances.
_GAINS_DB: dict[str, tuple[float, ...]] = {
    "none": (0.0,) * len(_THIRD_OCTAVES),
    "measuring_microphone": (
        -0.5, -0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5,
        1, 1.5, 2, 0.5, -1,
    ),
    "shelf_loudspeaker": (
        -25, -19.5, -14, -8.5, -3.5, 0, 1, 0.5, 0, 0, -0.5, -0.5, -0.5, -1, -1, -0.5, 0,
        0.5, -0.5, -1.5, -2.5, -1.5, 0, 0.5, 1, 1.5, 0.5, -0.5, -3, -6,
    ),
    "vocal_microphone": (
        -16, -13.5, -11, -9, -7.5, -5.5, -4, -3, -1.5, -0.5, -0.5, 0, 0, 0, 0, 0, 0, 0, 0.5,
        1, 2, 3, 4, 5, 3.5, 4, 3, -1, -8, -15,
    ),
    "laptop_microphone": (
        -37, -34, -31, -28, -25, -22, -17.5, -13.5, -9.5, -7, -5, -3, -2, -1, 0, 0, 0, 1,
        1.5, 3, 5, 6.5, 4, 4.5, 8.5, 4.5, -1.5, -9.5, -17.5, -25,
    ),
    "telephone_loudspeaker": (
        -57.5, -55, -52, -50, -47, -44.5, -42, -37.5, -32.5, -28, -23, -18, -13, -8.5, -3.5,
        0, 1, -0.5, 1, 3, 3, 1, -2.5, -7, -1, 0, -4, -10.5, -20, -30,
    ),
    "toy_loudspeaker": (
        -67, -64.5, -61.5, -58.5, -55.5, -53, -50, -45.5, -41, -36.5, -32, -26.5, -20.5,
        -15, -7.5, 0, 5, 8, 3, -2, -4.5, 5.5, -9, -16, -21.5, -30, -37.5, -44.5, -52.5, -60,
    ),
}  # fmt: skip
#: Devices by name, in the order of their severities; 0 is none.
DEVICES = tuple(_GAINS_DB)


@dataclass(frozen=True)
class Device(Transform):
    """Record by a microphone or play by a loudspeaker of another frequency response.

    Its phase is left: nothing is delayed.

    Parameters
    ----------
    device : str or int
        From the mildest to the gravest: ``measuring_microphone``, ``shelf_loudspeaker``,
        ``vocal_microphone``, ``laptop_microphone``, ``telephone_loudspeaker`` and
        ``toy_loudspeaker``; or its number, from 1 to 6. ``none``, 0, changes nothing.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    device: str

    unit: ClassVar[str] = "of 6 devices"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = tuple(range(1, len(DEVICES)))
    points: ClassVar[tuple[float, ...]] = (1, 4, 6)

    def __post_init__(self) -> None:
        device: object = self.device
        if device not in DEVICES:
            names = ", ".join(DEVICES)
            if isinstance(device, str):
                raise MagnitudeError(f"Device(...) takes one of {names}; not {device!r}")
            number = checked_magnitude(Device, "device", device)
            if number != int(number):
                raise MagnitudeError(f"Device(...) takes a number of {names}; not {device!r}")
            object.__setattr__(self, "device", DEVICES[int(number)])

    @property
    def magnitude(self) -> float:
        return float(DEVICES.index(self.device))

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np

        centres = np.log(_THIRD_OCTAVES)
        gains = np.array(_GAINS_DB[self.device])
        return equalise(
            samples,
            sample_rate,
            lambda hz: np.interp(np.log(np.maximum(hz, 1.0)), centres, gains),
        )
