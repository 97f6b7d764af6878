"""The features that audio distances compare: MFCCs as the paper takes them (section 3.2)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.corpus import audio
from pytest_nnrel.corpus.clip import as_clip

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.corpus import Clip

    Frames = npt.NDArray[np.float32]

#: librosa's defaults, at the rate that the paper works at.
SAMPLE_RATE = 22_050
N_FFT = 2048
HOP = 512
MEL_BANDS = 128
#: Floor of a band's power, and range below the loudest band that counts (librosa's defaults).
_LEAST_POWER = 1e-10
_DYNAMIC_RANGE_DB = 80.0
#: Slaney's mel scale: Hz of a mel below 1 kHz, and the logarithm of a mel's factor above.
_HZ_PER_MEL = 200.0 / 3
_LOG_STEP = np.log(6.4) / 27
#: 25 coefficients, of which the first (level) is dropped.
COEFFICIENTS = 25


def mfcc_frames(samples: audio.Samples, sample_rate: float, *, n_fft: int, hop: int) -> Frames:
    """Return MFCCs without the first coefficient, as librosa defines them.

    Transforms run in float32, as librosa's do; what comes after them in float64.

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
    from scipy.fft import dct, rfft

    # As librosa.feature.mfcc does it: frames are centred on multiples of the hop, zeros outside.
    padded = np.pad(np.asarray(samples, np.float32), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    spectrum = rfft(frames * _window(n_fft), axis=-1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    bands = _mel_filters(sample_rate, n_fft) @ power.T
    decibels = 10.0 * np.log10(np.maximum(bands, _LEAST_POWER))
    decibels = np.maximum(decibels, decibels.max() - _DYNAMIC_RANGE_DB)
    coefficients = dct(decibels, axis=0, norm="ortho")[1:COEFFICIENTS]
    return np.ascontiguousarray(coefficients.T, dtype=np.float32)


@cache
def _window(n_fft: int) -> npt.NDArray[np.float32]:
    """Return a Hann window that is periodic, as a spectrum's should be."""
    return np.asarray(np.hanning(n_fft + 1)[:-1], dtype=np.float32)


@cache
def _mel_filters(sample_rate: float, n_fft: int) -> Any:  # noqa: ANN401  (scipy is untyped)
    """Return the mel filters as a sparse matrix: nearly all of it is zero."""
    from scipy.sparse import csr_array

    return csr_array(mel_filters(sample_rate, n_fft, MEL_BANDS))


def mel_filters(sample_rate: float, n_fft: int, bands: int) -> npt.NDArray[np.float64]:
    """Return triangular filters, evenly spaced on Slaney's mel scale from 0 Hz to half the rate.

    The scale is linear below 1 kHz and logarithmic above; a filter's area is the same for all
    (Slaney, Auditory Toolbox, 1998). These are the defaults of ``librosa.filters.mel``, without the
    second that its import takes.

    Parameters
    ----------
    sample_rate : float
        In Hz.
    n_fft, bands : int

    Returns
    -------
    float64[bands, 1 + n_fft // 2]
    """
    top = sample_rate / 2
    knee = 1000.0 / _HZ_PER_MEL
    highest = knee + np.log(top / 1000.0) / _LOG_STEP if top >= 1000.0 else top / _HZ_PER_MEL
    mels = np.linspace(0.0, highest, bands + 2)
    above = 1000.0 * np.exp(_LOG_STEP * np.maximum(mels - knee, 0.0))
    edges = np.where(mels < knee, _HZ_PER_MEL * mels, above)
    distance = edges[:, None] - np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    width = np.diff(edges)[:, None]
    rising, falling = -distance[:-2] / width[:-1], distance[2:] / width[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None])


def mfcc_tensor(
    windows: audio.Samples,
    sample_rate: float,
    *,
    n_fft: int,
    hop: int,
    device: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401  (a tensor)
    """Return what `mfcc_frames` does for many windows, computed on a torch device and left there.

    Parameters
    ----------
    windows : float32[k, n]
        An array, or a tensor.
    sample_rate, n_fft, hop
        As in `mfcc_frames`.
    device : torch.device

    Returns
    -------
    torch.Tensor
        float64[k, 1 + n // hop, 24].
    """
    import torch
    from scipy.fft import dct

    cosines = dct(np.eye(MEL_BANDS), axis=0, norm="ortho")[1:COEFFICIENTS].T
    taper, filters, transform = (
        torch.from_numpy(np.ascontiguousarray(array)).to(device)
        for array in (_window(n_fft), _mel_filters(sample_rate, n_fft).toarray(), cosines)
    )
    signal = torch.as_tensor(windows).to(device)
    spectrum = torch.stft(
        signal, n_fft, hop, window=taper, center=True, pad_mode="constant", return_complex=True
    )
    power = torch.view_as_real(spectrum).square().sum(-1).double()
    decibels = 10.0 * torch.log10((filters @ power).clamp_min(_LEAST_POWER))
    floor = decibels.amax(dim=(1, 2), keepdim=True) - _DYNAMIC_RANGE_DB
    return torch.maximum(decibels, floor).transpose(1, 2) @ transform


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

    Raises
    ------
    CorpusError
        If it is no clip.
    """
    clip = as_clip(clip, "audio_features")
    samples = audio.resample(clip.samples, clip.sample_rate, SAMPLE_RATE)
    return mfcc_frames(samples, SAMPLE_RATE, n_fft=N_FFT, hop=HOP)
