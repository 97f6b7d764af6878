"""Every check: what it declares, what it catches, and what it passes.

The encoders are those of the check's own test, ``test_sanity_NAME.py``: `CAUGHT` and `PASSED`,
functions that make one, by what is wrong with it, or right.
"""

import shutil
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import defective_encoders as zoo
import pytest
from checked import IN_PROCESS, found

import pytest_nnrel
from pytest_nnrel import SanityCheck, assert_encoder_sane, check_encoder, sanity_checks
from pytest_nnrel.sanity import checks as own

CHECKS = sanity_checks()


def encoders(kind):
    """Return a parameter for each encoder of each check: the check, the function that makes it."""
    return [
        pytest.param(name, make, id=f"{name}-{what}")
        for name in CHECKS
        for what, make in getattr(import_module(f"test_sanity_{name}"), kind).items()
    ]


@pytest.mark.parametrize("name", CHECKS)
def test_it_is_documented(name):
    check = CHECKS[name]
    assert issubclass(check, SanityCheck)
    assert check.__doc__
    assert check.__doc__ != SanityCheck.__doc__
    assert check.__doc__.partition("\n")[0].endswith(".")
    for text in (check.title, check.cause):
        assert text == text.strip()
        assert not text.endswith("."), "part of a sentence"


@pytest.mark.parametrize("name", CHECKS)
def test_it_lies_in_the_file_of_its_name(name):
    assert CHECKS[name].__module__ == f"{own.__name__}.{name}"


def test_no_two_have_one_place():
    places = [check.order for check in CHECKS.values()]
    assert places == sorted(set(places))


@pytest.mark.parametrize("name", CHECKS)
def test_it_has_encoders_of_both_kinds(name):
    cases = import_module(f"test_sanity_{name}")
    assert cases.CAUGHT
    assert cases.PASSED


@pytest.mark.parametrize("name, make", encoders("CAUGHT"))
def test_defective_encoders_are_caught_by_the_right_check(name, make, corpus):
    checks = [*IN_PROCESS, *({name} - set(IN_PROCESS))]
    report = check_encoder(make(), corpus=corpus, checks=checks)
    assert name in found(report), report
    assert found(check_encoder(make(), corpus=corpus, checks=name)) == {name}


@pytest.mark.parametrize("name, make", encoders("PASSED"))
def test_what_looks_alike_and_is_sound_passes(name, make, corpus):
    assert check_encoder(make(), corpus=corpus, checks=name).passed == (name,)


@pytest.mark.parametrize("name", zoo.SOUND)
def test_sound_encoders_raise_no_alarm(name, corpus):
    checks = IN_PROCESS if name.endswith(("1", "2")) else list(CHECKS)
    report = assert_encoder_sane(zoo.SOUND[name](), corpus=corpus, checks=checks)
    assert report.findings == ()
    of_torch = name.startswith(("cnn", "transformer"))
    assert set(report.skipped) == {"ragged", *(["float64"] if of_torch else [])}
    assert {*report.passed, *report.skipped} == set(checks)


@pytest.mark.parametrize(
    "name, defect",
    [
        ("batch_size", "batch peak"),
        ("trailing_silence", "last frame"),
        ("finite", "log of zero"),
        ("fresh_process", "hashed weights"),
    ],
)
def test_one_defect_is_one_finding(name, defect, corpus):
    make = import_module(f"test_sanity_{name}").CAUGHT[defect]
    checks = [*IN_PROCESS, *({name} - set(IN_PROCESS))]
    assert found(check_encoder(make(), corpus=corpus, checks=checks)) == {name}


def test_a_new_file_is_a_new_check(tmp_path):
    """The package's own are found where they lie; nothing lists them."""
    package = Path(pytest_nnrel.__file__).parent
    for path in package.rglob("*.py"):
        copy = tmp_path / path.relative_to(package.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (tmp_path / "pytest_nnrel" / "sanity" / "checks" / "loudness.py").write_text(
        textwrap.dedent(
            """
            from pytest_nnrel.sanity.check import SanityCheck

            class Loudness(SanityCheck):
                name, title, cause, order = "loudness", "its loudness", "a limiter", 15

                def look(self, tested): ...
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", "from pytest_nnrel import sanity_checks; print(*sanity_checks())"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    first, *others = CHECKS
    assert done.stdout.split() == [first, "loudness", *others]
