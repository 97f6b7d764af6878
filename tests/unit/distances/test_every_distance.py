"""What holds of every distance that there is, whoever wrote it: each test runs over all of them.

A distance's own test, ``test_distance_NAME.py``, has its twin: ``twin(query, candidate)``, slow and
obvious, the distance of one pair.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import pytest_nnrel
from pytest_nnrel import (
    Corpus,
    Distance,
    DistanceError,
    Identity,
    MFCCEncoder,
    audio_consistency,
    pairwise_distances,
    within_consistency,
)
from pytest_nnrel.distances import companions, distances, metrics, pairwise_together
from pytest_nnrel.runtime.devices import CPU

ALL = distances()

each = pytest.mark.parametrize("name", ALL)
#: Of float32, in which audio distances are computed but where it decides.
PRECISION = {"audio": 1e-6, "latent": 1e-9}


@pytest.fixture(autouse=True)
def what_it_needs(request):
    """Leave out distances whose package is not installed, as CI without extras does."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if "name" in parameters and (missing := ALL[parameters["name"]].missing()):
        pytest.skip(missing)


def of_space(space, number=5):
    """Return what is compared: sequences of several lengths, or embeddings."""
    rng = np.random.default_rng(7)
    if space == "latent":
        return rng.normal(1, 2, size=(number, 9))
    lengths = rng.integers(50, 60, size=number)
    return [rng.normal(0, 5, size=(n, 3)).astype(np.float32) for n in lengths]


@each
def test_it_is_documented_and_lies_in_the_file_of_its_name(name):
    distance = ALL[name]
    assert type(distance).__module__ == f"{metrics.__name__}.{name}"
    assert distance.name == name
    assert type(distance).__doc__ != Distance.__doc__
    assert type(distance).__doc__.partition("\n")[0].endswith(".")
    assert distance.recipe() is not None


@each
def test_it_is_its_twin(name):
    things = of_space(ALL[name].space)
    twin = import_module(f"test_distance_{name}").twin
    expected = [[twin(query, candidate) for candidate in things] for query in things[:3]]
    np.testing.assert_allclose(
        pairwise_distances(things[:3], things, name), expected,
        rtol=PRECISION[ALL[name].space], atol=1e-12,
    )  # fmt: skip


@each
def test_it_is_zero_for_itself_alone_and_never_less_or_says_that_it_is_not(name):
    things = of_space(ALL[name].space)
    found = pairwise_distances(things, things, name)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    itself = np.eye(len(found), dtype=bool)
    reflexive = (found[itself] == 0).all() and (found[~itself] > 0).all()
    assert reflexive == ALL[name].reflexive


@each
def test_it_is_symmetric_or_says_that_it_is_not(name):
    things = of_space(ALL[name].space)
    found = pairwise_distances(things, things, name)
    assert np.allclose(found, found.T, rtol=1e-12) == ALL[name].symmetric


@each
def test_order_company_and_jobs_do_not_matter(name):
    things = of_space(ALL[name].space, 6)
    found = pairwise_distances(things, things, name, jobs=1)
    order = [3, 0, 5, 1, 4, 2]
    turned = things[order] if ALL[name].space == "latent" else [things[i] for i in order]
    np.testing.assert_array_equal(pairwise_distances(things, turned, name, jobs=2), found[:, order])
    np.testing.assert_array_equal(pairwise_distances(turned, things, name), found[order])
    alone = [[pairwise_distances(things[i : i + 1], things[j : j + 1], name)[0, 0]
              for j in range(6)] for i in range(2)]  # fmt: skip
    np.testing.assert_array_equal(found[:2], alone)


@each
def test_a_torch_device_gives_the_same_or_is_left_alone(name):
    pytest.importorskip("torch")
    things = of_space(ALL[name].space, 4)
    there = pairwise_distances(things, things, name, device="cpu:0")
    np.testing.assert_allclose(there, pairwise_distances(things, things, name), rtol=1e-5)


@each
def test_what_it_compares_is_left_as_it_was(name):
    things = of_space(ALL[name].space, 3)
    before = [thing.copy() for thing in things]
    pairwise_distances(things, things, name)
    for thing, was in zip(things, before, strict=True):
        np.testing.assert_array_equal(thing, was)


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_told_and_touches_nothing_else(name, bad):
    things = of_space(ALL[name].space, 3)
    things[1][2] = bad
    if ALL[name].space == "audio":
        with pytest.raises(DistanceError, match=r"candidates\[1\] holds NaN or infinite frames"):
            pairwise_distances(things[:1], things, name)
        return
    found = pairwise_distances(things, things, name)
    assert not np.isfinite(found[1]).any()
    assert not np.isfinite(found[:, 1]).any()
    assert np.isfinite(found[[0, 2]][:, [0, 2]]).all()


@each
def test_its_companions_come_with_it_as_they_are_alone(name):
    things = of_space(ALL[name].space, 3)
    found = pairwise_together(things, things, ALL[name], device=CPU)
    assert set(found) == {other.name for other in companions(ALL[name])}
    for other, values in found.items():
        np.testing.assert_array_equal(values, pairwise_distances(things, things, other))
        assert companions(ALL[other]) == companions(ALL[name])


@each
def test_measures_take_it_by_its_name(name):
    corpus = Corpus.bundled().subset(3)
    if ALL[name].space == "audio":
        found = audio_consistency(Identity(), corpus=corpus, distance=name)
    else:
        found = within_consistency(MFCCEncoder(), Identity(), corpus=corpus, distance=name)
    assert found.value == 1 or not ALL[name].reflexive
    assert found.details["identity"][f"{ALL[name].space}_distance"] == name
    assert not found.details["identity"]["named_only"]


# One's own

CHEBYSHEV = '''
import numpy as np
from pytest_nnrel import Distance


class Chebyshev(Distance):
    """Largest difference of two embeddings in any of their numbers."""

    name = "chebyshev"
    space = "latent"
    version = "1"

    def between(self, queries, candidates, execution):
        return np.abs(queries[:, None] - candidates[None]).max(axis=2)
'''
COMPARED = """
import pytest_nnrel
from pytest_nnrel import pairwise_distances
print(pytest_nnrel.__file__)
print(pairwise_distances([[0.0, 0.0]], [[3.0, 4.0]], "chebyshev"))
"""
MEASURED = """
from pytest_nnrel import Corpus, MFCCEncoder, PinkNoise, within_consistency
found = within_consistency(
    MFCCEncoder(), PinkNoise(30), corpus=Corpus.bundled().subset(3), distance="chebyshev"
)
print(found.n, found.details["identity"]["named_only"])
"""


def said(folder, code, path=""):
    script = f"import sys; sys.path.insert(0, {str(folder)!r})\n{textwrap.dedent(code)}"
    environment = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False,
        env=environment,
    )  # fmt: skip


def installed(folder, module):
    """Install a package with a distance, as pip would lay it out."""
    (folder / "far.py").write_text(module)
    metadata = folder / "far-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: far\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest_nnrel.distances]\nall = far\n")


@pytest.mark.exhaustive
def test_a_file_is_enough(tmp_path):
    package = tmp_path / "pytest_nnrel"
    ignored = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(Path(pytest_nnrel.__file__).parent, package, ignore=ignored)
    module = CHEBYSHEV.replace("pytest_nnrel import", "pytest_nnrel.distances.distance import")
    (package / "distances" / "metrics" / "chebyshev.py").write_text(module)
    done = said(tmp_path, COMPARED, str(tmp_path))
    assert done.stdout.splitlines() == [str(package / "__init__.py"), "[[4.]]"], done.stderr


def test_a_distance_of_an_installed_package_is_known_by_its_name(tmp_path):
    installed(tmp_path, CHEBYSHEV)
    done = said(tmp_path, MEASURED)
    assert done.stdout.splitlines()[0] == "3 False", done.stderr


def test_an_installed_package_is_not_loaded_for_what_is_known(tmp_path):
    installed(tmp_path, "import no_such_engine")
    done = said(
        tmp_path,
        """
        from pytest_nnrel import DistanceError, pairwise_distances
        print(pairwise_distances([[0.0]], [[3.0]], "euclidean"))
        try: pairwise_distances([[0.0]], [[3.0]], "chebyshev")
        except DistanceError as error: print(error)
        """,
    )
    known, unknown = done.stdout.splitlines()
    assert known == "[[3.]]"
    assert unknown.startswith("far declares distances in far, which cannot be loaded")
    assert "no_such_engine" in unknown


def test_an_installed_package_whose_names_are_taken_is_named(tmp_path):
    installed(tmp_path, CHEBYSHEV.replace('"chebyshev"', '"cosine"'))
    done = said(tmp_path, "from pytest_nnrel.distances import distances; distances()")
    assert re.search(r"far declares .*\(DistanceError: a distance named 'cosine'", done.stderr)


def declared(**changes):
    attributes = {"name": "mine", "space": "latent", "between": lambda self, q, c, e: None}
    return {k: v for k, v in (attributes | changes).items() if v is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "a distance declares name: what calls name it by"),
        ({"space": None}, "a distance declares space: 'audio' or 'latent'"),
        ({"name": " "}, "a distance declares name: what calls name it by, a text, not ' '"),
        ({"space": "visual"}, "space must be 'audio' or 'latent', not 'visual'"),
        ({"name": "dtw"}, "a distance named 'dtw' is registered already, in audio space"),
        ({"companions": ("dtw",)}, "companions must list 'mine' itself"),
        ({"__init__": lambda self, order: None}, "is made without arguments"),
    ],
)
def test_what_a_distance_must_declare(changes, message):
    with pytest.raises(DistanceError, match=message):
        type("Mine", (Distance,), declared(**changes))
    assert "mine" not in distances()


def test_a_companion_that_there_is_not_is_named():
    mine = type("Mine", (Distance,), declared(companions=("mine", "yours")))
    with pytest.raises(DistanceError, match="no distance is called 'yours'"):
        companions(mine())


def test_defined_again_it_takes_its_own_place():
    for version in ("1", "2"):
        type("Mine", (Distance,), declared(version=version))
    assert distances()["mine"].version == "2"


def test_what_is_shared_is_no_distance():
    type("Shared", (Distance,), {"space": "latent"})
    assert "Shared" not in {type(distance).__name__ for distance in distances().values()}
