"""The check ragged: whether padding leaks from one waveform of a batch into another."""

import defective_encoders as zoo
import numpy as np
import pytest
import torch
from torch.nn import functional

from pytest_nnrel import assert_encoder_sane, check_encoder
from pytest_nnrel.encoders import as_encoder

FRAME = 512


def padded(waveforms):
    """Return waveforms as rows, zeros behind them, and how many frames of each are its own."""
    longest = max(map(len, waveforms))
    rows = np.stack([np.pad(each, (0, longest - len(each))) for each in waveforms])
    return rows, np.array([len(each) // FRAME for each in waveforms])


def pooled(waveforms, *, masked=True, frames=zoo.log_frames, extra=0):
    rows, own = padded(waveforms)
    values = frames(rows)
    own = (
        np.minimum(own + extra, values.shape[1]) if masked else np.full(len(rows), values.shape[1])
    )
    return np.stack([row[:count].mean(axis=0) for row, count in zip(values, own)])


def standardised(waveforms, *, masked):
    """Take off mean and deviation: of the waveform, or of what it is padded to."""
    rows, _ = padded(waveforms)
    lengths = [len(each) if masked else rows.shape[1] for each in waveforms]
    rows = np.stack([row / row[:length].std() for row, length in zip(rows, lengths)])
    return pooled([row[: len(each)] for row, each in zip(rows, waveforms)])


class Attention(torch.nn.Module):
    """One layer of attention over frames, with or without telling it which are padding."""

    def __init__(self, *, masked):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.TransformerEncoderLayer(zoo.BANDS, 2, 32, batch_first=True)
        self.masked = masked

    @torch.no_grad()
    def ragged(self, waveforms):
        self.eval()
        rows, own = padded(waveforms)
        frames = torch.from_numpy(zoo.log_frames(rows).astype(np.float32))
        behind = torch.arange(frames.shape[1])[None] >= torch.from_numpy(own)[:, None]
        seen = self.layer(frames, src_key_padding_mask=behind if self.masked else None)
        return (seen * ~behind[..., None]).sum(1) / torch.from_numpy(own)[:, None]

    def forward(self, audio):
        return self.ragged(list(audio.numpy()))


def of_bands(**options):
    return lambda: as_encoder(zoo.log_bands, ragged=lambda each: pooled(each, **options))


CAUGHT = {
    "mean over padding": of_bands(masked=False),
    "a frame too many": of_bands(extra=1),
    "no attention mask": lambda: with_ragged(Attention(masked=False)),
    "padding standardised": lambda: as_encoder(
        zoo.log_bands, ragged=lambda each: standardised(each, masked=False)
    ),
    "floor of the batch": of_bands(
        frames=lambda rows: np.maximum(zoo.log_frames(rows), np.median(zoo.log_frames(rows)))
    ),
}
PASSED = {
    "masked mean": of_bands(),
    "attention mask": lambda: with_ragged(Attention(masked=True)),
    "standardised": lambda: as_encoder(
        zoo.log_bands, ragged=lambda each: standardised(each, masked=True)
    ),
    "one by one": lambda: as_encoder(
        zoo.log_bands, ragged=lambda each: np.concatenate([zoo.log_bands(w[None]) for w in each])
    ),
    "tensors": lambda: as_encoder(
        zoo.log_bands, ragged=lambda each: functional.normalize(torch.tensor(pooled(each)))
    ),
}


def with_ragged(model):
    return as_encoder(model, ragged=model.ragged)


def test_an_encoder_that_takes_one_length_is_not_asked(corpus):
    report = check_encoder(zoo.log_bands, corpus=corpus, checks="ragged")
    assert report.passed == report.findings == ()
    assert "ragged=" in report.skipped["ragged"]


def test_the_message_says_how_far_padding_moves_clips(corpus):
    with pytest.raises(AssertionError) as caught:
        assert_encoder_sane(CAUGHT["mean over padding"](), corpus=corpus, checks="ragged")
    message = str(caught.value)
    assert "ragged: alone against padded among longer ones" in message
    assert "no attention mask" in message
    assert "of the spread" in message


def test_the_size_is_in_spreads_of_the_windows(corpus):
    encoder = CAUGHT["mean over padding"]()
    (finding,) = check_encoder(encoder, corpus=corpus, checks="ragged").findings
    assert 0.1 < finding.size < 100.0


def test_it_raises_on_some_lengths_is_a_finding(corpus):
    def picky(waveforms):
        if len({len(each) for each in waveforms}) > 1:
            raise ValueError("expected equal lengths")
        return pooled(waveforms)

    encoder = as_encoder(zoo.log_bands, ragged=picky)
    (finding,) = check_encoder(encoder, corpus=corpus, checks="ragged").findings
    assert "expected equal lengths" in finding.seen
    assert "22050 Hz" in finding.seen


class Dropping(torch.nn.Module):
    """Drops out in training mode, in which a model comes that is made of a configuration."""

    def __init__(self):
        super().__init__()
        self.dropout = torch.nn.Dropout(0.5)

    def ragged(self, waveforms):
        return self.dropout(torch.tensor(pooled(waveforms)))

    def forward(self, audio):
        return self.ragged(list(audio.numpy()))


def test_a_module_is_run_as_it_is_for_measures(corpus):
    model = Dropping().train()
    report = check_encoder(with_ragged(model), corpus=corpus, checks="ragged")
    assert report.passed == ("ragged",)
    assert model.training


def test_what_is_random_is_not_blamed_on_padding(corpus):
    model = Dropping().train()
    encoder = as_encoder(zoo.log_bands, ragged=model.ragged)
    (finding,) = check_encoder(encoder, corpus=corpus, checks="ragged").findings
    assert "alone twice" in finding.seen
    assert "model.eval()" in finding.seen
