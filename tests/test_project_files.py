"""What the project's own files promise: that what they name is there, and what they say is so."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from unit.test_architecture import LAYERS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
#: Files that are named in running text, in code or as links.
_NAMED = re.compile(r"(?<![\w./-])((?:\.?\w[\w-]*/)+[\w.-]+|\.ci/\w+|[A-Z]+\.(?:md|cff))(?![\w/])")


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", ".github/pull_request_template.md"]
)
def test_files_that_are_named_exist(page):
    text = re.sub(r"https?://\S+", "", (ROOT / page).read_text(encoding="utf-8"))
    named = {name.rstrip(".") for name in _NAMED.findall(text)}
    named = {name for name in named if "." in name or name.startswith(("tests/", "docs/", ".ci/"))}
    assert named or page in ("SECURITY.md",)
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_markers_and_extras_named_are_those_of_the_project():
    markers = {m.split(":")[0] for m in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    assert markers == {"slow", "exhaustive", "binaries", "runtimes"}
    assert all(marker in CONTRIBUTING for marker in markers)
    (extras,) = re.findall(r"-e '\.\[([\w,]+)\]'", CONTRIBUTING)
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_the_architecture_has_every_layer_in_its_order():
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    rows = [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| (`[^|]+) \|", page, re.M)]
    assert [set(row) for row in rows] == [set(layer) for layer in reversed(LAYERS)]


def test_commits_are_checked_by_what_ci_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    commands = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    linters = (ROOT / ".ci/run").read_text(encoding="utf-8").split('step "linters"')[1]
    assert commands == [line for line in linters.splitlines() if line.startswith(("ruff", "mypy"))]


def test_the_citation_is_of_this_version_and_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["preferred-citation"]["doi"] == "10.3389/fams.2019.00053"
    assert citation["preferred-citation"]["doi"] in (ROOT / "README.md").read_text("utf-8")


def test_templates_are_forms_that_github_reads():
    for template in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.md"):
        _, head, body = template.read_text(encoding="utf-8").split("---\n", 2)
        assert yaml.safe_load(head).keys() == {"name", "about", "labels"}
        assert body.strip()


def test_the_changelog_begins_with_what_is_not_released():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, re.M)
    assert versions[0].startswith("[Unreleased]")
    assert PROJECT["project"]["version"] in versions[1]


def _requirements():
    """Return what the environment of `tox -e lowest` is made of: names and lower bounds."""
    models = tomllib.loads((ROOT / "reference_models/pyproject.toml").read_text("utf-8"))["project"]
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = (re.findall(r"\[(.+)\]", one)[0] for one in extras["all"])
    lists = [PROJECT["project"]["dependencies"], models["dependencies"]]
    lists += [extras[name] for name in everything.split(",")]
    lists += [models["optional-dependencies"]["train"]]
    return [Requirement(text) for one in lists for text in one]


def test_every_lower_bound_is_what_the_lowest_environment_has():
    """Torch is younger there: no wheel of its oldest could be had."""
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    pins = {pin.name: str(pin.specifier).removeprefix("==") for pin in pinned}
    assert len(pins) == len(pinned)
    bounds = {}
    for requirement in _requirements():
        if requirement.name not in ("pytest-nnrel", "torch"):
            (lower,) = requirement.specifier
            assert lower.operator == ">=", requirement
            bounds.setdefault(requirement.name, set()).add(lower.version)
    assert bounds.keys() <= pins.keys()
    assert {name: pins[name] for name in bounds} == {
        name: version for name, (version,) in bounds.items()
    }
    assert pins["torch"] == "2.13.0"


def test_the_lowest_environment_is_made_of_all_that_tests_use():
    ini = (ROOT / "tox.ini").read_text(encoding="utf-8")
    tests = ini.partition("[testenv:")[0]
    assert "extras = all\n" in tests
    assert "reference_models[train]" in tests
