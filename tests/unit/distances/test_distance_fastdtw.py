"""FastDTW is the package, which is never below exact DTW."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pytest_nnrel import DistanceError, pairwise_distances
from pytest_nnrel.distances import resolve_distance


def twin(a, b):
    fastdtw = pytest.importorskip("fastdtw")
    from scipy.spatial.distance import euclidean

    return fastdtw.fastdtw(a, b, radius=1, dist=euclidean)[0]


def test_it_is_never_below_exact_dtw(frames):
    pytest.importorskip("fastdtw")
    fast = pairwise_distances(frames[:2], frames[:3], "fastdtw", jobs=1)
    assert fast[1, 2] == pytest.approx(twin(frames[1], frames[2]), rel=1e-9)
    assert (fast >= pairwise_distances(frames[:2], frames[:3], "dtw") * (1 - 1e-6)).all()


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "fastdtw", raising=False)
    with pytest.raises(DistanceError, match=r"'fastdtw' needs .*pip install \"pytest-nnrel\[pap"):
        pairwise_distances([np.ones((3, 2))], [np.ones((3, 2))], "fastdtw")


def test_its_recipe_names_the_packages_version():
    pytest.importorskip("fastdtw")
    own, _, package = resolve_distance("fastdtw").recipe().partition(" ")
    assert own == "1"
    assert package[0].isdigit()
