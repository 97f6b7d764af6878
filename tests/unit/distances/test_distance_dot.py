"""Inner products: what they are, and that great length attracts."""

from __future__ import annotations

import numpy as np

from pytest_nnrel import (
    Corpus,
    Identity,
    MFCCEncoder,
    PinkNoise,
    pairwise_distances,
    within_consistency,
)


def twin(a, b):
    return -sum(x * y for x, y in zip(a, b))


def test_the_most_alike_is_the_nearest():
    found = pairwise_distances([[1.0, 0.0]], [[0.0, 3.0], [2.0, 0.0], [-2.0, 0.0]], "dot")
    assert found.tolist() == [[0.0, -2.0, 2.0]]


def test_an_original_of_great_length_is_nearest_to_all():
    originals = np.array([[1.0], [50.0], [1.5]])
    assert pairwise_distances(originals, originals, "dot").argmin(axis=1).tolist() == [1, 1, 1]


def test_the_worst_clips_are_those_that_are_lost():
    """Products are negative distances: a share of both would turn the order round."""
    few = Corpus.bundled().subset(8)
    found = within_consistency(MFCCEncoder(), PinkNoise(12), corpus=few, distance="dot")
    lost = {few.ids[i] for i, holds in enumerate(found.outcomes) if not holds}
    assert 0 < len(lost) < 8
    assert {clip["id"] for clip in found.worst[: len(lost)]} <= lost


def test_identity_need_not_be_consistent():
    few = Corpus.bundled().subset(6)
    loudest = int(np.argmax([np.abs(clip.window(2.0)).sum() for clip in few]))

    def level(batch):
        return np.abs(batch).sum(axis=1, keepdims=True)

    found = within_consistency(level, Identity(), corpus=few, distance="dot")
    assert [i for i, holds in enumerate(found.outcomes) if holds] == [loudest]
