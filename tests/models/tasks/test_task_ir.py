"""Instrument recognition, against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import network

from reference_models.evaluation import Truth
from reference_models.task import task_named

IR = task_named("ir")


def expected_loss(network, audio, target):
    return -network(audio).softmax(1)[range(len(target)), target].log().mean()


def expected_score(network, audio, true):
    chosen = network(torch.from_numpy(audio)).argmax(1).numpy()
    return np.mean([one == other for one, other in zip(chosen, true.targets, strict=True)])


def test_accuracy_counts_the_clips_whose_instrument_is_found(music):
    ir = network("ir", music)
    with torch.inference_mode():
        chosen = ir(torch.from_numpy(music)).argmax(1).numpy()
    instruments = chosen.copy()
    instruments[:2] = (instruments[:2] + 1) % 11
    assert IR.score(ir, music, Truth(instruments)).value == pytest.approx(4 / 6)
