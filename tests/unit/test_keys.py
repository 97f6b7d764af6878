"""Keys of stored values: the whole package is part of them, but for what is listed."""

import fnmatch
import shutil
from pathlib import Path

import numpy as np
import pytest

import pytest_nnrel
from pytest_nnrel import (
    Corpus,
    MFCCEncoder,
    PinkNoise,
    audio_consistency,
    audit_corpus,
    between_consistency,
)
from pytest_nnrel.experiment.keys import KEYS, key_of
from pytest_nnrel.experiment.stores import close_stores
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.code import NOT_IN_KEYS, code_version
from pytest_nnrel.runtime.settings import Settings
from pytest_nnrel.runtime.store import LAYOUT

PACKAGE = Path(pytest_nnrel.__file__).parent


@pytest.fixture
def package(tmp_path):
    """A copy of the package's code."""
    copy = tmp_path / "pytest_nnrel"
    for path in PACKAGE.rglob("*.py"):
        (copy / path.relative_to(PACKAGE)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy / path.relative_to(PACKAGE))
    return copy


def version_of(package):
    return code_version.__wrapped__(package)


def test_an_edit_of_any_module_moves_every_key_but_of_those_listed(package):
    before = version_of(package)
    assert before == code_version()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        name = path.relative_to(package).as_posix()
        listed = any(fnmatch.fnmatch(name, pattern) for pattern in NOT_IN_KEYS)
        assert (version_of(package) == before) == listed, name
        path.write_bytes(content)
    assert version_of(package) == before


@pytest.mark.parametrize("name", ["new.py", "corpus/sources.py", "transforms/reverb.py"])
def test_a_new_module_moves_every_key(package, name):
    before = version_of(package)
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).touch()
    assert version_of(package) != before


@pytest.mark.parametrize("pattern", NOT_IN_KEYS)
def test_a_listed_module_that_has_moved_is_told(package, pattern):
    for path in package.glob(pattern):
        path.rename(path.with_suffix(".moved"))
    with pytest.raises(LookupError, match="matches no module"):
        version_of(package)


def test_the_packages_version_is_part_of_every_key(monkeypatch):
    before = version_of(PACKAGE)
    tomorrow = "pytest_nnrel.runtime.code.library_version"
    monkeypatch.setattr(tomorrow, lambda name: f"{name} of tomorrow")
    assert version_of(PACKAGE) != before


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_holds_what_the_table_says(kind):
    parts = dict.fromkeys(KEYS[kind], "x")
    key = key_of(kind, **parts)
    for part in parts:
        assert key_of(kind, **{**parts, part: "y"}) != key
        with pytest.raises(TypeError, match=f"keys of {kind} hold"):
            key_of(kind, **{name: "x" for name in parts if name != part})
    with pytest.raises(TypeError, match=f"keys of {kind} hold"):
        key_of(kind, **parts, more="x")


def test_the_table_lists_every_kind_that_is_stored(tmp_path):
    music = Corpus.bundled().subset(3)
    corpus = Corpus.from_arrays(
        np.stack([clip.window(1.0) for clip in music]), sample_rate=22_050, window_seconds=0.5
    )
    active = Settings(cache_dir=tmp_path, jobs=1)
    token = settings.activate(active)
    try:
        with sink():
            between_consistency(MFCCEncoder(), PinkNoise(snr_db=0), corpus=corpus)
            audio_consistency(PinkNoise(snr_db=0), corpus=corpus)
            audit_corpus(corpus)
    finally:
        settings.deactivate(token)
        close_stores(active)
    kinds = {path.name for path in (tmp_path / LAYOUT).iterdir()} - {"locks"}
    in_the_scope_of_clips, of_many_clips = {"clips", "features", "records"}, {"exemplars"}
    assert kinds == (set(KEYS) | in_the_scope_of_clips) - of_many_clips
