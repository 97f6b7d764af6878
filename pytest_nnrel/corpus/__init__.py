"""Clips and corpora: which originals a verdict rests on."""

from pytest_nnrel.corpus.clip import Clip
from pytest_nnrel.corpus.corpus import (
    BUNDLED,
    SAMPLE_RATE,
    SOURCE_SECONDS,
    WINDOW_SECONDS,
    Corpus,
    as_corpus,
)
from pytest_nnrel.corpus.opening import open_corpus, reopen
from pytest_nnrel.corpus.selection import ClipFacts

__all__ = [
    "BUNDLED",
    "SAMPLE_RATE",
    "SOURCE_SECONDS",
    "WINDOW_SECONDS",
    "Clip",
    "ClipFacts",
    "Corpus",
    "as_corpus",
    "open_corpus",
    "reopen",
]
