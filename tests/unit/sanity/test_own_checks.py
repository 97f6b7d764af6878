"""Checks of one's own: what a class declares, where it comes in the battery, installed packages."""

import math
import subprocess
import sys

import defective_encoders as zoo
import numpy as np
import pytest

from pytest_nnrel import (
    SanityCheck,
    SanityCheckError,
    SettingError,
    Symptom,
    assert_encoder_sane,
    check_encoder,
    sanity_checks,
)
from pytest_nnrel.sanity import skip, steady


def polarity(base=SanityCheck, **changes):
    """Define a check that inverts windows."""

    def look(self, tested):
        """Look whether embeddings of inverted windows are elsewhere."""
        return steady(tested.displacements(tested.encode(-tested.windows)), 0.1, "inverted")

    declared = {
        "__module__": __name__,
        "name": "polarity",
        "title": "inverted samples",
        "cause": "samples used as features",
        "look": look,
    }
    return type("Polarity", (base,), {**declared, **changes})


def signed(batch):
    """Return levels of positive samples."""
    parts = np.array_split(np.maximum(batch, 0.0), 8, axis=1)
    return np.stack([part.max(axis=1) for part in parts], axis=1)


def test_a_check_is_made_once_it_is_defined(short):
    with pytest.raises(SettingError, match="no sanity check is called 'polarity'"):
        check_encoder(zoo.log_bands, corpus=short, checks="polarity")
    polarity()
    assert check_encoder(zoo.log_bands, corpus=short, checks="polarity").passed == ("polarity",)
    with pytest.raises(AssertionError, match="inverted samples\n  seen   inverted, half of the"):
        assert_encoder_sane(signed, corpus=short, checks="polarity")
    assert "polarity" in check_encoder(zoo.log_bands, corpus=short).passed


def test_checks_of_ones_own_come_last_unless_they_say_otherwise():
    before = list(sanity_checks())
    polarity()
    assert list(sanity_checks()) == [*before, "polarity"]
    polarity(order=15)
    assert list(sanity_checks()) == [before[0], "polarity", *before[1:]]


def test_the_order_is_not_that_of_imports():
    for name in ("zeta", "alpha"):
        polarity(name=name)
    assert list(sanity_checks())[-2:] == ["alpha", "zeta"]


def test_a_check_may_be_defined_again():
    polarity(title="one")
    polarity(title="two")
    assert sanity_checks()["polarity"].title == "two"


def test_what_checks_share_is_none():
    class Inverting(SanityCheck):
        def inverted(self, tested):
            return -tested.windows

    assert Inverting not in sanity_checks().values()
    assert polarity(base=Inverting) in sanity_checks().values()


def test_a_check_can_be_skipped(short):
    polarity(look=lambda self, tested: skip("mono only"))
    report = check_encoder(zoo.log_bands, corpus=short, checks="polarity")
    assert report.skipped == {"polarity": "mono only"}


def test_an_encoder_that_refuses_the_input_skips_the_check(short):
    def encode(batch):
        assert batch.shape[1] == 4000, "4000 samples"
        return zoo.log_bands(batch)

    polarity(look=lambda self, tested: tested.encode(tested.windows[:, 1:]))
    report = check_encoder(encode, corpus=short, checks="polarity")
    assert "the encoder refuses such input" in report.skipped["polarity"]


def test_nan_is_no_small_displacement(short):
    polarity(look=lambda self, tested: steady(np.full(4, np.nan), 0.1, "inverted"))
    (finding,) = check_encoder(zoo.log_bands, corpus=short, checks="polarity").findings
    assert math.isnan(finding.size)


@pytest.mark.parametrize("returned", [True, "elsewhere", ("elsewhere", 0.5), 0])
def test_what_is_no_symptom_is_told(returned, short):
    polarity(look=lambda self, tested: returned)
    with pytest.raises(SanityCheckError, match=r"'polarity' of .*test_own_checks returned"):
        check_encoder(zoo.log_bands, corpus=short, checks="polarity")


def test_a_symptom_without_a_size_cannot_be_compared(short):
    polarity(look=lambda self, tested: Symptom("elsewhere", None))
    with pytest.raises(AssertionError, match="seen   elsewhere\n  size   cannot be compared"):
        assert_encoder_sane(zoo.log_bands, corpus=short, checks="polarity")


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"name": None}, "declares name: what it is chosen by, a text, not None"),
        ({"name": "po larity"}, "name must be one word .* not 'po larity'"),
        ({"title": ""}, "declares title: what it compares, a text, not ''"),
        ({"cause": 3}, "declares cause: the usual cause of a symptom, a text, not 3"),
        ({"order": math.nan}, "order must be a number, not nan"),
        ({"order": "last"}, "order must be a number, not 'last'"),
        ({"order": True}, "order must be a number, not True"),
        ({"name": "gain"}, r"'gain' in pytest_nnrel\.sanity\.checks\.gain, and names tell"),
    ],
)
def test_wrong_declarations(changes, match):
    before = sanity_checks()
    with pytest.raises(SanityCheckError, match=rf"test_own_checks\.Polarity: .*{match}"):
        polarity(**changes)
    assert sanity_checks() == before


@pytest.mark.parametrize("left_out", ["name", "title", "cause"])
def test_what_a_check_must_declare(left_out):
    declared = {"name": "polarity", "title": "inverted samples", "cause": "samples as features"}
    declared.pop(left_out)
    with pytest.raises(SanityCheckError, match=f"declares {left_out}: .*, not None"):
        type("Polarity", (SanityCheck,), {**declared, "look": lambda self, tested: None})


# Installed packages

_MODULE = """
from pytest_nnrel import SanityCheck

class Polarity(SanityCheck):
    name, title, cause = "polarity", "inverted samples", "samples used as features"

    def look(self, tested): ...
"""


def asked(folder, module):
    """Return what a process says of the checks beside an installed package."""
    (folder / "inverts.py").write_text(module)
    metadata = folder / "inverts-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: inverts\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest_nnrel.checks]\nall = inverts\n")
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    code += "from pytest_nnrel import sanity_checks; print(*sanity_checks())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_checks_of_installed_packages_are_made(tmp_path):
    done = asked(tmp_path, _MODULE)
    assert done.stdout.split() == [*sanity_checks(), "polarity"], done.stderr


def test_an_installed_package_that_cannot_be_loaded_is_named(tmp_path):
    done = asked(tmp_path, "import no_such_engine")
    assert "inverts declares sanity checks in inverts, which cannot be loaded" in done.stderr
    assert "no_such_engine" in done.stderr
