"""Objects that take audio in a form of their own: the line that the message says is run here."""

import os
import re

import numpy as np
import pytest
import soundfile
from trial import RATE, bands

from pytest_nnrel import EncoderError, as_encoder, wav_files


def line_of(model, windows, **options):
    """The line that a message ends with, and the encoder that it makes."""
    with pytest.raises(EncoderError) as caught:
        as_encoder(model, **options).encode(windows, RATE)
    found = re.search(r"; (?P<where>[^;]*): (?P<code>as_encoder\(.*\))$", str(caught.value))
    assert found, caught.value
    names = {"as_encoder": as_encoder, "np": np, "model": model, "wav_files": wav_files}
    if "torch" in found["code"]:
        names["torch"] = pytest.importorskip("torch")
    return found["where"], found["code"], eval(found["code"], names)


# Functions


def of_one_row(batch):
    (window,) = batch
    return bands(window[None])


def of_a_window(window):
    if np.ndim(window) != 1:
        raise ValueError("expected a signal")
    return bands(window[None])[0]


def of_a_list(windows):
    if not isinstance(windows, list):
        raise TypeError("expected a list")
    return [bands(window[None])[0] for window in windows]


def of_channels(batch):
    return bands(batch[:, 0, :])


def of_a_mapping(inputs):
    assert inputs["sampling_rate"] == RATE
    return bands(inputs["audio_batch"])


def of_a_mapping_of_one(inputs):
    return of_a_window(inputs["array"])


def by_name(*, waveform):
    return bands(waveform)


def of_a_pair(pair):
    window, rate = pair
    assert rate == RATE
    return bands(window[None])


def of_pairs(pairs):
    return np.stack([of_a_pair(pair)[0] for pair in pairs])


def of_a_path(path):
    window, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return of_a_window(window)


class OfAList:
    sample_rate = RATE

    def encode(self, windows):
        return of_a_list(windows)


FUNCTIONS = {
    of_one_row: ("one window at a time", "as_encoder(model, batch_size=1)"),
    of_a_window: (
        "one window at a time, of one axis",
        "as_encoder(lambda batch: np.stack([model(window) for window in batch]))",
    ),
    of_a_list: ("a list", "as_encoder(lambda batch: np.stack(model(list(batch))))"),
    of_channels: ("an axis of channels", "as_encoder(lambda batch: model(batch[:, None]))"),
    of_a_mapping: (
        "a mapping",
        "as_encoder(lambda batch, sample_rate:"
        ' model({"sampling_rate": sample_rate, "audio_batch": batch}))',
    ),
    of_a_mapping_of_one: (
        "a mapping of one",
        'as_encoder(lambda batch: np.stack([model({"array": window}) for window in batch]))',
    ),
    by_name: ("its input by name", "as_encoder(lambda batch: model(waveform=batch))"),
    of_a_pair: (
        "one window with its sample rate",
        "as_encoder(lambda batch, sample_rate:"
        " np.concatenate([model((window, sample_rate)) for window in batch]))",
    ),
    of_pairs: (
        "pairs of window and sample rate",
        "as_encoder(lambda batch, sample_rate: model([(window, sample_rate) for window in batch]))",
    ),
    of_a_path: (
        "paths of files",
        "as_encoder(lambda batch, sample_rate:"
        " np.stack([model(path) for path in wav_files(batch, sample_rate)]))",
    ),
    OfAList(): (
        "a list",
        "as_encoder(lambda batch: np.stack(model.encode(list(batch))), sample_rate=16000)",
    ),
}


@pytest.mark.parametrize("model", FUNCTIONS, ids=lambda m: getattr(m, "__name__", "OfAList"))
def test_a_function_is_told_the_line_that_runs_it(model, windows):
    where, code, encoder = line_of(model, windows)
    said, expected = FUNCTIONS[model]
    assert where.startswith(f"it takes {said}")
    assert code == expected
    np.testing.assert_allclose(encoder.encode(windows, RATE), bands(windows), rtol=1e-5)


def test_options_are_kept(windows):
    def frames(pair):
        window, _ = pair
        return {"frames": np.stack([bands(window[None])[0]] * 3), "rate": RATE}

    options = {"output": 0, "pool": "mean", "pool_axis": 1, "sample_rate": 8000}
    _, code, encoder = line_of(
        lambda batch: [np.stack([frames(pair)["frames"] for pair in batch])],
        windows[:, ::2],
        **options,
    )
    assert code.endswith(", output=0, pool='mean', pool_axis=1, sample_rate=8000)")
    assert encoder.sample_rate == 8000
    assert encoder.encode(windows, RATE).shape == (6, 12)


def test_where_no_line_does_nothing_is_said(windows):
    def broken(batch):
        raise OSError("no such file: weights.pt")

    with pytest.raises(EncoderError, match=r"no such file: weights\.pt$"):
        as_encoder(broken).encode(windows, RATE)


def test_what_raises_for_what_windows_hold_is_told_no_line(windows):
    def picky(batch):
        if np.ndim(batch) == 2 and (batch == windows[1]).all(axis=1).any():
            raise ValueError("silence")
        return bands(batch)

    with pytest.raises(EncoderError, match=r"silence$"):
        as_encoder(picky).encode(windows, RATE)


# Torch modules


def modules():
    torch = pytest.importorskip("torch")

    class Module(torch.nn.Module):
        sample_rate = RATE

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(2000, 3)
            self.dropout = torch.nn.Dropout(0.5)

        def embed(self, audio):
            return self.dropout(self.layer(audio))

    class OfChannels(Module):
        def forward(self, audio):
            return self.embed(audio[:, 0, :])

    class OfAWindow(Module):
        def forward(self, window):
            assert window.ndim == 1
            return self.embed(window)

    class OfAList(Module):
        def forward(self, windows):
            assert isinstance(windows, list)
            return self.embed(torch.stack(windows))

    class OfAMapping(Module):
        def forward(self, inputs):
            assert inputs["sr"] == RATE
            return self.embed(inputs["wav"])

    class ByName(Module):
        def forward(self, *, wav):
            return self.embed(wav)

    class OfAPair(Module):
        def forward(self, pair):
            audio, rate = pair
            assert rate == RATE
            return self.embed(audio)

    class OfArrays(Module):
        def forward(self, audio):
            return self.embed(torch.from_numpy(audio))

    class OfGradients(Module):
        def forward(self, audio):
            embedding = self.embed(audio)
            (gradient,) = torch.autograd.grad(
                embedding.mean(0).sum(), self.layer.bias, retain_graph=True
            )
            return embedding * gradient

    return {
        OfChannels: ("an axis", "(model, lambda batch: batch[:, None])"),
        OfAWindow: (
            "one window at a time, of one axis",
            "lambda batch: torch.stack([model.eval()(window)"
            " for window in torch.from_numpy(batch)])",
        ),
        OfAList: ("a list", "(model, list)"),
        OfAMapping: (
            "a mapping",
            '(model, lambda batch, sample_rate: ({"sr": sample_rate, "wav": batch},))',
        ),
        ByName: ("its input by name", '(model, lambda batch: {"wav": batch})'),
        OfAPair: (
            "windows with their",
            "(model, lambda batch, sample_rate: ((batch, sample_rate),))",
        ),
        OfArrays: ("arrays", "lambda batch: model.eval()(batch)"),
        OfGradients: ("gradients", "lambda batch: model.eval()(torch.from_numpy(batch))"),
    }


def test_a_module_is_told_the_line_that_runs_it(windows):
    import torch

    for kind, (said, expected) in modules().items():
        model = kind().train()
        where, code, encoder = line_of(model, windows)
        assert all(part.training for part in model.modules()), "left in another mode"
        assert re.match(rf"it (takes|needs) {said}", where)
        assert code == f"as_encoder({expected}, sample_rate=16000)"
        with torch.no_grad():
            embeddings = model.layer(torch.from_numpy(windows)).numpy()
        np.testing.assert_allclose(encoder.encode(windows, RATE), embeddings, rtol=1e-4, atol=1e-6)


def test_a_method_is_named_in_the_line(windows):
    torch = pytest.importorskip("torch")

    class Module(torch.nn.Module):
        def embed(self, audio):
            return audio[:, 0, :3]

    model = Module()
    _, code, encoder = line_of(model, windows, method="embed")
    assert code == "as_encoder((model, lambda batch: batch[:, None]), method='embed')"
    np.testing.assert_array_equal(encoder.encode(windows, RATE), windows[:, :3])
    with pytest.raises(EncoderError) as caught:
        as_encoder(model.embed).encode(windows, RATE)
    assert str(caught.value).endswith(code)


def test_one_vector_of_several_windows_is_told_the_line_as_well(windows):
    torch = pytest.importorskip("torch")

    class First(torch.nn.Module):
        def forward(self, audio):
            return audio.reshape(-1)[:3]

    _, code, encoder = line_of(First(), windows)
    assert "for window in torch.from_numpy(batch)" in code
    np.testing.assert_array_equal(encoder.encode(windows, RATE), windows[:, :3])


# Outputs beside the embedding


def test_frames_beside_their_times_are_chosen_and_pooled_in_one_line(windows):
    def model(batch, sr):
        frames = batch.reshape(len(batch), 20, 100)
        return frames, np.arange(20) / sr

    with pytest.raises(EncoderError) as caught:
        as_encoder(model).encode(windows, RATE)
    code = str(caught.value).rpartition(": ")[2]
    assert code == 'as_encoder(model, output=0, pool="mean")'
    encoder = eval(code)
    expected = windows.reshape(6, 20, 100).mean(1)
    np.testing.assert_allclose(encoder.encode(windows, RATE), expected, rtol=1e-5, atol=1e-7)


# Files


def test_windows_are_files_one_by_one(windows):
    seen = []
    for path, window in zip(wav_files(windows, RATE), windows, strict=True):
        samples, rate = soundfile.read(path, dtype="float32")
        np.testing.assert_array_equal(samples, window)
        assert rate == RATE
        seen.append(path)
    for path in seen:
        with pytest.raises(soundfile.LibsndfileError):
            soundfile.read(path)


# Autocast


def test_autocast_around_a_measurement_is_that_of_the_module(windows):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Linear(2000, 3)
    plain = as_encoder(model)
    single, known = plain.encode(windows, RATE), plain.fingerprint
    with torch.autocast("cpu", torch.bfloat16):
        half, known_so = plain.encode(windows, RATE), plain.fingerprint
        expected = model(torch.from_numpy(windows)).float().detach().numpy()
    np.testing.assert_array_equal(half, expected)
    assert (half != single).any()
    assert known_so != known


# Lines that nothing has run


def test_lines_of_outputs_are_those_of_a_module_too(windows):
    torch = pytest.importorskip("torch")

    class Columns(torch.nn.Module):
        def forward(self, audio):
            return audio[:, :6].T

    class Rows(torch.nn.Module):
        def forward(self, audio):
            return list(audio[:, :6])

    class Offset(torch.nn.Module):
        def forward(self, audio):
            return 1e9 + audio[:, :6].double()

    for kind, end in {Columns: "", Rows: "; where", Offset: ""}.items():
        model = kind()
        with pytest.raises(EncoderError) as caught:
            as_encoder(model).encode(windows, RATE)
        code = re.findall(rf": (as_encoder\(lambda.*\)){end}", str(caught.value))[0]
        encoder = eval(code, {"as_encoder": as_encoder, "torch": torch, "offset": 1e9} | locals())
        found = encoder.encode(windows, RATE)
        np.testing.assert_allclose(found, windows[:, :6], atol=1e-6)


def test_what_libraries_write_of_lines_that_do_not_work_is_not_heard(windows, capfd):
    def of_a_loud_library(window):
        os.write(2, b"[E:library] Non-zero status code\n")  # as compiled code does
        return of_a_window(window)

    line_of(of_a_loud_library, windows)
    assert capfd.readouterr().err == "[E:library] Non-zero status code\n"
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
