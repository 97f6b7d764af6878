"""``python -m pytest_nnrel show | render | cache``."""

from __future__ import annotations

import json

import pytest
import soundfile

from pytest_nnrel.store import LAYOUT

_CLIP = "040_09-wings-of-cruelty.ogg"


def _run(inner, *args):
    return inner.execute("python", "-m", "pytest_nnrel", *args)


def _one_line_error(done) -> str:
    """Return what a command says of bad input: exit code 2, one line, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_show_writes_original_and_transformation(inner, clips):
    done = _run(inner, "show", _CLIP, "--transform=PitchShift(2)", "--corpus", clips, "--out=heard")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [_CLIP, "PitchShift(semitones=2)"]
    for line in lines:
        samples, rate = soundfile.read(inner.path / line.split()[0], dtype="float32")
        assert rate == 22050
        assert samples.shape == (44100,)
    assert len(list((inner.path / "heard").iterdir())) == 2


def test_show_of_a_bundled_clip_by_another_seed(inner):
    clip = "000_battle-theme"
    heard = []
    for seed in ("0", "1"):
        arguments = ("--transform", "PinkNoise(snr_db=6)", "--seed", seed, "--out", seed)
        assert _run(inner, "show", clip, *arguments).returncode == 0
        heard.append([soundfile.read(file)[0] for file in sorted((inner.path / seed).iterdir())])
    (original, noisy), (same, other) = heard
    assert (original == same).all()
    assert (noisy != other).any()


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("no-such-clip",), ["no-such-clip", "clips"]),
        (("040_09-wings-of-cruelty",), ["did you mean", _CLIP]),
        ((_CLIP, "--against=nobody"), ["nobody"]),
        ((_CLIP, "--transform=PitchShift"), ["PitchShift", "expected a call"]),
        ((_CLIP, "--transform=Reverse(speed=2)"), ["Reverse", "expected a call"]),
        ((_CLIP, "--transform=__import__('os').getcwd()"), ["__import__", "expected a call"]),
        ((_CLIP, "--transform=PitchShift(semitones=99)"), ["99", "takes"]),
        ((_CLIP, "--transform=PitchShift(cents=5)"), ["cents"]),
        ((_CLIP, "--transform=MP3(kbps=7)"), ["7", "bitrate"]),
        ((_CLIP, "--corpus=no/such/folder"), ["no/such/folder", "does not exist"]),
        ((_CLIP, "--seed=-1"), ["-1"]),
        ((_CLIP, "--sample-rate=0"), ["sample_rate", "0"]),
    ],
)
def test_show_says_what_is_wrong_with_its_input(inner, clips, arguments, expected):
    given = [word.partition("=")[0] for word in arguments]
    defaults = {"--transform": "PinkNoise(40)", "--corpus": clips}
    rest = [f"{name}={value}" for name, value in defaults.items() if name not in given]
    line = _one_line_error(_run(inner, "show", *arguments, *rest))
    for text in expected:
        assert text in line
    assert not list(inner.path.rglob("*.wav"))


def test_show_says_which_folder_cannot_be_written(inner, clips):
    (inner.path / "file").touch()
    arguments = ("--transform=PinkNoise(40)", "--corpus", clips, "--out=file")
    assert "file" in _one_line_error(_run(inner, "show", _CLIP, *arguments))


_EMPTY = {
    "format": "pytest-nnrel results",
    "schema_version": 1,
    "settings": {"corpus": "bundled", "clips": None, "grid": "quick", "seed": 0},
    "run": {"command": "", "started": "", "seconds": 0.0, "workers": 0, "exit_status": 0},
    "environment": {},
    "measurements": {},
    "tests": [],
}


def test_render_makes_the_same_page_again(inner, suite_in):
    run = suite_in("plain")
    (inner.path / "results.json").write_text(json.dumps(run.results), encoding="utf-8")
    done = _run(inner, "render", "results.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "index.html"
    assert (inner.path / "index.html").read_text(encoding="utf-8") == run.page


def test_render_writes_to_the_file_it_is_told(inner):
    (inner.path / "results.json").write_text(json.dumps(_EMPTY), encoding="utf-8")
    assert _run(inner, "render", "results.json", "--out=page.html").returncode == 0
    assert "Nothing was judged" in (inner.path / "page.html").read_text(encoding="utf-8")
    assert not (inner.path / "index.html").exists()


@pytest.mark.parametrize(
    "content, expected",
    [
        (None, ["cannot be read", "No such file"]),
        (b"", ["no JSON"]),
        (b"{'format': 1}", ["no JSON"]),
        (b"\xff\xfe\x00", ["no JSON"]),
        (b"[]", ["no results file"]),
        (b'{"format": "other"}', ["no results file"]),
        (json.dumps({**_EMPTY, "schema_version": 99}).encode(), ["schema version 99", "reads 1"]),
        (json.dumps({k: v for k, v in _EMPTY.items() if k != "tests"}).encode(), ["tests"]),
        (json.dumps({**_EMPTY, "measurements": {"x": {}}}).encode(), ["results.json"]),
    ],
    ids=["missing", "empty", "quotes", "bytes", "list", "format", "newer", "key", "measurement"],
)
def test_render_says_what_is_wrong_with_its_input(inner, content, expected):
    if content is not None:
        (inner.path / "results.json").write_bytes(content)
    line = _one_line_error(_run(inner, "render", "results.json"))
    for text in ["results.json", *expected]:
        assert text in line
    assert not (inner.path / "index.html").exists()


def test_cache_tells_its_size_and_is_cleared(inner):
    folder = inner.path / "kept"
    empty = _run(inner, "cache", "--dir", folder)
    assert empty.returncode == 0
    assert empty.stdout.strip() == f"{folder}: 0 entries, 0.0 MiB"
    assert not folder.exists()
    entries = folder / LAYOUT / "clips" / "ab"
    entries.mkdir(parents=True)
    for name in ("abc.arrays", "abd.arrays"):
        (entries / name).write_bytes(bytes(2**20))
    (folder / "notes.txt").write_text("not the cache's")
    filled = _run(inner, "cache", "--dir", folder)
    assert filled.stdout.strip() == f"{folder}: 2 entries, 2.0 MiB"
    cleared = _run(inner, "cache", "--dir", folder, "--clear")
    assert cleared.stdout.strip() == f"{folder}: 0 entries, 0.0 MiB"
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_cache_is_the_users_where_none_is_named(inner, default_cache):
    done = _run(inner, "cache")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{default_cache / 'pytest-nnrel'}: ")


def test_cache_folder_that_is_a_file_is_an_error(inner):
    (inner.path / "file").touch()
    assert "file" in _one_line_error(_run(inner, "cache", "--dir=file"))


@pytest.mark.parametrize(
    "arguments", [(), ("play",), ("show",), ("show", "x"), ("render",), ("cache", "--all")]
)
def test_bad_usage_is_exit_code_2_with_the_usage(inner, arguments):
    done = _run(inner, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m pytest_nnrel")
    assert "Traceback" not in done.stderr
