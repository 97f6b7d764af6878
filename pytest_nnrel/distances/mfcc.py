"""The features that audio distances compare: MFCCs as the paper takes them (section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel import audio

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.corpus import Clip

    Frames = npt.NDArray[np.float32]

#: librosa's defaults, at the rate that the paper works at.
SAMPLE_RATE = 22_050
N_FFT = 2048
HOP = 512
MEL_BANDS = 128
#: 25 coefficients, of which the first (level) is dropped.
COEFFICIENTS = 25


def mfcc_frames(samples: audio.Samples, sample_rate: float, *, n_fft: int, hop: int) -> Frames:
    """Return MFCCs without the first coefficient.

    Parameters
    ----------
    samples : float32[n]
    sample_rate : float
        In Hz.
    n_fft, hop : int
        In samples.

    Returns
    -------
    float32[1 + n // hop, 24]
    """
    import librosa

    coefficients = librosa.feature.mfcc(
        y=samples,
        sr=sample_rate,
        n_mfcc=COEFFICIENTS,
        n_fft=n_fft,
        hop_length=hop,
        n_mels=MEL_BANDS,
    )
    return np.ascontiguousarray(coefficients[1:].T, dtype=np.float32)


def audio_features(clip: Clip) -> Frames:
    """Return what audio distances compare: the MFCCs of a whole clip.

    Parameters
    ----------
    clip : Clip
        Usually cut to its window already. Resampled to 22,050 Hz, where the MFCCs are defined.

    Returns
    -------
    float32[frames, 24]
        87 frames for 2 s. 2,048-point FFT, hop 512, 128 mel bands, coefficients 1 to 24
        (paper section 3.2; librosa's defaults).
    """
    samples = audio.resample(clip.samples, clip.sample_rate, SAMPLE_RATE)
    return mfcc_frames(samples, SAMPLE_RATE, n_fft=N_FFT, hop=HOP)
