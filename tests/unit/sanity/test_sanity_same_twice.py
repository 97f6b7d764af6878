"""The check same_twice."""

import defective_encoders as zoo
import numpy as np

from pytest_nnrel import check_encoder


def own_generator(batch):
    """Add noise that is the window's own."""
    seeds = [abs(int(1e6 * window.sum(dtype=np.float64))) for window in batch]
    noise = [np.random.default_rng(seed).standard_normal(batch.shape[1]) for seed in seeds]
    return zoo.log_bands(batch + 1e-4 * np.array(noise))


CAUGHT = {
    "random crop": zoo.RandomCrop,
    "running mean": zoo.RunningMean,
    "functional dropout": lambda: zoo.FunctionalDropout(0),
}
PASSED = {
    "a generator of its own, seeded by the content": lambda: own_generator,
}


def test_a_second_run_that_fails_is_a_finding(short):
    calls = []

    def encode(batch):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("out of streams")
        return zoo.log_bands(batch)

    (finding,) = check_encoder(encode, corpus=short, checks="same_twice").findings
    assert "out of streams" in finding.seen
    assert finding.size is None


def test_what_is_found_in_a_random_encoder_is_the_same_each_time(short):
    found = []
    for seed in (1, 2):
        np.random.seed(seed)
        report = check_encoder(zoo.numpy_dither, corpus=short, checks="same_twice")
        found.append(report.findings)
    assert found[0] == found[1]
    assert found[0][0].size > 0
