"""Clips and corpora: which originals a verdict rests on."""

from pytest_nnrel.corpus.bundled import BUNDLED
from pytest_nnrel.corpus.clip import Clip
from pytest_nnrel.corpus.corpus import Corpus
from pytest_nnrel.corpus.geometry import SAMPLE_RATE, SOURCE_SECONDS, WINDOW_SECONDS
from pytest_nnrel.corpus.opening import as_corpus, open_corpus, reopen
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
