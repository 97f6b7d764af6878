"""Estimators and pipelines of scikit-learn."""

import numpy as np
import pytest
from trial import RATE, Trial, bands

from pytest_nnrel import EncoderError, as_encoder

pytest.importorskip("sklearn")

GAIN = 1.0


def levels(batch):
    return GAIN * np.log(bands(batch) + 1e-3)


def pipeline_of(windows, seed=0, last=None):
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    rng = np.random.default_rng(seed)
    audio = rng.standard_normal((20, windows.shape[1])).astype(np.float32)
    steps = [FunctionTransformer(levels), StandardScaler(), last or PCA(n_components=4)]
    return make_pipeline(*steps).fit(audio, np.arange(20) % 2)


def trial(folder, windows):
    from sklearn.preprocessing import FunctionTransformer

    pipeline = pipeline_of(windows)
    codes = FunctionTransformer(lambda batch: bands(batch).astype(int))
    return Trial(pipeline, pipeline.transform, pipeline_of(windows, seed=1), codes)


def test_its_fingerprint_is_of_what_it_has_learnt_and_of_the_code_it_runs(windows, monkeypatch):
    one, same, other = (pipeline_of(windows, seed) for seed in (0, 0, 1))
    known = as_encoder(one, name="one").fingerprint
    assert known is not None
    for again in (same, same.transform):
        assert as_encoder(again, name="one").fingerprint == known
    assert as_encoder(other).fingerprint not in (None, known)
    monkeypatch.setattr("test_adapter_sklearn_estimator.GAIN", 2.0)
    assert as_encoder(one).fingerprint not in (None, known)
    assert as_encoder(one, fingerprint="v1").fingerprint == "v1"


def test_trees_and_sparse_codes_are_embeddings(windows):
    from sklearn.ensemble import RandomTreesEmbedding

    audio = np.random.default_rng(0).standard_normal((20, windows.shape[1]))
    one, same, other = (RandomTreesEmbedding(3, random_state=s).fit(audio) for s in (0, 0, 1))
    found = as_encoder(one).encode(windows, RATE)
    np.testing.assert_array_equal(found, one.transform(windows).toarray())
    known = as_encoder(one).fingerprint
    assert known is not None
    assert as_encoder(same).fingerprint == known != as_encoder(other).fingerprint


def test_what_embeds_by_another_method(windows):
    from sklearn.linear_model import LogisticRegression

    pipeline = pipeline_of(windows, last=LogisticRegression())
    with pytest.raises(EncoderError, match=r"Pipeline has no transform; .*pipeline\[:-1\]"):
        as_encoder(pipeline)
    found = as_encoder(pipeline, method="predict_proba").encode(windows, RATE)
    np.testing.assert_allclose(found, pipeline.predict_proba(windows), rtol=1e-5)
    below = as_encoder(pipeline[:-1]).encode(windows, RATE)
    np.testing.assert_allclose(below, pipeline[:-1].transform(windows), rtol=1e-5)


def test_its_window_follows_from_what_it_was_fitted_to(windows):
    from sklearn.preprocessing import StandardScaler

    fitted = StandardScaler().fit(windows)
    assert as_encoder(fitted, sample_rate=RATE).window_seconds == windows.shape[1] / RATE
    with pytest.raises(EncoderError, match=r"takes windows of 2,000 samples, not of 900"):
        as_encoder(fitted).encode(windows[:, :900], RATE)


def test_one_that_is_not_fitted_says_so(windows):
    from sklearn.preprocessing import StandardScaler

    with pytest.raises(EncoderError, match=r"raised NotFittedError .* is not fitted yet"):
        as_encoder(StandardScaler()).encode(windows, RATE)
