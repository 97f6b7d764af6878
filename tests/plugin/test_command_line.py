"""``python -m pytest_nnrel show | render | compare | baseline | cache | schema``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import jsonschema
import numpy as np
import pytest
import soundfile

from pytest_nnrel import Clip, Corpus, PitchShift
from pytest_nnrel.distances import audio_features, pairwise_distances
from pytest_nnrel.inspection import PLAYERS
from pytest_nnrel.runtime.store import LAYOUT

_CLIP = "040_09-wings-of-cruelty.ogg"


def _run(inner, *args, **environment):
    return inner.execute("python", "-m", "pytest_nnrel", *args, **environment)


def _one_line_error(done) -> str:
    """Return what a command says of bad input: exit code 2, one line, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def _written(inner, done, folder):
    """Return the WAVs that a command wrote and told of, by their roles."""
    assert done.returncode == 0, done.stderr
    files = [line for line in done.stdout.splitlines() if line.endswith(".wav")]
    assert sorted(files) == sorted(f"{folder}/{f.name}" for f in (inner.path / folder).iterdir())
    heard = {}
    for file in files:
        samples, rate = soundfile.read(inner.path / file, dtype="float32")
        assert (rate, samples.shape) == (22050, (44100,))
        heard[file.rpartition("-")[2].removesuffix(".wav")] = samples
    return heard


def _in_corpus(clips, samples):
    """Return the file in a folder that a window is the centre of."""
    for file in clips.iterdir():
        whole = soundfile.read(file, dtype="float32")[0]
        start = (len(whole) - len(samples)) // 2
        if np.array_equal(whole[start : start + len(samples)], samples):
            return file.name
    return None


def test_show_writes_original_transformation_and_the_nearest_other_by_the_audio(inner, clips):
    done = _run(inner, "show", _CLIP, "--transform=PitchShift(2)", "--corpus", clips, "--out=heard")
    heard = _written(inner, done, "heard")
    assert list(heard) == ["original", "transformed", "neighbour"]
    assert _in_corpus(clips, heard["original"]) == _CLIP
    assert _in_corpus(clips, heard["transformed"]) is None
    nearest = _in_corpus(clips, heard["neighbour"])
    assert nearest not in (None, _CLIP)
    corpus = Corpus.from_directory(clips)
    windows = {"transformed": PitchShift(2).apply(corpus.clip(_CLIP)).window(2.0)}
    windows |= dict(zip(corpus.ids, corpus.windows()))
    features = [audio_features(Clip("any", window, 22050)) for window in windows.values()]
    apart = dict(zip(windows, pairwise_distances(features[:1], features)[0]))
    del apart["transformed"], apart[_CLIP]
    assert min(apart, key=apart.__getitem__) == nearest
    assert f"transformed to neighbour {apart[nearest]:.5g}" in done.stdout
    assert f"original     {_CLIP}, 4 s at 22,050 Hz, " in done.stdout


def test_show_of_a_clip_alone_is_the_clip_and_its_nearest(inner, clips):
    heard = _written(inner, _run(inner, "show", _CLIP, "--corpus", clips), "nnrel-clips")
    assert _in_corpus(clips, heard["original"]) == _CLIP
    assert list(heard) == ["original", "neighbour"]


@pytest.fixture
def measured(inner, suite_in):
    """Return the results of ``inner/suite.py``, of which `lossy` loses two clips."""
    results = suite_in("plain").results
    (inner.path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return results


def test_show_tells_what_results_hold_of_a_clip(inner, clips, measured):
    done = _run(inner, "show", _CLIP, "--results=results.json", "--transform=PinkNoise(40)")
    heard = _written(inner, done, "nnrel-clips")
    assert _in_corpus(clips, heard["neighbour"]) == "060_empire1.ogg"
    rows = [line.split("  ") for line in done.stdout.partition("\n\n")[0].splitlines()]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert rows[0][:5] == ["encoder", "measure", "transformation", "outcome", "margin"]
    found = {tuple(row[:2]): row[3:] for row in rows[1:]}
    assert {row[2] for row in rows[1:]} == {"PinkNoise(snr_db=40)"}
    assert found["lossy", "C_W euclidean"] == ["lost", "-1.000", "1", "0", "060_empire1.ogg"]
    assert found["faithful", "C_W euclidean"][:4] == ["nearest", "1.000", "0", "1"]
    assert found["lossy", "C_acc dtw x euclidean"][0] == "disagree"
    assert found["lossy", "1 - delta euclidean"][0] == "lost"
    margins = [float(row[4]) for row in rows[1:]]
    assert margins == sorted(margins)
    of_clip = [m for m in measured["measurements"].values() if m["measure"] == "audio"
               and m["details"]["transform"]["name"] == "PinkNoise(snr_db=40)"]  # fmt: skip
    for audio in of_clip:
        kind = f"C_W audio {audio['details']['identity']['audio_distance']}"
        margin = audio["details"]["relative_margins"][2]
        assert float(found["audio space", kind][1]) == pytest.approx(margin, abs=5e-4)


def test_show_takes_the_transformation_that_fared_worst(inner, clips, measured):
    done = _run(inner, "show", "100_marinefirefight.ogg", "--results=results.json")
    heard = _written(inner, done, "nnrel-clips")
    assert list(heard) == ["original", "transformed", "neighbour"]
    assert _in_corpus(clips, heard["neighbour"]) == "120_irelands-coast.ogg"


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("nobody",), ["results.json", "nothing of clip 'nobody'"]),
        ((_CLIP, "--transform=PitchShift(2)"), ["PitchShift(semitones=2)", "it has MP3(kbps=160)"]),
        ((_CLIP, "--results=no.json"), ["no.json", "cannot be read"]),
    ],
)
def test_show_says_what_results_do_not_hold(inner, measured, arguments, expected):
    line = _one_line_error(_run(inner, "show", "--results=results.json", *arguments))
    for text in expected:
        assert text in line


def test_show_says_what_is_missing_of_results_that_were_changed(inner, measured):
    text = json.dumps(measured).replace('"relative_margins"', '"other"')
    (inner.path / "results.json").write_text(text, encoding="utf-8")
    line = _one_line_error(_run(inner, "show", _CLIP, "--results=results.json"))
    assert "incomplete or was changed" in line
    assert "--nnrel-report" in line


def test_show_cannot_open_a_corpus_that_was_made_in_python(inner, clips, measured):
    text = json.dumps(measured).replace(json.dumps(str(clips)), "null")
    (inner.path / "results.json").write_text(text, encoding="utf-8")
    arguments = ("show", _CLIP, "--results=results.json")
    done = _run(inner, *arguments)
    assert done.returncode == 2
    assert "made in Python" in done.stderr
    assert "--corpus" in done.stderr
    assert "060_empire1.ogg" in done.stdout  # what is known is told nevertheless
    assert _run(inner, *arguments, f"--corpus={clips}").returncode == 0


def test_show_plays_nothing_where_there_is_no_player(inner, clips, tmp_path):
    done = _run(inner, "show", _CLIP, "--corpus", clips, "--play", PATH=str(tmp_path))
    assert done.returncode == 0
    (note,) = done.stderr.splitlines()
    assert note.startswith("note: no player was found (of ffplay, ")
    assert note.endswith("open the files, or install one (Debian: ffmpeg)")
    assert len(list((inner.path / "nnrel-clips").iterdir())) == 2


@pytest.mark.binaries
def test_show_plays_what_it_wrote(inner, clips, tmp_path):
    """The real player, on a sound card that is none; it takes as long as the clips."""
    (tmp_path / "ffplay").symlink_to(shutil.which("ffplay"))
    short = ("--window-seconds=0.5", "--source-seconds=1", "--play")
    environment = {"PATH": str(tmp_path), "SDL_AUDIODRIVER": "dummy"}
    done = _run(inner, "show", _CLIP, "--corpus", clips, *short, **environment)
    assert done.returncode == 0
    assert not done.stderr


def test_a_player_that_fails_is_told(inner, clips, tmp_path):
    player = tmp_path / "aplay"
    player.write_text("#!/bin/sh\nexit 3\n")
    player.chmod(0o755)
    done = _run(inner, "show", _CLIP, "--corpus", clips, "--play", PATH=str(tmp_path))
    assert done.returncode == 0
    assert "aplay could not play nnrel-clips/1-original.wav (exit code 3)" in done.stderr
    assert "aplay" in PLAYERS


def test_show_of_a_bundled_clip_by_another_seed(inner):
    clip = "000_battle-theme"
    heard = []
    for seed in ("0", "1"):
        arguments = ("--transform", "PinkNoise(snr_db=6)", "--seed", seed, "--out", seed,
                     "--against", "034_02-orphanage")  # fmt: skip
        assert _run(inner, "show", clip, *arguments).returncode == 0
        heard.append([soundfile.read(file)[0] for file in sorted((inner.path / seed).iterdir())])
    (original, noisy, _), (same, other, _) = heard
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


def test_render_makes_the_same_pages_again(inner, suite_in):
    report = suite_in("plain").folder / "written" / "report"
    pages = [report / name for name in ("index.html", "summary.md")]
    before = [page.read_text(encoding="utf-8") for page in pages]
    for page in pages:
        page.unlink()
    done = _run(inner, "render", report / "results.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(page) for page in pages]
    assert [page.read_text(encoding="utf-8") for page in pages] == before


def test_render_writes_to_the_folder_it_is_told(inner):
    (inner.path / "results.json").write_text(json.dumps(_EMPTY), encoding="utf-8")
    done = _run(inner, "render", "results.json", "--out=new/pages")
    assert done.returncode == 0, done.stderr
    pages = inner.path / "new" / "pages"
    assert "Nothing was judged" in (pages / "index.html").read_text(encoding="utf-8")
    assert "Nothing was judged" in (pages / "summary.md").read_text(encoding="utf-8")
    assert not (inner.path / "index.html").exists()


def test_schema_is_what_results_follow(inner, measured):
    done = _run(inner, "schema")
    schema = json.loads(done.stdout)
    assert schema["$schema"].endswith("2020-12/schema")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(measured)
    broken = {**measured, "schema_version": 2}
    with pytest.raises(jsonschema.ValidationError, match="1 was expected"):
        jsonschema.Draft202012Validator(schema).validate(broken)


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
    "arguments",
    [(), ("play",), ("show",), ("show", "x", "y"), ("render",), ("baseline",), ("cache", "--all")],
)
def test_bad_usage_is_exit_code_2_with_the_usage(inner, arguments):
    done = _run(inner, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m pytest_nnrel")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["show", "schema"])
def test_a_reader_that_leaves_early_changes_neither_deeds_nor_exit_code(inner, clips, command):
    """A pipe that nobody reads any more, as after ``| head``."""
    arguments = ("schema",) if command == "schema" else ("show", _CLIP, f"--corpus={clips}")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "pytest_nnrel", *arguments],
        cwd=inner.path, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    if command == "show":
        assert len(list((inner.path / "nnrel-clips").iterdir())) == 2


def test_what_is_printed_to_may_be_closed_before_a_command_is_forgotten(inner):
    """As where a caller keeps the exception, and a test's captured output ends before it."""
    script = (
        "import io, sys\n"
        "from pytest_nnrel.__main__ import main\n"
        "sys.stdout = io.TextIOWrapper(io.BytesIO())\n"
        "try: main(['schema', '--help'])\n"
        "except SystemExit as error: kept = error\n"
        "assert sys.stdout.buffer.getvalue().startswith(b'usage')\n"
        "sys.stdout.close()\n"
        "del kept\n"
    )
    # Only in this mode do Pythons before 3.13 tell of errors of finalizers.
    done = inner.execute("python", "-X", "dev", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "command", ["", "show", "render", "compare", "baseline", "cache", "schema"]
)
def test_help_tells_exit_codes(inner, command):
    done = _run(inner, *filter(None, [command]), "--help")
    assert done.returncode == 0
    done_is = (
        "exit codes:\n  0  done; of compare: the same or better; of verify: all is the same\n  1  "
    )
    assert done_is in done.stdout
