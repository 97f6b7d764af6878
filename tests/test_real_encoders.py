"""`examples/real_encoders`: each file says what it is of, embeds where its package is there, and
one command measures them all."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from pytest_nnrel import Corpus, PinkNoise, Reverb, as_encoder, within_consistency

FOLDER = Path(__file__).parents[1] / "examples" / "real_encoders"
FILES = sorted(one.stem for one in FOLDER.glob("*_*.py"))
FIELDS = {"music", "speech", "sound events", "bioacoustics"}


@pytest.fixture
def module(request, monkeypatch):
    """Import a file of the folder, as ``measure.py`` does."""
    monkeypatch.syspath_prepend(FOLDER)

    def named(name):
        request.addfinalizer(lambda: sys.modules.pop(name, None))
        return importlib.import_module(name)

    return named


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
    command = [sys.executable, str(place / "measure.py"), "--parts", "speed"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "a_missing: no-such is not installed: pip install no-such" in done.stdout
    assert "weights.bin" in done.stderr
    assert done.returncode == 1
    assert "failed, see above: b_empty on music" in done.stderr
    kept = tmp_path / "build" / "real_encoders" / "music"
    assert [one.name for one in kept.iterdir()] == ["c_sound.json"]
    assert json.loads((kept / "c_sound.json").read_text(encoding="utf-8"))["speed"]["numbers"] == 64


def test_summary(module, tmp_path, monkeypatch):
    """The table has what the measures themselves say."""
    measure = module("measure")
    monkeypatch.setattr(measure, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results")
    few, grid = Corpus.bundled().subset(8), [PinkNoise(12), Reverb(3)]

    def spectrum(bands):
        name = f"{bands} bands"
        return as_encoder(lambda audio: np.abs(np.fft.rfft(audio))[:, :bands], name=name)

    place = tmp_path / "kept" / "music"
    place.mkdir(parents=True)
    for bands in (4, 400):
        kept = {
            "about": {"field": "music", "package": "numpy", "version": "1", "licence": "BSD"},
            "field": measure.profiled(grid)(spectrum(bands), few),
            "speed": {"numbers": bands},
        }
        (place / f"music_{bands}.json").write_text(json.dumps(kept), encoding="utf-8")
    measure.summarise("music")
    table = json.loads((tmp_path / "results" / "music.json").read_text(encoding="utf-8"))
    assert set(table["encoders"]) == {"mfcc", "4 bands", "400 bands"}
    scores = [row["grids"]["field"]["score"] for row in table["encoders"].values()]
    assert scores == sorted(scores)
    for bands in (4, 400):
        row = table["encoders"][f"{bands} bands"]
        values = [within_consistency(spectrum(bands), one, corpus=few).value for one in grid]
        told = row["grids"]["field"]
        assert told["within"] == {one.name: value for one, value in zip(grid, values)}
        assert told["mean"] == pytest.approx(fmean(values), abs=1e-4)
        assert (row["numbers"], row["package"]) == (bands, "numpy")
