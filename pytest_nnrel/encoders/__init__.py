"""Encoders: the protocol, adapters for users' objects, and the MFCC baseline."""

from pytest_nnrel.encoders import kinds  # to import an adapter is to have it
from pytest_nnrel.encoders.adapter import Adapter, adapters
from pytest_nnrel.encoders.adapting import as_encoder
from pytest_nnrel.encoders.mfcc import MFCCEncoder
from pytest_nnrel.encoders.protocol import Encoder, EncoderLike
from pytest_nnrel.encoders.windows import export_windows, wav_files

__all__ = [
    "Adapter",
    "Encoder",
    "EncoderLike",
    "MFCCEncoder",
    "adapters",
    "as_encoder",
    "export_windows",
    "kinds",
    "wav_files",
]
