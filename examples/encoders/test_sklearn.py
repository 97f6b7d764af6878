"""A scikit-learn pipeline: statistics of MFCCs, standardised, reduced by PCA.

A fitted pipeline is an encoder as it is, known by what it has learnt and by the code that it runs.
Fit it on other music than it is tested on where what it learns is at stake.
"""

import librosa
import numpy as np
import pytest

from pytest_nnrel import EnvironmentalNoise, TempoShift, as_encoder, assert_within_consistency

pytest.importorskip("sklearn")

RATE = 22_050


def mfcc_statistics(batch):
    """Map ``float32[n, samples]`` to ``float[n, 40]``."""
    coefficients = librosa.feature.mfcc(y=batch, sr=RATE, n_mfcc=20)
    return np.concatenate([coefficients.mean(2), coefficients.std(2)], axis=1)


@pytest.fixture
def encoder(nnrel_corpus):
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    pipeline = make_pipeline(
        FunctionTransformer(mfcc_statistics), StandardScaler(), PCA(n_components=6)
    )
    pipeline.fit(nnrel_corpus.windows(sample_rate=RATE))
    return as_encoder(pipeline, sample_rate=RATE, name="mfcc + PCA")


@pytest.mark.nnrel(clips=10)
@pytest.mark.parametrize("transform", [TempoShift(1.1), EnvironmentalNoise(30)], ids=str)
def test_a_pipeline(encoder, transform):
    assert_within_consistency(encoder, transform, min=0.9)
