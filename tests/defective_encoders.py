"""Small encoders, sound ones and ones with a defect that was met in practice.

`SOUND` maps names to functions that make an encoder. Which check must catch a defective one, the
test of the check says.
"""

from __future__ import annotations

import librosa
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from pytest_nnrel import MFCCEncoder  # noqa: E402

RATE = 22_050
FRAME = 512
BANDS = 16

# ---------------------------------------------------------------------------------------------
# Sound ones


def log_frames(batch, frame=FRAME, floor=1e-3):
    """Return log magnitudes, float[n, frames, BANDS], of frames that do not overlap."""
    frames = batch[:, : batch.shape[1] // frame * frame].reshape(len(batch), -1, frame)
    spectra = np.abs(np.fft.rfft(frames * np.hanning(frame)))
    bands = np.array_split(spectra, BANDS, axis=2)
    return np.log(np.stack([band.mean(axis=2) for band in bands], axis=2) + floor)


def log_bands(batch):
    """Return means and deviations of log magnitudes over time."""
    frames = log_frames(batch)
    return np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1)


class LogMelCNN(nn.Module):
    """Convolutions on log-mel bands, pooled over time and frequency."""

    def __init__(self, seed, norm=nn.BatchNorm2d):
        super().__init__()
        torch.manual_seed(seed)
        mel = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=48)
        self.register_buffer("mel", torch.from_numpy(mel))
        self.register_buffer("window", torch.hann_window(1024))
        layers = []
        for before, channels in ((1, 8), (8, 16), (16, 32)):
            layers += [nn.Conv2d(before, channels, 3, padding=1), norm(channels), nn.ReLU()]
            layers += [nn.MaxPool2d(2), nn.Dropout(0.2)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(32, 24)

    def forward(self, audio):
        power = torch.stft(audio, 1024, 512, window=self.window, return_complex=True).abs() ** 2
        image = torch.log(self.mel @ power + 1e-6)[:, None]
        return self.head(self.layers(image).mean(dim=(2, 3)))


class PatchTransformer(nn.Module):
    """A transformer on patches of a log spectrum, at 16 kHz, averaged over patches."""

    sample_rate = 16_000

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.register_buffer("window", torch.hann_window(512))
        self.patches = nn.Conv1d(256, 32, 8, stride=8)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.positions = nn.Parameter(0.02 * torch.randn(256, 32))

    def forward(self, audio):
        spectrum = torch.stft(audio, 512, 160, window=self.window, return_complex=True).abs()
        patches = self.patches(torch.log(spectrum[:, :256] + 1e-4)).transpose(1, 2)
        return self.layers(patches + self.positions[: patches.shape[1]]).mean(dim=1)


def unlike_scales(batch):
    """Return level, centroid in Hz and rate of zero crossings, each in its own unit."""
    power = np.abs(np.fft.rfft(batch, axis=1)) ** 2
    frequencies = np.fft.rfftfreq(batch.shape[1], 1 / 22_050)
    level = np.sqrt((batch**2).mean(axis=1))
    centroid = power @ frequencies / (power.sum(axis=1) + 1e-9)
    crossings = (np.diff(np.signbit(batch), axis=1) != 0).mean(axis=1)
    return np.stack([level, centroid, crossings], axis=1).astype(np.float32)


SOUND = {
    "mfcc": MFCCEncoder,
    "bands": lambda: log_bands,
    "unlike scales": lambda: unlike_scales,
    **{f"cnn {seed}": lambda seed=seed: LogMelCNN(seed) for seed in range(3)},
    **{f"transformer {seed}": lambda seed=seed: PatchTransformer(seed) for seed in range(3)},
}

# ---------------------------------------------------------------------------------------------
# Random, and with a memory


class RandomCrop:
    """Encodes a random half, as in training, from a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def encode(self, batch):
        length = batch.shape[1] // 2
        first = int(self.rng.integers(length))
        return log_bands(batch[:, first : first + length])


class RunningMean:
    """Subtracts a moving mean of what it has encoded."""

    def __init__(self):
        self.mean = np.zeros(2 * BANDS)

    def encode(self, batch):
        embeddings = log_bands(batch)
        self.mean = 0.8 * self.mean + 0.2 * embeddings.mean(axis=0)
        return embeddings - self.mean


class FunctionalDropout(LogMelCNN):
    """Calls dropout as a function, whose default is to drop."""

    def forward(self, audio):
        return functional.dropout(super().forward(audio), 0.3)


def numpy_dither(batch):
    """Add dither from numpy's global generator."""
    return log_bands(batch + 1e-4 * np.random.randn(*batch.shape))


def torch_dither(batch):
    """Add dither, far below the floor, from torch's global generator."""
    return log_bands(batch + 1e-9 * torch.randn(batch.shape).numpy())


def seeds_the_world(batch):
    """Seed numpy's global generator, to be reproducible."""
    np.random.seed(0)
    return log_bands(batch) @ np.random.standard_normal((2 * BANDS, 24))


# ---------------------------------------------------------------------------------------------
# In training mode


def in_training_mode(norm=nn.BatchNorm2d, dropout=0.2):
    """Return a callable that keeps a module which nobody has put in evaluation mode."""
    model = LogMelCNN(0, norm).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout

    def encode(batch):
        with torch.no_grad():
            return model(torch.from_numpy(batch))

    return encode


class StaysInTraining(LogMelCNN):
    """Overrides train(), to keep a part frozen, and so eval() too."""

    def train(self, mode=True):
        return self


# ---------------------------------------------------------------------------------------------
# Clips of a batch that know of each other


def batch_peak(batch):
    """Divide by the peak of the batch."""
    return log_bands(batch / np.abs(batch).max())


def batch_standardised(batch):
    """Standardise the embeddings over the batch."""
    embeddings = log_bands(batch)
    return (embeddings - embeddings.mean(axis=0)) / (embeddings.std(axis=0) + 1e-3)


def squeezed(batch):
    """Drop every axis of length 1, that of a batch of 1 among them."""
    return np.squeeze(log_bands(batch)[:, None])


def place_in_batch(batch):
    """Add a positional encoding along the wrong axis."""
    return log_bands(batch) + np.sin(np.arange(len(batch)))[:, None]


class RecurrentOverBatch(nn.Module):
    """A recurrent layer that takes the batch for time."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.recurrent = nn.GRU(2 * BANDS, 16)

    def forward(self, audio):
        features = torch.from_numpy(log_bands(audio.numpy())).float()
        return self.recurrent(features[:, None])[0][:, 0]


# ---------------------------------------------------------------------------------------------
# Brittle where nothing is heard


def last_frame(batch):
    """Take the last frame for the whole."""
    return log_frames(batch)[:, -1]


def attends_to_silence(batch):
    """Weight frames by a softmax of the wrong sign."""
    frames = log_frames(batch)
    scores = -10.0 * frames.mean(axis=2)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return (weights[:, :, None] * frames).sum(axis=1)


def flattened(batch):
    """Flatten frames, so that the size depends on the length."""
    return log_frames(batch).reshape(len(batch), -1)


def decimated_samples(batch):
    """Take every 64th sample after pre-emphasis, phase and all."""
    return (batch[:, 1:] - 0.97 * batch[:, :-1])[:, ::64]


def level_classes(batch):
    """Tell the level of each tenth of the window in classes of 1 dB."""
    parts = np.stack(np.array_split(batch[:, : batch.shape[1] // 10 * 10], 10, axis=1), axis=1)
    level = 10.0 * np.log10(np.square(parts).mean(axis=2) + 1e-10)
    return np.eye(128)[np.clip(level.astype(int) + 110, 0, 127)].reshape(len(batch), -1)


def last_bits(batch):
    """Look for the quantisation of the file that the samples came from."""
    steps = batch * 32768.0
    residual = (steps - np.round(steps)).reshape(len(batch), -1)
    parts = np.array_split(residual, BANDS, axis=1)
    return np.log(np.stack([np.square(part).mean(axis=1) for part in parts], axis=1) + 1e-9)


def takes_bytes_for_float32(batch):
    """Take bytes for float32, whatever they are."""
    samples = np.frombuffer(batch.tobytes(), np.float32).reshape(len(batch), -1)
    return log_bands(np.nan_to_num(samples, posinf=0.0, neginf=0.0).clip(-1.0, 1.0))


def scales_by_dtype(batch):
    """Take float64 for samples of 16 bits that were converted."""
    return log_bands(batch / 32768.0 if batch.dtype == np.float64 else batch)


def next_to_nyquist(batch):
    """Return the levels of the topmost 4 % of the spectrum."""
    spectra = np.abs(np.fft.rfft(batch * np.hanning(batch.shape[1])))
    top = np.array_split(spectra[:, -spectra.shape[1] // 25 :], 6, axis=1)
    return np.log(np.stack([band.mean(axis=1) for band in top], axis=1) + 1e-6)


# ---------------------------------------------------------------------------------------------
# No embeddings


def log_of_zero(batch):
    """Take a logarithm without a floor."""
    return log_bands(batch) + np.log(np.square(batch).mean(axis=1, keepdims=True))


def standardised_samples(batch):
    """Divide by a deviation that is zero in silence."""
    centred = batch - batch.mean(axis=1, keepdims=True)
    return log_bands(centred / batch.std(axis=1, keepdims=True))


def root_of_negative(batch):
    """Take the root of what is negative for some clips."""
    embeddings = log_bands(batch)
    return np.concatenate([embeddings, np.sqrt(embeddings[:, 2:3] + 0.5)], axis=1)


def truncated_to_integers(batch):
    """Convert to 16 bits without scaling: all is zero."""
    return log_bands(batch.astype(np.int16) / 32768.0)


def only_level(batch):
    """Project on a line."""
    return log_bands(batch).mean(axis=1, keepdims=True) * np.linspace(-1.0, 1.0, 24)


def deaf_to_quiet_clips(batch):
    """Return one embedding for all clips below a level."""
    quiet = np.sqrt((batch**2).mean(axis=1)) < 0.155
    return np.where(quiet[:, None], np.float32(0), log_bands(batch))


def dead_units(batch):
    """End in rectified units of which one in 32 is ever active."""
    embeddings = np.zeros((len(batch), 32 * BANDS))
    embeddings[:, ::32] = log_frames(batch).mean(axis=1)
    return embeddings


# ---------------------------------------------------------------------------------------------
# With effects elsewhere


def normalises_in_place(batch):
    """Normalise the caller's array."""
    batch *= 0.1 / (np.sqrt(np.square(batch).mean(axis=1, keepdims=True)) + 1e-6)
    return log_bands(batch)


class RemovesMeanInPlace(LogMelCNN):
    """Removes the mean from the tensor that it was given."""

    def forward(self, audio):
        audio -= audio.mean(dim=1, keepdim=True)
        return super().forward(audio)


def hashed_weights(batch):
    """Seed the weights by the hash of a text, which every process takes anew."""
    rng = np.random.default_rng(hash("projection") % 2**32)
    return log_bands(batch) @ rng.standard_normal((2 * BANDS, 24))


_WEIGHTS = np.random.default_rng().standard_normal((2 * BANDS, 24))


def weights_of_the_import(batch):
    """Project by weights that were drawn when the module was imported."""
    return log_bands(batch) @ _WEIGHTS
