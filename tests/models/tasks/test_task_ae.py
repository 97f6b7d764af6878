"""Auto-encoding, against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import network

from pytest_nnrel import Identity
from reference_models import evaluation
from reference_models.evaluation import Truth, windows
from reference_models.task import task_named

AE = task_named("ae")


def expected_loss(network, audio, target):
    return (network(audio) - network.target(audio)).square().mean()


def expected_score(network, audio, true):
    output, target = (f(torch.from_numpy(audio)).numpy() for f in (network, network.target))
    return np.mean((output - target) ** 2)


def test_the_mean_is_over_bins_frames_and_clips(music):
    ae = network("ae", music)
    found = AE.score(ae, music, Truth(np.zeros((6, 0))))
    errors = [AE.score(ae, music[i : i + 1], Truth(np.zeros((1, 0)))).value for i in range(6)]
    assert found.value == pytest.approx(np.mean(errors), rel=1e-5)
    assert (found.measure, found.clips) == ("MSE", 6)


def test_without_a_network_there_is_the_mean_spectrogram(open_corpus, music):
    data = open_corpus("ae", "test")
    ae = network("ae", music)
    with torch.inference_mode():
        target = ae.target(torch.from_numpy(windows(data, Identity(), range(len(data))))).numpy()
    variance = np.mean((target - target.mean(0)) ** 2)
    assert evaluation.scores_on(ae, "ae", data)["compared"] == pytest.approx(variance, rel=1e-4)
