"""What loaders of datasets share: splits of whole groups, decoding, and the way to each by name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from reference_models.datasets import DATASETS, open_data
from reference_models.datasets.audiofiles import read, split_by_group
from reference_models.errors import DatasetError

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


@given(sizes=st.lists(st.sampled_from([1, 30]), max_size=80), strata=st.integers(1, 4))
def test_groups_stay_whole_and_parts_have_their_share_of_every_stratum(sizes, strata):
    clips = [(f"g{i}", f"s{i % strata}") for i, size in enumerate(sizes) for _ in range(size)]
    part_of = split_by_group([g for g, _ in clips], [s for _, s in clips], SHARES)
    assert set(part_of) == {group for group, _ in clips}
    for stratum in {s for _, s in clips}:
        counts = Counter(part_of[g] for g, s in clips if s == stratum)
        for part, share in SHARES.items():
            # A part is given a group only where it lacks clips: it never has one too many.
            assert counts[part] < share * counts.total() + max(sizes)


def test_the_split_follows_from_the_groups_and_not_from_their_order():
    groups = [f"song {i}" for i in range(100)]
    part_of = split_by_group(groups, [""] * 100, {"train": 0.7, "validation": 0.3})
    assert Counter(part_of.values()) == {"train": 70, "validation": 30}
    assert split_by_group(groups[::-1], [""] * 100, {"train": 0.7, "validation": 0.3}) == part_of
    assert [part_of[g] for g in groups] != sorted(part_of.values())


def test_audio_is_read_in_mono_at_the_encoders_rate(tmp_path):
    tone = np.sin(2 * np.pi * 440 * np.arange(3 * 44_100) / 44_100)
    soundfile.write(tmp_path / "a.wav", np.stack([0.4 * tone, 0.2 * tone], axis=1), 44_100)
    samples = read(tmp_path / "a.wav")
    assert samples.dtype == np.float32
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * 22_050) / 22_050)
    # But for the ends, where the resampling filter sees silence beyond.
    np.testing.assert_allclose(samples[500:-500], expected[500:-500], atol=1e-3)


def test_audio_that_cannot_be_used_is_named(tmp_path):
    soundfile.write(tmp_path / "short.wav", np.zeros(8000), 8000)
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    with pytest.raises(DatasetError, match=r"short\.wav is of 1\.00 s, and encoders hear 2 s"):
        read(tmp_path / "short.wav")
    with pytest.raises(
        DatasetError, match=r"broken\.wav cannot be read as audio .* load with complete=False"
    ):
        read(tmp_path / "broken.wav")


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        (("mtat", "at", "train"), {}, "no dataset 'mtat'; there are open, msd, irmas, musdb18"),
        (("msd", "ir", "train"), {}, "MSD serves 'at' and 'ae', not task 'ir'"),
        (("irmas", "vs", "train"), {}, "IRMAS serves 'ir', not task 'vs'"),
        (("musdb18", "ae", "train"), {}, "MUSDB18 serves 'vs', not task 'ae'"),
        (("msd", "at", "valid"), {}, "no part 'valid'; there are train, validation, test"),
        (("irmas", "ir", "train"), {"seed": 1}, "has no option 'seed'; it has complete"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(tmp_path, arguments, options, message):
    name, task, part = arguments
    with pytest.raises(DatasetError, match=message):
        open_data(name, tmp_path, task, part, **options)


@pytest.mark.parametrize("name, task", [("msd", "ae"), ("irmas", "ir"), ("musdb18", "vs")])
def test_an_empty_folder_is_no_dataset(tmp_path, name, task):
    assert name in DATASETS
    with pytest.raises(DatasetError):
        open_data(name, tmp_path, task, "train")
