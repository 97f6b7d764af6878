"""The paper's baseline: statistics of 24 MFCCs, which all others are measured beside."""

from pytest_nnrel import MFCCEncoder

FIELD = "baseline"
PACKAGE = "librosa"
LICENCE = "ISC"
INSTALL = "pip install librosa"


def load():
    return MFCCEncoder()
