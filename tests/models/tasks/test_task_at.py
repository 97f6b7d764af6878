"""Auto-tagging, against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import network

from pytest_nnrel import UndefinedMeasureError
from reference_models.evaluation import Truth
from reference_models.task import task_named

AT = task_named("at")


def expected_loss(network, audio, target):
    p = network(audio).sigmoid()
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()


def expected_score(network, audio, true):
    return naive_area(true.targets, network(torch.from_numpy(audio)).numpy())[0]


def naive_area(truths, scores):
    """Return the chance that a tag of the clip is scored above one that is not, ties half."""
    areas = []
    for true, of_clip in zip(truths, scores):
        has, has_not = of_clip[true == 1], of_clip[true == 0]
        if len(has) and len(has_not):
            wins = [(a > b) + (a == b) / 2 for a in has for b in has_not]
            areas.append(np.mean(wins))
    return np.mean(areas), len(areas)


def test_auc_is_averaged_over_clips_that_have_some_tags_and_not_all(music):
    tags = (np.arange(6 * 50).reshape(6, 50) % 7 < 2).astype(np.float32)
    tags[1], tags[4] = 0, 1
    at = network("at", music)
    found = AT.score(at, music, Truth(tags))
    with torch.inference_mode():
        logits = at(torch.from_numpy(music)).numpy()
    area, clips = naive_area(tags, logits)
    assert (found.value, found.clips) == (pytest.approx(area), clips)
    assert clips == 4


def test_auc_of_no_such_clip_is_refused(music):
    with pytest.raises(UndefinedMeasureError, match=r"AUC_C needs a clip .* of 6 none has"):
        AT.score(network("at", music), music, Truth(np.ones((6, 50), np.float32)))
