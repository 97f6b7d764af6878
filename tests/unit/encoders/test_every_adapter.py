"""What holds of every adapter that there is, whoever wrote it: each test runs over all of them.

An adapter's own test, ``test_adapter_FILE.py``, has a ``trial(folder, windows)``: an object of its
kind, what that gives without an adapter, one with other weights, and one that is wrong.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from trial import RATE

import pytest_nnrel
from pytest_nnrel import Adapter, EncoderError, as_encoder
from pytest_nnrel.encoders import adapters, kinds
from pytest_nnrel.encoders.named import named_encoder
from pytest_nnrel.errors import SettingError

ALL = adapters()


def own_test(name):
    """Return the module of an adapter's own test."""
    return import_module(f"test_adapter_{ALL[name].__module__.rpartition('.')[2]}")


def marked(name):
    """Return an adapter's name, with the mark of what its own test needs."""
    mark = getattr(own_test(name), "pytestmark", None)
    return pytest.param(name, marks=[mark] if mark == pytest.mark.runtimes else [])


each = pytest.mark.parametrize("name", [marked(name) for name in ALL])


@pytest.fixture
def trial(name, tmp_path, windows):
    """The objects of an adapter's own test."""
    return own_test(name).trial(tmp_path, windows)


@each
def test_it_is_documented_and_lies_in_a_file_of_its_own(name):
    adapter = ALL[name]
    assert adapter.__module__.startswith(f"{kinds.__name__}.")
    assert [a.__module__ for a in ALL.values()].count(adapter.__module__) == 1
    assert adapter.__doc__ != Adapter.__doc__
    assert adapter.__doc__.partition("\n")[0].endswith(".")
    assert not adapter.takes.endswith("."), "part of a sentence"


def test_no_two_have_one_place():
    places = [adapter.order for adapter in ALL.values()]
    assert places == sorted(set(places))


@each
def test_it_is_the_one_that_takes_its_object(name, trial):
    encoder = as_encoder(trial.obj)
    assert type(encoder) is ALL[name]
    assert encoder.name
    assert as_encoder(trial.obj, name="mine").name == "mine"


@each
def test_embeddings_are_those_of_the_bare_object_in_any_batch_and_order(name, trial, windows):
    expected = np.asarray(trial.bare(windows), dtype=np.float32)
    order = [3, 0, 5, 1, 4, 2]
    for batch_size in (None, 1, 4):
        encoder = as_encoder(trial.obj, batch_size=batch_size)
        found = encoder.encode(windows, RATE)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        assert found.dtype == np.float32
        turned = encoder.encode(windows[order], RATE)
        np.testing.assert_allclose(turned, expected[order], rtol=1e-4, atol=1e-6)


@each
def test_windows_are_left_as_they_were(name, trial, windows):
    before = windows.copy()
    as_encoder(trial.obj).encode(windows, RATE)
    np.testing.assert_array_equal(windows, before)


@each
def test_windows_come_at_the_rate_that_is_asked_for(name, trial, windows):
    encoder = as_encoder(trial.obj, sample_rate=RATE)
    doubled = np.repeat(windows, 2, axis=1)
    seen = []
    run = encoder.forward
    encoder.forward = lambda batch, rate: seen.append((batch.shape[1], rate)) or run(windows, rate)
    encoder.encode(doubled, 2 * RATE)
    assert set(seen) == {(windows.shape[1], RATE)}


@each
def test_it_is_known_again_by_what_it_does_and_by_nothing_else(name, trial, windows):
    def known(obj):
        found = as_encoder(obj, name="one").identify()
        return found.fingerprint, found.behaviour.digest

    before = known(trial.obj)
    as_encoder(trial.obj).encode(windows, RATE)
    assert known(trial.obj) == before, "use has changed it"
    assert known(trial.other) != before


@each
def test_integers_are_no_embeddings(name, trial, windows):
    with pytest.raises(EncoderError, match=r"must return a float array of shape .* not int"):
        as_encoder(trial.wrong).encode(windows, RATE)


@each
def test_a_device_is_taken_or_refused(name, trial, windows):
    if ALL[name].moves:
        assert as_encoder(trial.obj, device="cpu").encode(windows, RATE).shape[0] == len(windows)
        return
    with pytest.raises(EncoderError, match="runs where it chooses to"):
        as_encoder(trial.obj, device="cpu")


# One's own

CLAP = '''
import numpy as np
from pytest_nnrel.encoders import Adapter


class CLAP(Adapter):
    """A model with CLAP's way of asking for embeddings."""

    takes = "a CLAP model"

    @classmethod
    def adapts(cls, obj, method):
        return hasattr(obj, "get_audio_embedding_from_data")

    def forward(self, batch, sample_rate):
        return self.obj.get_audio_embedding_from_data(x=batch)
'''
USED = """
import numpy as np, pytest_nnrel
from pytest_nnrel import as_encoder
class Model:
    def get_audio_embedding_from_data(self, x): return x[:, :3]
    def encode(self, x): raise AssertionError("asked the other")
encoder = as_encoder(Model())
print(pytest_nnrel.__file__)
print(type(encoder).__name__, encoder.name, encoder.encode(np.ones((2, 9)), 8000).shape)
try: as_encoder(3)
except pytest_nnrel.EncoderError as error: print(error)
"""


def said(folder, path=""):
    script = f"import sys; sys.path.insert(0, {str(folder)!r})\n{USED}"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def installed(folder, module):
    """Install a package with an adapter, as pip would lay it out."""
    (folder / "claps.py").write_text(module)
    metadata = folder / "claps-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: claps\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest_nnrel.encoders]\nall = claps\n")


@pytest.mark.exhaustive
def test_a_file_is_enough(tmp_path):
    package = tmp_path / "pytest_nnrel"
    ignored = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(Path(pytest_nnrel.__file__).parent, package, ignore=ignored)
    module = CLAP.replace("encoders import", "encoders.adapter import")
    (package / "encoders" / "kinds" / "clap.py").write_text(module)
    done = said(tmp_path, str(tmp_path))
    home, used, refused = done.stdout.splitlines()
    assert Path(home).samefile(package / "__init__.py")
    assert used == "CLAP Model (2, 3)"
    assert "a CLAP model" in refused


def test_an_adapter_of_an_installed_package_is_asked(tmp_path):
    installed(tmp_path, CLAP)
    done = said(tmp_path)
    assert done.stdout.splitlines()[1] == "CLAP Model (2, 3)", done.stderr


def test_an_installed_package_that_cannot_be_loaded_is_named(tmp_path):
    installed(tmp_path, "import no_such_engine")
    done = said(tmp_path)
    assert re.search("claps declares adapters in claps, which cannot be loaded", done.stderr)
    assert "no_such_engine" in done.stderr


def declared(**changes):
    attributes = {
        "takes": "a model",
        "adapts": classmethod(lambda cls, obj, method: False),
        "forward": lambda self, batch, rate: batch,
    }
    return {k: v for k, v in (attributes | changes).items() if v is not None}


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("Mine", {"takes": None}, "an adapter declares takes: the objects .*, not None"),
        ("Mine", {"takes": ""}, "an adapter declares takes: the objects .*, not ''"),
        ("Mine", {"order": "first"}, "order must be a number, not 'first'"),
        ("TableEncoder", {}, "there is an adapter 'TableEncoder' in pytest_nnrel.encoders"),
    ],
)
def test_what_an_adapter_must_declare(name, changes, message):
    with pytest.raises(EncoderError, match=message):
        type(name, (Adapter,), declared(**changes))
    assert adapters() == ALL


def test_what_is_shared_is_no_adapter():
    type("Shared", (Adapter,), declared(adapts=None))
    assert adapters() == ALL


def test_defined_again_it_takes_its_own_place():
    for takes in ("a model", "a model of mine"):
        type("Mine", (Adapter,), declared(takes=takes))
    assert adapters()["Mine"].takes == "a model of mine"


def test_one_that_is_looked_into_has_a_fingerprint_of_its_object():
    class Model:
        gain = 1.0

    def known(obj, **options):
        return as_encoder(obj, name="one", **options).fingerprint

    takes = {"adapts": classmethod(lambda cls, obj, method: isinstance(obj, Model))}
    type("Mine", (Adapter,), declared(**takes))
    model = Model()
    assert known(model) is None
    type("Mine", (Adapter,), declared(**takes, looked_into=True))
    before = known(model)
    assert before is not None
    model.gain = 2.0
    assert known(model) not in (None, before)
    assert known(model, fingerprint="v1") == "v1"


def test_a_path_is_asked_for_by_its_suffix(tmp_path):
    mine = type("Mine", (Adapter,), declared(
        adapts=classmethod(lambda cls, obj, method: cls.is_path(obj)), suffix=".clap"
    ))  # fmt: skip
    for path in (tmp_path / "big.clap", "some/big.clap"):
        assert type(as_encoder(path)) is mine
        assert as_encoder(path).name == "big"
    assert named_encoder("big.clap", tmp_path) == tmp_path / "big.clap"
    with pytest.raises(EncoderError, match=r"end in \.clap, \.onnx, \.tflite, \.npy"):
        as_encoder("some/big.clapper")
    with pytest.raises(SettingError, match=r"no file of \.clap, \.onnx, \.tflite, \.npy"):
        named_encoder("big.clapper", tmp_path)


def test_a_method_where_there_is_none_to_choose_is_refused():
    mine = type("Mine", (Adapter,), declared(adapts=classmethod(lambda cls, obj, method: obj == 3)))
    assert type(as_encoder(3)) is mine
    with pytest.raises(EncoderError, match="method names one of an object's, and this is a model"):
        as_encoder(3, method="transform")
