"""Encoders: the protocol, adapters for users' objects, and the MFCC baseline."""

from pytest_nnrel.encoders.adapters import as_encoder
from pytest_nnrel.encoders.mfcc import MFCCEncoder
from pytest_nnrel.encoders.protocol import Encoder, EncoderLike
from pytest_nnrel.encoders.table import export_windows

__all__ = ["Encoder", "EncoderLike", "MFCCEncoder", "as_encoder", "export_windows"]
