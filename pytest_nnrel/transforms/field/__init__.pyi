# Written by scripts/stub_families.py.
from pytest_nnrel.transforms.field.aac import AAC as AAC
from pytest_nnrel.transforms.field.babble import Babble as Babble
from pytest_nnrel.transforms.field.clipping import Clipping as Clipping
from pytest_nnrel.transforms.field.device import Device as Device
from pytest_nnrel.transforms.field.dropout import Dropout as Dropout
from pytest_nnrel.transforms.field.dynamic_range import DynamicRange as DynamicRange
from pytest_nnrel.transforms.field.gain import Gain as Gain
from pytest_nnrel.transforms.field.high_pass import HighPass as HighPass
from pytest_nnrel.transforms.field.low_pass import LowPass as LowPass
from pytest_nnrel.transforms.field.opus import Opus as Opus
from pytest_nnrel.transforms.field.quantization import Quantization as Quantization
from pytest_nnrel.transforms.field.reverb import Reverb as Reverb
from pytest_nnrel.transforms.field.speed import Speed as Speed
from pytest_nnrel.transforms.field.telephone import Telephone as Telephone
from pytest_nnrel.transforms.field.tilt import Tilt as Tilt
from pytest_nnrel.transforms.field.time_shift import TimeShift as TimeShift
from pytest_nnrel.transforms.field.white_noise import WhiteNoise as WhiteNoise

__all__ = [
    "AAC",
    "Babble",
    "Clipping",
    "Device",
    "Dropout",
    "DynamicRange",
    "Gain",
    "HighPass",
    "LowPass",
    "Opus",
    "Quantization",
    "Reverb",
    "Speed",
    "Telephone",
    "Tilt",
    "TimeShift",
    "WhiteNoise",
]
