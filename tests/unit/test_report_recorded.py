"""What measurements and baselines record for the report."""

from __future__ import annotations

from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from pytest_nnrel import Corpus, PinkNoise, as_encoder, within_consistency
from pytest_nnrel.baselines import Clips, Entry, compare
from pytest_nnrel.experiment.facts import MAPPED
from pytest_nnrel.report.results import schema
from pytest_nnrel.runtime import settings
from pytest_nnrel.statistics.consistency import principal_plane


def _encode(batch):
    return np.abs(np.fft.rfft(batch[:, :2048]))[:, :40].astype(np.float32)


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(8)


def test_points_of_a_plane_keep_their_distances():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(20, 2)) * (5.0, 1.0)
    turned = flat @ np.linalg.qr(rng.normal(size=(9, 9)))[0][:2] + 7.0
    plane = principal_plane(turned)
    np.testing.assert_allclose(cdist(plane.place(turned), plane.place(turned)), cdist(flat, flat))
    assert plane.explained.sum() == pytest.approx(1.0)
    assert plane.explained[0] > plane.explained[1]


@pytest.mark.parametrize("shape", [(5, 3), (5, 1), (2, 4)])
def test_embeddings_without_a_plane_are_placed_all_the_same(shape):
    plane = principal_plane(np.ones(shape))
    assert plane.place(np.ones(shape)).tolist() == [[0.0, 0.0]] * shape[0]
    assert not plane.explained.any()


def test_distance_between_the_originals_is_recorded(corpus):
    encoder = as_encoder(_encode, name="spectrum", fingerprint="1")
    measured = within_consistency(encoder, PinkNoise(0), corpus=corpus)
    embedded = encoder.encode(corpus.windows(), corpus.sample_rate).astype(np.float64)
    for worst in measured.worst:
        pair = [corpus.index(worst[role]) for role in ("id", "neighbour")]
        expected = np.linalg.norm(embedded[pair[0]] - embedded[pair[1]])
        assert worst["originals_distance"] == pytest.approx(expected)


def test_map_is_recorded_for_reports_only(corpus):
    encoder = as_encoder(_encode, name="spectrum", fingerprint="1")
    assert "map" not in within_consistency(encoder, PinkNoise(0), corpus=corpus).details
    token = settings.activate(replace(settings.active(), audio_bound=True))
    try:
        given = within_consistency(encoder, PinkNoise(0), corpus=corpus).details["map"]
    finally:
        settings.deactivate(token)
    assert given["clips"] == list(corpus.ids)[:MAPPED]
    assert np.shape(given["originals"]) == np.shape(given["transformed"]) == (8, 2)
    np.testing.assert_allclose(np.mean(given["originals"], axis=0), 0.0, atol=1e-2)


def test_comparison_as_plain_values_names_the_clips_that_flipped(corpus):
    encoder = as_encoder(_encode, name="spectrum", fingerprint="1")
    plain = within_consistency(encoder, PinkNoise(0), corpus=corpus).as_dict()
    after = Entry.of(plain)
    flipped = tuple(not o if i < 2 else o for i, o in enumerate(after.outcomes))
    before = replace(after, outcomes=flipped)
    ids = tuple(corpus.ids)
    found = compare([before], [after], Clips("bundled", ids, ids)).as_dict()
    (change,) = found["changes"]
    assert sorted(change["lost"] + change["won"]) == sorted(ids[:2])
    assert [clip in change["won"] for clip in ids[:2]] == list(after.outcomes[:2])
    jsonschema.validate(found, schema()["$defs"]["verdict"]["properties"]["comparison"])
