"""Families that the field asks for, beside the paper's: one file each."""

from pytest_nnrel.transforms.field.clipping import Clipping
from pytest_nnrel.transforms.field.dropout import Dropout
from pytest_nnrel.transforms.field.filters import HighPass, LowPass
from pytest_nnrel.transforms.field.gain import Gain
from pytest_nnrel.transforms.field.quantization import Quantization
from pytest_nnrel.transforms.field.speed import Speed
from pytest_nnrel.transforms.field.time_shift import TimeShift
from pytest_nnrel.transforms.field.white_noise import WhiteNoise

__all__ = [
    "Clipping",
    "Dropout",
    "Gain",
    "HighPass",
    "LowPass",
    "Quantization",
    "Speed",
    "TimeShift",
    "WhiteNoise",
]
