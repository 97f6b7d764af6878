"""What the README promises: its commands, its options, and the examples, run as a user would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from markdown_examples import check_output

from pytest_nnrel import (
    Corpus,
    MFCCEncoder,
    PitchShift,
    assert_within_consistency,
    imperceptible,
)
from pytest_nnrel.plugin.options import OPTIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.exhaustive
def test_the_examples_pass_and_leave_a_report(tmp_path):
    arguments = ["--nnrel-clips=30", f"--nnrel-report={tmp_path / 'report'}"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "examples", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    results = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    measured = results["measurements"].values()
    # One of each file that needs a library besides those of the package.
    assert {m["details"]["encoder"]["name"] for m in measured if "encoder" in m["details"]} >= {
        "LogMelEncoder", "mfcc", "Wav2Vec2Model", "bands", "mfcc + PCA", "release-3",
    }  # fmt: skip
    families = {m["details"]["transform"]["family"] for m in measured}
    assert families >= {"PitchShift", "TempoShift", "PinkNoise", "EnvironmentalNoise", "MP3"}
    assert {m["measure"] for m in measured} == {
        "within", "audio", "accuracy", "rho", "exemplar", "monotone", "across",
    }  # fmt: skip
    assert (tmp_path / "report" / "index.html").stat().st_size < 5 * 2**20


def outcomes(folder):
    """Run the tests of a folder on few clips; return the outcomes by test's name."""
    report = folder / "report"
    run = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-pno:cacheprovider", "--nnrel-clips=20",
            f"--nnrel-report={report}",
        ],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
    )  # fmt: skip
    assert run.returncode in (0, 1), run.stdout + run.stderr
    tests = json.loads((report / "results.json").read_text(encoding="utf-8"))["tests"]
    return {
        test["test"].partition("::")[2]: {verdict["outcome"] for verdict in test["verdicts"]}
        for test in tests
    }


@pytest.mark.exhaustive
def test_the_first_tests_of_the_readme_run_as_they_stand(tmp_path):
    script = [sys.executable, ROOT / ".ci" / "first_own_test.py", ROOT / "README.md", tmp_path]
    subprocess.run(script, check=True)
    tests = (tmp_path / "test_encoder.py").read_text(encoding="utf-8")
    first, second = outcomes(tmp_path), outcomes(tmp_path)
    names = {name.partition("[")[0] for name in first}
    assert names == set(re.findall(r"^def (test_\w+)", tests, re.MULTILINE))
    release = "test_not_worse_than_last_release"
    assert first.pop(release) != {"holds"}  # it writes a baseline, to be looked at
    assert second.pop(release) == {"holds"}
    assert second == first
    assert first["test_sane"] == first["test_any_small_shift"] == {"holds"}
    grid = [found for name, found in first.items() if name.startswith("test_grid[")]
    assert grid == [{"holds"}] * len(imperceptible())


@pytest.mark.slow
def test_the_readme_shows_what_a_failure_says():
    (shown,) = re.findall(r"^```\nAssertionError: (.*?)^listen:", README, re.MULTILINE | re.DOTALL)
    with pytest.raises(AssertionError) as raised:
        assert_within_consistency(
            MFCCEncoder(), PitchShift(semitones=2), min=0.95, corpus=Corpus.bundled()
        )
    check_output("the assertion", shown, str(raised.value).partition("listen:")[0])


def benchmark(script, *arguments):
    """Return what a benchmark script prints, on few clips."""
    run = subprocess.run(
        [sys.executable, f"benchmarks/{script}.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.exhaustive
def test_the_papers_experiment_can_be_timed_and_taken_up(tmp_path):
    out = tmp_path / "out.json"
    arguments = ("--clips=8", "--conditions=2", f"--cache={tmp_path / 'cache'}", f"--out={out}")
    printed = benchmark("paper_scale", *arguments, "--bare=4")
    assert "extrapolated from 2 of 91 conditions" in printed
    assert re.search(r"ratio of the run to its bare calls: \d+\.\d\d", printed)
    values = json.loads(out.read_text(encoding="utf-8"))["values"]
    assert [len(of_condition) for of_condition in values.values()] == [12, 12]
    benchmark("paper_scale", *arguments)  # from the cache
    assert json.loads(out.read_text(encoding="utf-8"))["values"] == values


@pytest.mark.slow
def test_ranks_can_be_timed_against_scipy():
    assert "rho of 80 clips, 6,400 pairs" in benchmark("bootstrap", "--clips=80")


@pytest.mark.slow
def test_retrainings_can_be_simulated():
    printed = benchmark("verdicts", "--retrainings=3")
    assert "| no change, 94 conditions: verdict | 134 |" in printed


@pytest.mark.slow
def test_audio_distances_can_be_timed_against_their_peers():
    for peer in ("aeon", "dtaidistance", "fastdtw", "tslearn"):
        pytest.importorskip(peer)
    assert "fastdtw, as the paper calls it" in benchmark("distances", "--clips=4")


def test_the_readme_names_every_option_and_ini_key_and_no_other():
    shown = {f"--nnrel-{option.name}" for option in OPTIONS if option.on_command_line}
    flags = {"--nnrel-report", "--nnrel-update-baseline", "--nnrel-add-training"}
    assert set(re.findall(r"--nnrel-[a-z-]+", README)) == shown | flags
    hidden = {option.ini for option in OPTIONS if not option.on_command_line}
    known = {option.ini for option in OPTIONS} | {"nnrel_report"}
    named = set(re.findall(r"`(nnrel_[a-z_]+)`", README))
    assert hidden <= named <= known | {"nnrel_transform", "nnrel_corpus", "nnrel_baseline"}


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -m1 '(.*)' README.md", script)
    assert pattern is not None
    commands = [line for line in README.splitlines() if re.fullmatch(pattern[1][1:-1], line)]
    assert commands == [
        "pip install -c constraints.txt '.[all]' './reference_models[train]' && pytest -n 2"
    ]


HIDDEN = ("ffmpeg", "ffprobe", "ffplay", "rubberband", "espeak-ng", "fluidsynth", "sox")


@pytest.mark.skipif(sys.platform == "win32", reason="the script is one of bash")
def test_ci_hides_programs_and_caches_that_a_bare_machine_has_not(tmp_path):
    """With programs on the PATH that fail, none is found; whatever else is there stays."""
    for name in (*HIDDEN, "harmless"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 7\n")
        (tmp_path / name).chmod(0o755)
    looked_for = " ".join((*HIDDEN, "harmless", "bash", "python3"))
    script = f'for p in {looked_for}; do command -v $p && echo "$p"; done; ls -A "$HOME"; echo end'
    found = subprocess.run(
        [ROOT / ".ci" / "bare", "bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line for line in found if "/" not in line] == ["harmless", "bash", "python3", "end"]
    failing = subprocess.run([ROOT / ".ci" / "bare", "false"], check=False)
    assert failing.returncode == 1


def test_both_distributions_are_of_one_version():
    main, models = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in (".", "reference_models")
    )
    assert models["version"] == main["version"]
    assert f"pytest-nnrel[torch]=={main['version']}" in models["dependencies"]


def test_files_that_the_readme_links_exist():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_extra_of_the_readme_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    assert set(re.findall(r"'\.\[([a-z]+)\]'", README)) <= extras
    combined = re.search(r"\[(.*)\]", project["optional-dependencies"]["all"][0])
    assert combined is not None
    assert set(combined[1].split(",")) <= extras
