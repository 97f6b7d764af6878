"""A dataset that mirdata knows, as the corpus of all tests of a file.

`Corpus.from_mirdata(NAME)` finds it where mirdata downloads to; a second argument says where else
it lies. Tracks keep their ids, and their annotations in plain text become labels. The same on a
command line: `--nnrel-corpus=mirdata:irmas` or `mirdata:irmas@FOLDER`.
"""

import pytest

from pytest_nnrel import MP3, Corpus, MFCCEncoder, PitchShift, assert_within_consistency

mirdata = pytest.importorskip("mirdata")


@pytest.fixture(scope="session")
def nnrel_corpus(mir_datasets):
    return Corpus.from_mirdata("irmas", mir_datasets / "irmas", source_seconds=3.0)


@pytest.mark.parametrize("transform", [PitchShift(semitones=0.25), MP3(kbps=64)], ids=str)
def test_on_irmas(transform):
    assert_within_consistency(MFCCEncoder(), transform, min=0.9)


def test_labels_are_those_of_the_dataset(nnrel_corpus, mir_datasets):
    tracks = mirdata.initialize("irmas", data_home=str(mir_datasets / "irmas")).load_tracks()
    for clip in nnrel_corpus:
        assert clip.labels["predominant_instrument"] == tracks[clip.id].predominant_instrument
