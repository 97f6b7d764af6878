"""Embeddings that were computed elsewhere: another machine, another language, a service.

`export_windows` writes the audio of all conditions, once. Whatever embeds it saves one row per
window, in the same order. The table knows its windows by their content: a condition that was not
exported is an error, not a wrong number.
"""

import numpy as np
import pytest

from pytest_nnrel import (
    MP3,
    Corpus,
    PitchShift,
    as_encoder,
    assert_within_consistency,
    export_windows,
)

CONDITIONS = [PitchShift(semitones=0.25), MP3(kbps=64)]


def elsewhere(windows):
    """Embed by the mean logarithmic spectrum in 64 bands."""
    spectrum = np.log(np.abs(np.fft.rfft(windows)) + 1e-3)
    return np.stack([band.mean(1) for band in np.array_split(spectrum, 64, axis=1)], axis=1)


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(10)


@pytest.fixture(scope="module")
def table(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    windows = export_windows(folder, CONDITIONS, corpus=corpus, sample_rate=16_000)
    np.save(folder / "release-3.npy", elsewhere(np.load(windows)))
    return as_encoder(folder / "release-3.npy")


@pytest.mark.parametrize("transform", CONDITIONS, ids=str)
def test_a_table(table, corpus, transform):
    assert_within_consistency(table, transform, min=0.9, corpus=corpus)
