"""`examples/real_encoders`: each file says what it is of, embeds where its package is there, and
one command measures them all."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import textwrap
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from pytest_nnrel import Corpus, PinkNoise, Reverb, as_encoder, within_consistency

FOLDER = Path(__file__).parents[1] / "examples" / "real_encoders"
FILES = sorted(one.stem for one in FOLDER.glob("*_*.py"))
FIELDS = {"baseline", "music", "speech", "sound events", "bioacoustics"}


@pytest.fixture
def module(request, monkeypatch):
    """Import a file of the folder, as ``measure.py`` does."""
    monkeypatch.syspath_prepend(FOLDER)

    def named(name):
        request.addfinalizer(lambda: sys.modules.pop(name, None))
        return importlib.import_module(name)

    return named


@pytest.fixture
def page(module, monkeypatch):
    """Import what makes the page of the documentation."""
    monkeypatch.syspath_prepend(FOLDER.parents[1] / "docs")
    return module("real_encoders")


def test_fields(module):
    fields = {module(name).FIELD for name in FILES}
    assert len(FILES) >= 8
    assert fields == FIELDS


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_says(module, name):
    told = module(name)
    assert told.__doc__.strip()
    assert told.LICENCE.strip()
    assert told.INSTALL.startswith("pip install ")
    assert told.PACKAGE in told.INSTALL.split()
    assert told.FIELD in FIELDS


def installed(told):
    """Tell whether the package of a file is there, as few people have any of them."""
    try:
        version(told.PACKAGE)
    except PackageNotFoundError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what is deprecated in others' packages
def test_two_clips_by_all_that_are_installed(module):
    two = Corpus.bundled().subset(2)
    for told in filter(installed, map(module, FILES)):
        encoder = told.load()
        seconds = encoder.window_seconds or two.window_seconds
        windows = two.windows(sample_rate=encoder.sample_rate, window_seconds=seconds)
        embeddings = encoder.encode(windows, encoder.sample_rate)
        assert embeddings.shape[0] == 2, told.PACKAGE
        assert np.isfinite(embeddings).all(), told.PACKAGE
        assert not np.array_equal(*embeddings), told.PACKAGE


def test_others_are_measured_where_one_fails(tmp_path):
    """A package that is missing, and one without its weights: neither keeps others from it."""
    place = tmp_path / "examples" / "real_encoders"
    place.mkdir(parents=True)
    shutil.copy(FOLDER / "measure.py", place)
    head = 'PACKAGE = "{}"\nFIELD = "music"\nLICENCE = "MIT"\nINSTALL = "pip install {}"\n'
    sound = (
        "import numpy as np\nfrom pytest_nnrel import as_encoder\ndef load():\n"
        "    print('loading')\n"
        "    return as_encoder(lambda audio: np.abs(np.fft.rfft(audio))[:, :64], name='sound')\n"
    )
    empty = "def load():\n    return open('weights.bin')\n"
    (place / "a_missing.py").write_text(head.format("no-such", "no-such"), encoding="utf-8")
    (place / "b_empty.py").write_text(head.format("scipy", "scipy") + empty, encoding="utf-8")
    (place / "c_sound.py").write_text(head.format("numpy", "numpy") + sound, encoding="utf-8")
    command = [sys.executable, str(place / "measure.py"), "--parts", "cost"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "a_missing: no-such is not installed: pip install no-such" in done.stdout
    assert "weights.bin" in done.stderr
    assert done.returncode == 1
    assert "failed, see above: b_empty on music" in done.stderr
    kept = tmp_path / "build" / "real_encoders" / "music"
    assert [one.name for one in kept.iterdir()] == ["c_sound.json"]
    of_sound = json.loads((kept / "c_sound.json").read_text(encoding="utf-8"))
    assert of_sound["parts"]["cost"]["found"]["numbers"] == 64


def test_summary(module, tmp_path, monkeypatch):
    """The table has what the measures themselves say, of whatever number of clips."""
    measure = module("measure")
    monkeypatch.setattr(measure, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(measure, "AMONG", 5)
    grid, clips = [PinkNoise(12), Reverb(3)], {4: 8, 40: 8, 400: 6}
    corpora = {bands: Corpus.bundled().subset(number) for bands, number in clips.items()}

    def spectrum(bands):
        name = f"{bands} bands"
        return as_encoder(lambda audio: np.abs(np.fft.rfft(audio))[:, :bands], name=name)

    place = tmp_path / "kept" / "music"
    place.mkdir(parents=True)
    for bands, corpus in corpora.items():
        found = {"field": measure.profiled(grid)(spectrum(bands), corpus)}
        found["cost"] = {"numbers": bands}
        kept = {
            "about": {"field": "music", "package": "numpy", "version": "1", "licence": "BSD"},
            "parts": {part: {"clips": len(corpus), "found": one} for part, one in found.items()},
        }
        (place / f"music_{bands}.json").write_text(json.dumps(kept), encoding="utf-8")
    measure.summarise("music")
    table = json.loads((tmp_path / "results" / "music.json").read_text(encoding="utf-8"))
    told = {name: row["grids"]["field"] for name, row in table["encoders"].items()}
    assert set(told) == {"mfcc", "4 bands", "40 bands", "400 bands"}
    assert told["mfcc"]["clips"] == 8  # the baseline comes of all runs; of most clips, it counts
    scores = [one["score"] for one in told.values() if one["clips"] == 8]
    assert len(scores) == 3
    assert scores == sorted(scores)
    for bands, corpus in corpora.items():
        measured = [within_consistency(spectrum(bands), one, corpus=corpus) for one in grid]
        of = told[f"{bands} bands"]
        assert of["clips"] == clips[bands]
        assert of["within"] == {
            one.name: pytest.approx(found.value, abs=1e-4) for one, found in zip(grid, measured)
        }
        assert of["mean"] == pytest.approx(fmean(one.value for one in measured), abs=1e-4)
        among = fmean(one.at(5).value for one in measured)
        assert of["mean_among"] == pytest.approx(among, abs=1e-4)
        row = table["encoders"][f"{bands} bands"]
        assert (row["numbers"], row["package"]) == (bands, "numpy")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_growth_is_what_an_encoder_keeps():
    """Of one that keeps 4 MiB a batch of 16, between 16 and 160 windows.

    In a process of its own, as encoders are measured: what this one has freed would be used again.
    """
    code = textwrap.dedent(
        """
        import json
        import measure
        import numpy as np
        from pytest_nnrel import Corpus, as_encoder

        measure.COUNTED = (16, 160)
        kept = []

        def hoard(batch):
            kept.append(np.ones((1024, 1024), dtype=np.float32))
            return batch[:, :8]

        encoder = as_encoder(hoard, name="hoard")
        print(json.dumps(measure.growth(encoder, Corpus.bundled().subset(2))))
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    assert list(found) == ["16", "160"]
    assert 27 <= found["160"] - found["16"] <= 72  # 9 batches


def test_against_mfcc_counts_those_on_one_side(page, tmp_path, monkeypatch):
    """Of a family: who keeps most, and how many intervals lie below 1, and above."""

    def told(values, low, high, clips=8):
        within = {f"Tilt(db={db})": value for db, value in enumerate(values)}
        return {"grids": {"quick": {"score": low, "clips": clips, "within": within,
                                    "relative": {"Tilt": [1.0, low, high]}}}}  # fmt: skip

    encoders = {
        "mfcc": told([1.0, 0.5], 1.0, 1.0),
        "more": told([1.0, 1.0], 0.2, 0.9),
        "as many": told([1.0, 0.5], 0.8, 1.2),
        "a little less": told([0.5, 0.5], 1.0, 1.5),
        "less": told([0.5, 0.25], 1.1, 2.0),
        "of fewer clips": told([1.0, 1.0], 0.1, 0.2, clips=4),
    }
    (tmp_path / "music.json").write_text(json.dumps({"encoders": encoders}), encoding="utf-8")
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    table = page.real_against_mfcc("quick", "music")
    assert table.splitlines()[2:] == ["| music | Tilt | 0.750 | 1.000, more | 1 of 4 | 1 of 4 |"]


@pytest.mark.parametrize("corpus", ["music", "speech"])
def test_stored_tables_have_all_that_was_measured(page, corpus):
    encoders = page.load(corpus)["encoders"]
    rows = page.real_table(corpus).splitlines()[2:]
    names = [row.split(" | ")[0].removeprefix("| ").partition(" (")[0] for row in rows]
    assert sorted(names) == sorted(encoders)
    scores = [float(row.split(" | ")[2].split()[0]) for row in rows]
    assert scores == sorted(scores)
