"""Signals that tests give to transformations, and what they measure of the output."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from scipy.signal import correlate, welch

from pytest_nnrel import Clip

RATE = 22_050


def tone(hz, seconds=4.0, rate=RATE):
    time = np.arange(round(seconds * rate)) / rate
    return Clip(f"{hz} Hz", (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32), rate)


def noise(seconds=4.0, rate=RATE, seed=0):
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return Clip(f"noise {seed}", samples.astype(np.float32), rate)


def without_gain(transform, clip, **options):
    """Return transformed samples as they were before their loudness was restored, float64[n]."""
    transformed = transform.apply_checked(clip, **options)
    gain = transformed.checks.get("loudness_gain_db", 0.0)
    return transformed.clip.samples.astype(np.float64) * 10 ** (-gain / 20)


def rendered(transform, clip):
    """Return what a transformation makes of a clip, loudness not restored, float64[n]."""
    out = transform.render(clip.samples.copy(), clip.sample_rate, np.random.default_rng(0))
    return np.asarray(out[0] if isinstance(out, tuple) else out, dtype=np.float64)


def decibels(signal, noise):
    return 10 * math.log10(np.mean(np.square(signal)) / np.mean(np.square(noise)))


def lag_of(out, samples):
    """Return by how many samples an output lags, by the whole cross-correlation."""
    return int(correlate(out, samples, "full", "fft").argmax()) - (len(samples) - 1)


def response_of(transform, frequencies, rate=RATE):
    """Return the gain of a transformation at frequencies in dB, by noise through it."""
    clip = noise(seconds=16.0, rate=rate)
    hertz, before = welch(clip.samples.astype(np.float64), rate, nperseg=8192)
    _, after = welch(rendered(transform, clip), rate, nperseg=8192)
    return np.interp(frequencies, hertz, 10 * np.log10(after / before))


def sequences(shortest, longest, dimensions=3):
    """Draw frames of noise, float32[frames, dimensions]."""
    return st.builds(
        lambda seed, n: (
            np.random.default_rng(seed).normal(0, 5, size=(n, dimensions)).astype(np.float32)
        ),
        st.integers(0, 2**32 - 1),
        st.integers(shortest, longest),
    )
