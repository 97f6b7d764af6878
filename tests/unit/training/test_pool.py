"""Versions in a pool are what `Transform.apply` makes of the clips that are trained on."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pytest_nnrel import MP3, Clip, Corpus, FunctionTransform, Gain, TempoShift  # noqa: E402
from pytest_nnrel.errors import SettingError, TrainingError, TransformError  # noqa: E402
from pytest_nnrel.training import ConsistencyLoss, TransformedPool  # noqa: E402

RATE = 22_050
SLOW = [MP3(96), TempoShift(1.5)]


def turn(samples, rate):
    return samples[::-1].copy()


TURNED = FunctionTransform("turned", turn, version="1")


@pytest.fixture(scope="module")
def corpus():
    """Four clips of 1.5 s, of which the centre second is trained on."""
    music = Corpus.bundled().subset(4)
    return Corpus.from_arrays(
        np.stack([clip.window(1.5) for clip in music]),
        sample_rate=RATE,
        ids=music.ids,
        window_seconds=1.0,
    )


@pytest.fixture(scope="module")
def pool(corpus):
    return TransformedPool(corpus, [*SLOW, Gain(3)], versions=3)


def versions_of(pool, index, transform):
    """Return all versions of a clip, in the order of the pool."""
    place = list(pool._places).index(transform)
    return pool._entry(index)[1 + 3 * place : 4 + 3 * place]


def test_it_is_a_dataset_of_the_clips_and_their_indices(pool, corpus):
    assert len(pool) == 4
    waveforms, indices = next(iter(torch.utils.data.DataLoader(pool, batch_size=4)))
    assert np.array_equal(waveforms.numpy(), corpus.windows())
    assert indices.tolist() == [0, 1, 2, 3]
    assert torch.equal(pool[-1][0], waveforms[3])
    with pytest.raises(IndexError):
        pool[4]


def test_versions_are_windows_of_what_the_family_makes_of_the_source(pool, corpus):
    rates = [round(1 + 0.01 * step, 2) for step in range(1, 51)]
    played = set()
    for index, clip in enumerate(corpus):
        made = {rate: TempoShift(rate).apply(clip).window(1.0) for rate in rates}
        for version in versions_of(pool, index, TempoShift(1.5)):
            (rate,) = (r for r, window in made.items() if np.array_equal(version, window))
            played.add(rate)
    assert len(played) > 6  # each clip has its own


def test_each_version_is_drawn(pool):
    rng = np.random.default_rng(0)
    drawn = [pool.version(2, MP3(96), rng) for _ in range(60)]
    counts = [sum(np.array_equal(d, v) for d in drawn) for v in versions_of(pool, 2, MP3(96))]
    assert sum(counts) >= 60  # two versions may be of one bitrate
    assert min(counts) >= 10


def test_rows_of_an_array_are_sources_as_a_whole():
    rows = np.random.default_rng(0).normal(0, 0.1, (2, RATE)).astype(np.float32)
    shorter = FunctionTransform("half", lambda samples, rate: samples[: RATE // 2], version="1")
    pool = TransformedPool(torch.from_numpy(rows), [shorter], sample_rate=RATE, versions=1)
    for index, row in enumerate(rows):
        version = pool.version(index, shorter, np.random.default_rng(0))
        expected = shorter.apply(Clip("row", row, RATE)).window(1.0)
        assert np.array_equal(version, expected)
        assert not version[: RATE // 4].any()


def test_what_is_drawn_follows_from_the_seed_however_many_work(corpus, pool):
    def content(made):
        return [made._entry(i) for i in range(4)]

    again = TransformedPool(corpus, SLOW, versions=3, jobs=2)
    assert np.array_equal(content(again), content(pool))
    other = TransformedPool(corpus, SLOW, versions=3, seed=1)
    assert not np.array_equal(content(other), content(pool))


def test_a_folder_keeps_it_and_an_interrupted_rendering_goes_on(corpus, tmp_path, monkeypatch):
    calls = []

    def interrupted(samples, rate):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return samples[::-1].copy()

    folder = tmp_path / "pools" / "first"
    stopping = FunctionTransform("turned", interrupted, version="1")
    with pytest.raises(KeyboardInterrupt):
        TransformedPool(corpus, [stopping], versions=1, folder=folder, jobs=1)
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    assert len(kept) == 2
    calls[:] = [1]  # so that it goes on for one
    with pytest.raises(KeyboardInterrupt):
        TransformedPool(corpus, [stopping], versions=1, folder=folder, jobs=1)
    calls.clear()
    pool = TransformedPool(corpus, [stopping], versions=1, folder=folder, jobs=1)
    assert len(calls) == 1
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    whole = TransformedPool(corpus, [TURNED], versions=1)
    for index in range(4):
        assert np.array_equal(pool._entry(index), whole._entry(index))


@pytest.fixture(scope="module")
def folder(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    TransformedPool(corpus, [TURNED], versions=1, folder=folder)
    return folder


def again(samples, rate):
    return samples[::-1].copy() * 1.0


@pytest.mark.parametrize(
    "change, said",
    [
        ({"versions": 2}, "of other versions;"),
        ({"seed": 1}, "of other seed;"),
        ({"transforms": [FunctionTransform("other", turn, version="1")]}, "of other transforms"),
        ({"transforms": [FunctionTransform("turned", again, version="1")]}, "of other code;"),
        ({"clips": 3}, "of other clips;"),
    ],
)
def test_a_folder_of_another_pool_is_refused(change, said, corpus, folder):
    options = {"transforms": [TURNED], "versions": 1, "folder": folder, **change}
    clips = corpus.subset(options.pop("clips", 4))
    with pytest.raises(TrainingError, match=said):
        TransformedPool(clips, options.pop("transforms"), **options)


def test_a_folder_that_is_none(corpus, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot hold a pool"):
        TransformedPool(corpus, [TURNED], folder=tmp_path / "file")
    (tmp_path / "pool.json").write_text("{")
    with pytest.raises(TrainingError, match="cannot hold a pool"):
        TransformedPool(corpus, [TURNED], folder=tmp_path)
    (tmp_path / "pool.json").write_text(json.dumps({}))
    with pytest.raises(TrainingError, match="holds another pool, of other format and clips"):
        TransformedPool(corpus, [TURNED], folder=tmp_path)
    (tmp_path / "pool.json").write_text("[]")
    with pytest.raises(TrainingError, match=r"cannot hold a pool: pool\.json tells of none"):
        TransformedPool(corpus, [TURNED], folder=tmp_path)


@pytest.mark.parametrize("left", ["nothing", "half", "another shape", "no file"])
def test_an_entry_that_is_damaged_is_named(left, corpus, folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    entry = tmp_path / "00000001.npy"
    pool = TransformedPool(corpus, [TURNED], versions=1, folder=tmp_path)
    if left == "another shape":
        np.save(entry, np.zeros((3, RATE), np.float32))
    elif left == "no file":
        entry.unlink()
    else:
        entry.write_bytes(entry.read_bytes()[: RATE if left == "half" else 0])
    pool[0]
    with pytest.raises(TrainingError, match=r"00000001\.npy holds no versions .*; delete it"):
        pool[1]


def test_clips_that_are_not_the_pools_are_refused(pool, corpus):
    waveforms = torch.from_numpy(corpus.windows())
    check = pool.check_clips
    assert check(waveforms, torch.tensor([0, 1, 2, 3])) == [0, 1, 2, 3]
    assert check(waveforms.half().float(), [0, 1, 2, 3]) == [0, 1, 2, 3]
    for given, indices, said in (
        (waveforms, None, "indices= must say"),
        (waveforms, [0, 1, 3, 2], r"rows \[2, 3\] are not the pool's clips \[3, 2\]"),
        (waveforms * 0.9, [0, 1, 2, 3], r"augment nothing before"),
        (waveforms, [0, 1], "one for each of the 4 waveforms"),
        (waveforms, [0, 1, 2, 4], "from 0 to 3"),
        (waveforms, [0.0, 1.0, 2.0, 3.0], "whole numbers"),
        (waveforms, [True] * 4, "whole numbers"),
        (waveforms, [0, 1, 2, -1], "from 0 to 3"),
        (waveforms[:, 1:], [0, 1, 2, 3], "have 22049 samples, and clips of the pool 22050"),
    ):
        with pytest.raises(TrainingError, match=said):
            check(given, indices)


def test_a_silent_clip_is_itself():
    silent = torch.zeros(2, RATE)
    pool = TransformedPool(silent, [TURNED], sample_rate=RATE, versions=1)
    assert pool.check_clips(silent, [0, 1]) == [0, 1]


def test_losses_name_what_the_pool_has_not(pool):
    with pytest.raises(TrainingError, match=r"no versions under turned; it was made with MP3"):
        ConsistencyLoss([*SLOW, TURNED], sample_rate=RATE, pool=pool)
    with pytest.raises(TrainingError, match=r"of 22,050 Hz and the waveforms of 16,000 Hz"):
        ConsistencyLoss(SLOW, sample_rate=16_000, pool=pool)


def test_a_pool_that_is_not_needed_asks_for_no_indices(pool, corpus):
    loss = ConsistencyLoss([Gain(3)], sample_rate=RATE, pool=pool)
    assert loss.views.pool is None
    assert loss.views(torch.from_numpy(corpus.windows())).shape == (4, RATE)


@pytest.mark.parametrize(
    "options, error, said",
    [
        ({"transforms": [Gain(1)]}, TrainingError, "no pool is needed"),
        ({"versions": 0}, SettingError, "versions takes a whole number from 1 on, not 0"),
        ({"seed": -1}, SettingError, "seed takes a whole number from 0 on, not -1"),
        ({"seed": 0.5}, SettingError, "seed takes a whole number from 0 on, not 0.5"),
        ({"folder": 5}, SettingError, "folder takes a path, not 5"),
        ({"jobs": 0}, SettingError, "jobs takes a whole number of clips .*, not 0"),
        ({"sample_rate": 16_000}, SettingError, "the corpus has 22050 Hz, not 16000"),
        ({"clips": np.zeros((2, 9), np.float32)}, SettingError, "needs its sample_rate"),
        (
            {"clips": np.zeros((2, 9), np.int16), "sample_rate": RATE},
            TrainingError,
            r"waveforms must be .* not int16\[2, 9\]",
        ),
    ],
)
def test_pools_that_cannot_be(options, error, said, corpus):
    options = {"clips": corpus, "transforms": [TURNED], **options}
    with pytest.raises(error, match=said):
        TransformedPool(options.pop("clips"), options.pop("transforms"), **options)


def test_a_clip_that_cannot_be_transformed_is_named(corpus):
    broken = FunctionTransform("broken", lambda samples, rate: samples * np.nan, version="1")
    with pytest.raises(TransformError, match="broken on clip"):
        TransformedPool(corpus, [broken])


def test_its_repr_says_what_it_holds(pool, folder, corpus):
    names = "MP3(kbps=96), TempoShift(rate=1.5)"
    assert repr(pool) == f"TransformedPool(4 clips, 3 versions of each under {names}, in memory)"
    kept = TransformedPool(corpus, [TURNED], versions=1, folder=folder)
    assert repr(kept).endswith(f"under turned, in {folder})")
