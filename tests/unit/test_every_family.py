"""What holds of every family that there is, whoever wrote it: each test runs over all of them."""

from __future__ import annotations

import math
import os
import pickle
import runpy
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import find
from hypothesis import settings as hypothesis_settings
from signals import RATE

import pytest_nnrel
from pytest_nnrel import Corpus, Identity, check_family, field_grid, quick_grid
from pytest_nnrel import strategies as nn
from pytest_nnrel.transforms import conditions, families, field, grid, ladder, parse_transform

SCRIPTS = Path(__file__).parents[2] / "scripts"
ALL = list(families().values())
_QUICK = hypothesis_settings(database=None, derandomize=True, deadline=None)

each = pytest.mark.parametrize("family", ALL, ids=lambda family: family.__name__)
#: Attacks are made with an encoder, see test_adversarial.
each_by_itself = pytest.mark.parametrize(
    "family", [one for one in ALL if not one.of_encoder], ids=lambda family: family.__name__
)
each_of_the_field = pytest.mark.parametrize("name", field.__all__)


def directions(family):
    """Return the gravest severity in each direction."""
    return [end for end in (family.severities()[0], family.severities()[-1]) if end]


@pytest.fixture(scope="module")
def clip():
    return Corpus.bundled().subset(1)[0]


@pytest.fixture(autouse=True)
def what_it_needs(request):
    """Leave out families whose engine is not installed, as CI without extras does."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if missing := parameters.get("family", Identity).missing():
        pytest.skip(missing)


@each_by_itself
def test_it_keeps_its_promises(family):
    check_family(family)


@each
def test_its_identity_changes_nothing(family, clip):
    assert family.from_severity(0) == Identity()
    if math.isfinite(family.identity):
        neutral = family(family.identity)
        assert neutral.condition(RATE) == Identity()
        assert neutral.apply(clip).samples == pytest.approx(clip.samples, abs=1e-6)


@each_by_itself
def test_its_length_is_the_one_promised(family, clip):
    for end in directions(family):
        transform = family.from_severity(end // 2)
        for length in (len(clip.samples), len(clip.samples) - 1, 2 * RATE + 7):
            part = clip.with_samples(clip.samples[:length])
            assert len(transform.apply(part).samples) == transform.length(length)


@each_by_itself
def test_its_samples_are_those_of_its_seed_and_its_own_to_change(family, clip):
    before = clip.samples.copy()
    for end in directions(family):
        transform = family.from_severity(end)
        once, again = (transform.apply(clip, seed=3).samples for _ in range(2))
        assert np.array_equal(once, again)
        assert np.isfinite(once).all()
        assert np.array_equal(clip.samples, before)


@each
def test_each_rung_is_named_parsed_and_sent_to_workers(family):
    for severity in family.severities():
        transform = family.from_severity(severity)
        assert parse_transform(transform.name) == transform
        assert pickle.loads(pickle.dumps(transform)) == transform
        assert transform.severity == severity


def _is_changed(direction, transform):
    return transform.condition(RATE).severity * direction > 0


@each
def test_what_it_prints_makes_it_again_to_the_last_digit(family):
    for severity in directions(family):
        printed = repr(family.from_severity(severity))
        assert eval(printed, {family.__name__: family}) == family.from_severity(severity)
        assert "engine" not in printed  # by default, which need not be said


@each
def test_it_is_drawn_and_shrinks_to_its_identity(family):
    strategy = nn.magnitudes(family)
    assert find(strategy, lambda t: True, settings=_QUICK) == Identity()
    for direction, rungs in ladder(family, RATE).items():
        _, mildest, *_ = rungs
        beyond = partial(_is_changed, direction)
        found = find(strategy, beyond, settings=_QUICK)
        assert found.condition(RATE) == mildest


@each
def test_its_points_grow_graver(family):
    severities = [abs(family(point).severity) for point in family.points]
    assert severities == sorted(set(severities))


# The field's


@each_of_the_field
def test_it_is_public_documented_and_has_three_points(name):
    family = getattr(pytest_nnrel, name)
    assert family is families()[name]
    assert len(family.points) == 3
    assert family.__doc__.partition("\n")[0].endswith(".")


def test_the_fields_grid_is_its_families_points_and_leaves_the_others():
    transforms = field_grid()
    assert grid("field") == transforms
    assert transforms == tuple(t for name in field.__all__ for t in grid(name))
    assert len(conditions(transforms, RATE)) == len(transforms) == 3 * len(field.__all__)
    assert not {type(transform) for transform in transforms} & {type(t) for t in quick_grid()}


def test_the_stub_names_the_fields_families():
    script = runpy.run_path(str(SCRIPTS / "stub_families.py"))
    assert script["STUB"].read_text("utf-8") == script["stub"](), "run scripts/stub_families.py"


_FILE = '''
from dataclasses import dataclass
from typing import ClassVar

from pytest_nnrel.transforms.protocol import Transform


@dataclass(frozen=True)
class Tremolo(Transform):
    """Turn up and down."""

    percent: float

    unit: ClassVar[str] = "%"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = (10, 50, 100)
    points: ClassVar[tuple[float, ...]] = (10, 50, 100)

    def render(self, samples, sample_rate, rng):
        import numpy as np

        turns = np.sin(2 * np.pi * 5 * np.arange(len(samples)) / sample_rate)
        return samples * (1 + self.percent / 100 * turns)
'''


@pytest.mark.exhaustive
def test_a_file_is_enough(tmp_path):
    package = tmp_path / "pytest_nnrel"
    ignored = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(Path(pytest_nnrel.__file__).parent, package, ignore=ignored)
    (package / "transforms" / "field" / "tremolo.py").write_text(_FILE)
    code = """
import pytest_nnrel
from pytest_nnrel import *
from pytest_nnrel.transforms import Tremolo as the_same, parse_transform
print(pytest_nnrel.__file__)
print("Tremolo" in dir(pytest_nnrel), Tremolo is the_same, Tremolo.from_severity(2))
print(*(point for point in field_grid() if isinstance(point, Tremolo)))
print(parse_transform("Tremolo(50)"))
print(strategies.magnitudes(Tremolo, max=10))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    home, known, points, parsed, drawn = done.stdout.splitlines()
    assert Path(home).samefile(package / "__init__.py")
    assert known == "True True Tremolo(percent=50)"
    assert points == "Tremolo(percent=10) Tremolo(percent=50) Tremolo(percent=100)"
    assert parsed == "Tremolo(percent=50)"
    assert "Tremolo" in drawn
