"""Options and ini keys: the command line over the ini file over defaults, and bad values."""

from __future__ import annotations

import json
import re
import shutil
from types import SimpleNamespace

import pytest

from pytest_nnrel import Identity
from pytest_nnrel.plugin.options import OPTIONS, value
from pytest_nnrel.plugin.requirements import Required
from pytest_nnrel.runtime import settings

_TRIVIAL = """
    def test_trivial(): pass
"""
#: Writes what the run is set to, for the outer test to read.
_DUMP = """
    import json
    from pathlib import Path
    from pytest_nnrel.runtime import settings

    def test_dump(nnrel_corpus):
        active = settings.active()
        cache = active.cache_dir() if callable(active.cache_dir) else active.cache_dir
        Path(__file__).with_name("dump.json").write_text(json.dumps({
            "seed": active.seed,
            "cache": str(cache),
            "cache_gib": active.cache_gib,
            "jobs": active.jobs,
            "device": active.device,
            "clips": len(nnrel_corpus),
            "corpus": nnrel_corpus.name,
            "sample_rate": nnrel_corpus.sample_rate,
            "source_seconds": nnrel_corpus.source_seconds,
            "window_seconds": nnrel_corpus.window_seconds,
            "segments": nnrel_corpus.segments,
            "grouping": nnrel_corpus.grouping,
        }))
"""
_MEASURING = """
    from encoders import spectrum
    from pytest_nnrel import PinkNoise, assert_within_consistency

    def test_measuring():
        assert_within_consistency(spectrum, PinkNoise(40), min=1.0)
"""


def _dumped(inner, *args, mode="plain", corpus="") -> dict:
    run = inner.run("test_dump.py", *args, mode=mode, corpus=corpus, report=False)
    run.result.assert_outcomes(passed=1)
    return json.loads((inner.path / "dump.json").read_text(encoding="utf-8"))


def test_defaults(inner, default_cache):
    inner.write(test_dump=_DUMP)
    assert _dumped(inner) == {
        "seed": 0,
        "cache": str(default_cache / "pytest-nnrel"),
        "cache_gib": 10.0,
        "jobs": settings.available_cores(),
        "device": None,
        "clips": 134,
        "corpus": "bundled",
        "sample_rate": 22050,
        "source_seconds": 4.0,
        "window_seconds": 2.0,
        "segments": 1,
        "grouping": None,
    }


_INI = (
    "nnrel_seed = 3",
    "nnrel_cache = from-ini",
    "nnrel_cache_gib = 0.5",
    "nnrel_jobs = 5",
    "nnrel_device = cpu",
    "nnrel_clips = 4",
    "nnrel_corpus = clips",
    "nnrel_sample_rate = 16000",
    "nnrel_source_seconds = 1.5",
    "nnrel_window_seconds = 0.75",
    "nnrel_segments = 2",
    "nnrel_groups = ^(..)",
)
_OF_INI = {
    "seed": 3,
    "cache_gib": 0.5,
    "jobs": 5,
    "device": "cpu",
    "clips": 4,
    "corpus": "clips",
    "sample_rate": 16000,
    "source_seconds": 1.5,
    "window_seconds": 0.75,
    "segments": 2,
    "grouping": "^(..)",
}


@pytest.fixture
def with_ini(inner, clips):
    """Return a project whose ini file sets everything, and the settings that follow from it."""
    inner.write(test_dump=_DUMP)
    inner.ini(*_INI)
    for folder in ("clips", "others"):
        (inner.path / folder).mkdir()
        for clip in clips.iterdir():
            (inner.path / folder / clip.name).symlink_to(clip)
    return inner, {**_OF_INI, "cache": str(inner.path / "from-ini")}


def test_ini_over_defaults(with_ini):
    inner, of_ini = with_ini
    assert _dumped(inner) == of_ini


@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_command_line_over_ini(with_ini, mode):
    inner, of_ini = with_ini
    options = ("seed=7", "cache=from-option", "jobs=6", "device=meta", "clips=5", "corpus=others")
    assert _dumped(inner, *(f"--nnrel-{option}" for option in options), mode=mode) == {
        **of_ini,
        "seed": 7,
        "cache": str(inner.path / "from-option"),
        "jobs": 6,
        "device": "meta",
        "clips": 5,
        "corpus": "others",
    }


def test_cores_are_shared_among_workers(inner):
    inner.write(test_dump=_DUMP)
    jobs = _dumped(inner, "--nnrel-clips=2", mode="n2")["jobs"]
    assert jobs == max(1, settings.available_cores() // 2)


def test_folders_in_the_ini_file_do_not_depend_on_where_pytest_is_run(inner, clips):
    inner.write(test_dump=_DUMP)
    inner.ini("nnrel_corpus = clips", "nnrel_cache = kept")
    (inner.path / "clips").symlink_to(clips, target_is_directory=True)
    below = inner.path / "below"
    below.mkdir()
    done = inner.execute("pytest", "../test_dump.py", cwd=below)
    assert done.returncode == 0, done.stdout
    dumped = json.loads((inner.path / "dump.json").read_text(encoding="utf-8"))
    assert dumped["clips"] == 8
    assert dumped["cache"] == str(inner.path / "kept")


@pytest.mark.parametrize(
    "named, expected",
    [
        ("bundled", "bundled"),
        ("bundled[licence=MIT]", "bundled[licence=MIT]"),
        ("music", "{music}"),
        ("music[artist=a@b]", "{music}[artist=a@b]"),
        ("mirdata:gtzan_genre", "mirdata:gtzan_genre"),
        ("mirdata:gtzan_genre[genre=a@b]", "mirdata:gtzan_genre[genre=a@b]"),
        ("mirdata:gtzan:mini@music[genre=rock]", "mirdata:gtzan:mini@{music}[genre=rock]"),
        ("mirdata:irmas@{music}", "mirdata:irmas@{music}"),
    ],
)
def test_each_corpus_of_a_file_is_from_its_folder(tmp_path, named, expected):
    named, expected = (text.format(music=tmp_path / "music") for text in (named, expected))
    config = SimpleNamespace(
        inipath=tmp_path / "pytest.ini", getoption=lambda *_: None, getini=lambda _: named
    )
    (corpus,) = (option for option in OPTIONS if option.name == "corpus")
    assert value(config, corpus) == expected
    required = Required("e", "within", Identity(), {}, {"corpus": named}, 1)
    assert required.marked(tmp_path) == {"corpus": expected}


_LABELLED = """
    import json
    from pathlib import Path
    import pytest
    from pytest_nnrel import Identity, MFCCEncoder, within_consistency

    def names(nnrel_corpus=None):
        return within_consistency(MFCCEncoder(), Identity()).details["corpus"]

    def test_of_the_run(nnrel_corpus):
        assert nnrel_corpus.name == names()["name"] == "bundled[licence=MIT|public domain]"
        assert names()["clips"] == 7

    @pytest.mark.nnrel(corpus="bundled[licence=MIT]")
    def test_of_the_mark():
        assert (names()["name"], names()["clips"]) == ("bundled[licence=MIT]", 4)
"""


def test_clips_by_label_in_ini_file_mark_and_report(inner):
    inner.write(test_labelled=_LABELLED)
    inner.ini("nnrel_corpus = bundled[licence=MIT|public domain]")
    run = inner.run("test_labelled.py", corpus="")
    run.result.assert_outcomes(passed=2)
    (page,) = inner.path.rglob("index.html")
    text = page.read_text(encoding="utf-8")
    assert "C_W euclidean by licence, 7 clips of bundled[licence=MIT|public domain]" in text
    assert "by licence, 4 clips" not in text


def test_help_lists_options_and_ini_keys(inner):
    text = inner.execute("pytest", "--help", COLUMNS="80").stdout
    for option in ("report", "corpus", "clips", "grid", "seed", "cache", "jobs", "device"):
        assert f"--nnrel-{option}" in text
        assert f"nnrel_{option} " in text
    geometry = ("sample_rate", "source_seconds", "window_seconds", "segments", "groups")
    for key in (*geometry, "cache_gib"):
        assert f"nnrel_{key} " in text
    (group,) = (part for part in text.split("\n\n") if "(pytest-nnrel):" in part)
    heading, *lines = group.splitlines()
    assert heading == "consistency of audio encoders (pytest-nnrel):"
    options = [line for line in lines if line.startswith("  --nnrel-")]
    # A line of help each, beside the option or, where that is long, below it.
    helped = [line for line in options if "  " in line.strip()]
    assert len(lines) == len(helped) + 2 * (len(options) - len(helped))
    assert text.count("(default: ") + text.count("(default)") >= len(options)


_BAD_VALUES = [
    ("grid", "foo", "quick, imperceptible, paper"),
    ("clips", "x", "2 or more"),
    ("clips", "1", "2 or more"),
    ("clips", "4.5", "2 or more"),
    ("seed", "-1", "0 or more"),
    ("seed", "lucky", "0 or more"),
    ("jobs", "0", "1 or more"),
    ("cache", "test_trivial.py", "'off'"),
    ("cache", "0", "write 'off', or ./0"),
    ("report", "full", "--nnrel-report=DIR"),
    ("report", "test_trivial.py", "--nnrel-report=DIR"),
]


@pytest.mark.parametrize("name, value, advice", _BAD_VALUES)
def test_bad_value_is_a_usage_error(inner, name, value, advice):
    """Exit code 4, one line: option, value, what to do. Nothing is run."""
    inner.write(test_trivial=_TRIVIAL)
    (inner.path / "full").mkdir()
    (inner.path / "full" / "notes.txt").write_text("mine")
    done = inner.execute("pytest", f"--nnrel-{name}={value}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert re.match(rf"ERROR: .*nnrel[ _-]{name}\b", line)
    assert value in line
    assert advice in line
    assert "passed" not in done.stdout
    assert (inner.path / "full" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "key, value, advice",
    [
        ("grid", "foo", "quick, imperceptible, paper"),
        ("damage", "loud", "audio or perceived"),
        ("cache_gib", "-1", "0 or more"),
        ("sample_rate", "fast", "1 or more"),
        ("window_seconds", "nan", "a number"),
        ("segments", "0", "1 or more"),
    ],
)
def test_bad_value_of_an_ini_key_is_a_usage_error(inner, key, value, advice):
    inner.write(test_trivial=_TRIVIAL)
    inner.ini(f"nnrel_{key} = {value}")
    done = inner.execute("pytest")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert re.match(rf"ERROR: .*nnrel[ _-]{key.replace('_', '[ _-]')}\b", line)
    assert value in line
    assert advice in line


def test_unknown_option_and_ini_key_are_errors(inner):
    inner.write(test_trivial=_TRIVIAL)
    done = inner.execute("pytest", "--nnrel-sed=3")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--nnrel-sed" in done.stderr
    inner.ini("nnrel_sed = 3")
    done = inner.execute("pytest", "--strict-config")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "nnrel_sed" in done.stderr


@pytest.mark.parametrize(
    "name, value, problem",
    [
        ("clips", "10000", "10000"),
        ("corpus", "no/such/folder", "no/such/folder does not exist"),
        ("corpus", "mirdata:no_such_dataset", "no_such_dataset"),
    ],
)
def test_corpus_that_cannot_be_used_fails_the_tests_that_need_it(inner, name, value, problem):
    """Corpora are opened when first asked for: other tests pass. The text names the option."""
    inner.write(test_measuring=_MEASURING, test_trivial=_TRIVIAL)
    run = inner.run(f"--nnrel-{name}={value}", corpus="" if name == "corpus" else None)
    run.result.assert_outcomes(passed=1, failed=1)
    assert run.verdict_of("test_measuring")["outcome"] == "error"
    text = run.verdict_of("test_measuring")["message"]
    assert problem in text
    assert re.search(rf"nnrel[ _-]{name}\b", text), text


@pytest.mark.slow
def test_cache_keeps_clips_where_it_is_told_to(inner, tmp_path, monkeypatch):
    inner.write(test_measuring=_MEASURING)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def run(cache):
        run = inner.run(f"--nnrel-cache={cache}", "--nnrel-clips=3", report=False)
        run.result.assert_outcomes(passed=1)
        files = (inner.path / "kept").rglob("clips/**/*.arrays")
        return {path: path.stat().st_mtime_ns for path in files}

    kept = run("kept")
    assert len(kept) == 1  # three clips, in one file
    assert run("kept") == kept  # read, not written anew
    shutil.rmtree(inner.path / "kept")
    assert not run("off")
    assert not list(inner.path.rglob("*.arrays"))
    assert not (inner.path / "off").exists()
    assert not list(tmp_path.rglob("*.arrays"))  # nor in the user's, either time


@pytest.mark.parametrize("gib", ["0.0002", "0"])
def test_cache_is_cut_back_to_its_size(inner, gib):
    inner.write(test_measuring=_MEASURING)
    flags = ("--nnrel-clips=3", "-o", f"nnrel_cache_gib={gib}")
    inner.run("--nnrel-cache=kept", *flags, report=False)
    size = sum(path.stat().st_size for path in (inner.path / "kept").rglob("*.arrays"))
    assert size <= float(gib) * 2**30


def test_report_goes_to_its_default_folder_or_the_one_of_the_ini_file(inner):
    inner.write(test_trivial=_TRIVIAL)
    for args, folder in (
        (("--nnrel-report",), "nnrel-report"),
        (("-o", "nnrel_report=of-ini"), "of-ini"),
        (("--nnrel-report=of-option", "-o", "nnrel_report=of-ini-2"), "of-option"),
    ):
        assert inner.execute("pytest", *args).returncode == 0
        assert (inner.path / folder / "results.json").exists()
    assert not (inner.path / "of-ini-2").exists()


@pytest.mark.parametrize("tests", ["test_trivial.py", ".", "test_trivial.py::test_trivial"])
def test_report_does_not_swallow_the_tests_that_follow_it(inner, tests):
    """Whoever forgets the folder's name before a test's is told so."""
    inner.write(test_trivial=_TRIVIAL)
    before = sorted(inner.path.iterdir())
    done = inner.execute("pytest", "-pno:cacheprovider", "--nnrel-report", tests)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--nnrel-report" in done.stderr
    assert tests in done.stderr or tests == "."
    assert sorted(inner.path.iterdir()) == before
