"""Networks: shapes, parameter counts, what reaches a decoder, and embeddings as encoders."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pytest_nnrel import Corpus, MFCCEncoder, PinkNoise, as_encoder, within_consistency
from pytest_nnrel.experiment import stores
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings

torch = pytest.importorskip("torch")
from reference_models import features  # noqa: E402
from reference_models.networks import (  # noqa: E402
    Classifier,
    Decoder,
    MFCCEmbedding,
    VGGEmbedding,
    VGGEncoder,
    block_widths,
)
from reference_models.task import task_named  # noqa: E402
from reference_models.tasks.ae import Autoencoder  # noqa: E402
from reference_models.tasks.vs import VoiceSeparator  # noqa: E402

#: Of the paper's encoder: 16 channels, doubled up to 256.
WIDTHS = (16, 32, 64, 128, 256, 256, 256)
TASKS = {
    "ae": Autoencoder,
    "ae upsampling": lambda embedding: Autoencoder(embedding, decoder="upsampling"),
    "at": task_named("at").network,
    "ir": task_named("ir").network,
    "vs": VoiceSeparator,
}
EMBEDDINGS = {"vgg": VGGEmbedding, "mfcc": MFCCEmbedding}


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(4)


@pytest.fixture(scope="module")
def music(corpus):
    """Return windows of bundled clips, float32[4, 44100]."""
    return torch.from_numpy(corpus.windows())


@pytest.fixture
def narrow():
    """Return the VGG embedding with few channels, in evaluation mode."""
    torch.manual_seed(5)
    return VGGEmbedding(VGGEncoder(2, 8, 6)).eval()


@pytest.fixture(scope="module")
def trained_like(music):
    """Return the paper's VGG embedding with statistics of audio, in evaluation mode."""
    torch.manual_seed(4)
    network = Classifier(VGGEmbedding(), 50)
    network.fit_statistics([music])
    with torch.no_grad():
        network(music)  # moves the statistics of batch normalisation
    return network.embedding.eval()


@pytest.fixture
def run(tmp_path):
    """Settings with a cache of their own, active for the length of a test."""
    active = Settings(cache_dir=tmp_path / "cache", jobs=1)
    token = settings.activate(active)
    with sink():
        yield active
    settings.deactivate(token)
    stores.close_stores(active)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


# ---------------------------------------------------------------------------------------------
# Shapes and parameter counts


@pytest.mark.parametrize(
    "arguments, widths",
    [
        ((), WIDTHS),
        ((8,), (8, 16, 32, 64, 128, 256, 256)),
        ((16, 64), (16, 32, 64, 64, 64, 64, 64)),
        ((16, 256, 127), WIDTHS[:6]),
        ((16, 256, 128), WIDTHS),
        ((16, 256, 255), WIDTHS),
        ((16, 256, 600), (*WIDTHS, 256, 256)),
        ((16, 256, 2), (16,)),
    ],
)
def test_blocks_go_on_until_one_side_is_1(arguments, widths):
    assert block_widths(*arguments) == widths


def test_one_frame_has_no_blocks():
    with pytest.raises(ValueError, match="1 frames cannot be halved"):
        block_widths(16, 256, 1)


def test_the_sizes_of_the_encoders_blocks():
    encoding = VGGEncoder().eval().trace(torch.randn(1, 513, 173))
    assert encoding.z.shape == (1, 256)
    sizes = [(256, 86), (128, 43), (64, 21), (32, 10), (16, 5), (8, 2), (4, 1)]
    expected = [(1, width, *size) for width, size in zip(WIDTHS, sizes)]
    assert [output.shape for output in encoding.outputs] == expected
    assert [places.shape for places in encoding.indices] == expected


def test_pooling_keeps_what_is_where_the_indices_say(narrow, music):
    encoding = narrow.trace(music)
    unpooled = narrow.encoder.blocks[0](narrow.front_end(music)[:, None])
    at_places = unpooled.flatten(2).gather(2, encoding.indices[0].flatten(2))
    assert torch.equal(at_places.view_as(encoding.outputs[0]), encoding.outputs[0])


def test_the_encoder_step_by_step(narrow, music):
    encoder, spectrogram = narrow.encoder, narrow.front_end(music)
    maps = spectrogram[:, None]
    for convolution, normalise, _ in encoder.blocks:
        edges = torch.nn.functional.pad(maps, (1, 1, 1, 1), mode="reflect")
        maps = normalise(torch.nn.functional.conv2d(edges, convolution.weight))
        maps = torch.nn.functional.max_pool2d(maps.clamp_min(0.0), 2)
    linear, normalise = encoder.projection[:2]
    average = maps.sum(dim=(2, 3)) / 4  # of 4 x 1
    expected = normalise(average @ linear.weight.T + linear.bias).clamp_min(0.0)
    assert torch.allclose(encoder(spectrogram), expected, atol=1e-5)


ENCODER_PARAMETERS = (
    sum(9 * before * after for before, after in pairwise((1, *WIDTHS)))  # 3 x 3, no bias
    + sum(2 * width for width in WIDTHS)  # batch normalisation
    + (256 * 256 + 256)
    + 2 * 256
)


def decoder_parameters(embedding):
    return (
        (embedding * embedding + embedding)
        + 2 * embedding
        + (embedding + 1) * 256 * 4 * 1  # up to the deepest map
        + sum(9 * before * after for before, after in pairwise((1, *WIDTHS)))
        + sum(2 * width for width in WIDTHS[:-1])
        + 1  # bias of the last convolution
    )


@pytest.mark.parametrize(
    "task, embedding, formula, number",
    [
        ("ae", "vgg", ENCODER_PARAMETERS + decoder_parameters(256), 3_542_241),
        ("ae upsampling", "vgg", ENCODER_PARAMETERS + decoder_parameters(256), 3_542_241),
        ("at", "vgg", ENCODER_PARAMETERS + 257 * 50, 1_652_642),
        ("ir", "vgg", ENCODER_PARAMETERS + 257 * 11, 1_642_619),
        ("vs", "vgg", ENCODER_PARAMETERS + decoder_parameters(256), 3_542_241),
        ("ae", "mfcc", decoder_parameters(144), 1_742_625),
        ("at", "mfcc", 145 * 50, 7250),
        ("ir", "mfcc", 145 * 11, 1595),
        ("vs", "mfcc", decoder_parameters(144), 1_742_625),
    ],
)
def test_parameter_counts(task, embedding, formula, number):
    network = TASKS[task](EMBEDDINGS[embedding]())
    assert parameters(network) == formula == number
    encoder = {"vgg": 1_639_792, "mfcc": 0}[embedding]
    assert parameters(network.embedding) == encoder
    assert ENCODER_PARAMETERS == 1_639_792


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize(
    "task, shape",
    [
        ("ae", (2, 513, 173)),
        ("ae upsampling", (2, 513, 173)),
        ("at", (2, 50)),
        ("ir", (2, 11)),
        ("vs", (2, 513, 173)),
    ],
)
def test_output_shapes(music, embedding, task, shape):
    network = TASKS[task](EMBEDDINGS[embedding]()).eval()
    with torch.no_grad():
        out = network(music[:2])
        z = network.embedding(music[:2])
    assert out.shape == shape
    assert out.dtype == torch.float32
    assert bool(out.isfinite().all())
    assert z.shape == (2, {"vgg": 256, "mfcc": 144}[embedding])


@pytest.mark.parametrize("decoder", ["unpooling", "upsampling"])
@pytest.mark.parametrize("frames", [128, 129, 173, 190, 255])
def test_odd_sizes_are_restored(narrow, decoder, frames):
    audio = torch.randn(1, 256 * (frames - 1) + 3)
    network = Autoencoder(narrow, decoder=decoder).eval()
    with torch.no_grad():
        assert network(audio).shape == network.target(audio).shape == (1, 513, frames)
        assert VoiceSeparator(narrow).eval()(audio).shape == (1, 513, frames)


@pytest.mark.parametrize("frames", [3, 60, 64, 300])
def test_networks_can_be_built_for_other_windows(frames):
    embedding = VGGEmbedding(VGGEncoder(2, 8, 6, frames=frames))
    network = VoiceSeparator(embedding).eval()
    assert network(torch.randn(1, 256 * (frames - 1) + 1)).shape == (1, 513, frames)


def test_frames_that_do_not_fit_are_refused(narrow):
    with pytest.raises(ValueError, match="127 frames are too few for 7 blocks"):
        narrow(torch.zeros(1, 256 * 126))
    decoder = Decoder(6, block_widths(2, 8)).eval()
    for frames in (127, 256):
        with pytest.raises(ValueError, match=f"makes 128 to 255 frames, not {frames}"):
            decoder(torch.zeros(1, 6), frames)


# ---------------------------------------------------------------------------------------------
# What reaches a decoder


@pytest.fixture
def reconstruct(narrow, music):
    """Return a function that reconstructs music by a decoder, from the same z for every clip."""

    def of_one_z(decoder):
        network = Autoencoder(narrow, decoder=decoder).train()
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                part.momentum = 1.0  # one batch suffices: what it normalises has a spread of 1
        with torch.no_grad():
            network(music)
            network.eval().embedding.encoder.projection[0].weight.zero_()
            z = network.embedding(music)
            assert torch.equal(z, z[:1].expand_as(z))
            return network(music)

    return of_one_z


def test_upsampling_sees_nothing_but_z(reconstruct):
    reconstruction = reconstruct("upsampling")
    assert torch.allclose(reconstruction, reconstruction[:1], atol=1e-5)
    assert reconstruction.std() > 0.01


def test_unpooling_leaks_past_z(reconstruct):
    reconstruction = reconstruct("unpooling")
    apart = (reconstruction[1:] - reconstruction[:1]).square().mean().sqrt()
    assert apart > 0.1 * reconstruction.std()


def test_the_separator_adds_the_encoders_outputs(narrow, music):
    network = VoiceSeparator(narrow).eval()
    encoding = narrow.trace(music)
    places = {"indices": encoding.indices}
    with_skips = network.decoder(encoding.z, 173, skips=encoding.outputs, **places).sigmoid()
    without = network.decoder(encoding.z, 173, **places).sigmoid()
    assert torch.equal(network(music), with_skips)
    assert (with_skips - without).abs().max() > 1e-3


@pytest.mark.parametrize("make", [Autoencoder, VoiceSeparator])
def test_decoders_of_mfccs_see_nothing_but_z(music, make):
    network = make(MFCCEmbedding(2, 8)).eval()
    z = network.embedding(music)
    expected = network.decoder(network.embedding.code(z), 173)
    found = network(music)
    assert torch.equal(found, expected if make is Autoencoder else expected.sigmoid())


def test_the_authors_decoder_is_the_default(narrow):
    assert Autoencoder(narrow).kind == "unpooling"
    assert Autoencoder(MFCCEmbedding(2, 8)).kind == "upsampling"


def test_decoders_that_cannot_be(narrow):
    with pytest.raises(ValueError, match='"unpooling" or "upsampling", not \'transposed\''):
        Autoencoder(narrow, decoder="transposed")
    with pytest.raises(ValueError, match="nothing to unpool with"):
        Autoencoder(MFCCEmbedding(2, 8), decoder="unpooling")


def test_masks_are_between_0_and_1(narrow, music):
    with torch.no_grad():
        mask = VoiceSeparator(narrow).eval()(music)
    assert 0.0 <= float(mask.min()) < float(mask.max()) <= 1.0


def test_a_mask_of_ones_leaves_the_mixture(narrow, music):
    network = VoiceSeparator(narrow).eval()
    with torch.no_grad():
        network.decoder.blocks[-1].weight.zero_()
        network.decoder.blocks[-1].bias.fill_(50.0)
        voice = network.separate(music)
    assert torch.allclose(voice, music, atol=1e-5)


# ---------------------------------------------------------------------------------------------
# Training


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("task", TASKS)
def test_gradients_reach_all_parameters(music, embedding, task):
    torch.manual_seed(6)
    small = {
        "vgg": lambda: VGGEmbedding(VGGEncoder(4, 16, 12)),
        "mfcc": lambda: MFCCEmbedding(4, 16),
    }
    network = TASKS[task](small[embedding]()).train()
    network.fit_statistics([music])
    network(music).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        if parameter.ndim > 1:  # a bias before batch normalisation has none
            assert bool(parameter.grad.any()), name


def test_statistics_are_fitted_in_one_pass(narrow, music):
    network = Autoencoder(narrow)
    network.fit_statistics(iter(music.split(1)))
    level = features.decibels(features.stft(music)).double()
    mean, std = level.mean(dim=(0, 2)), level.std(dim=(0, 2), correction=0)
    standardise = narrow.front_end.standardise
    assert torch.allclose(standardise.mean, mean.float(), atol=1e-4)
    assert torch.allclose(standardise.std, std.float(), atol=1e-4)
    assert torch.allclose(
        network.target(music), ((level - mean[:, None]) / std[:, None]).float(), atol=1e-4
    )


def test_statistics_of_an_autoencoder_on_mfccs(music):
    network = Autoencoder(MFCCEmbedding(2, 8)).eval()
    network.fit_statistics(iter(music.split(2)))
    z = network.embedding(music)
    expected = (z - z.mean(0)) / z.std(0, correction=0).clamp_min(features.LEAST_STD)
    assert torch.allclose(network.embedding.code(z), expected, atol=1e-3)
    assert torch.allclose(network.target(music).mean(), torch.zeros(()), atol=1e-4)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_a_checkpoint_restores_a_network(music, embedding):
    small = {"vgg": lambda: VGGEmbedding(VGGEncoder(2, 8, 6)), "mfcc": lambda: MFCCEmbedding(2, 8)}
    network = Autoencoder(small[embedding]())
    network.fit_statistics([music])
    state = network.state_dict()
    assert sum("standardise.mean" in name for name in state) == {"vgg": 1, "mfcc": 2}[embedding]
    restored = Autoencoder(small[embedding]())
    restored.load_state_dict(state)
    assert torch.equal(restored.eval()(music), network.eval()(music))


# ---------------------------------------------------------------------------------------------
# Embeddings as encoders


def test_embeddings_do_not_depend_on_the_batch(trained_like, music):
    batch = torch.cat([music, 30.0 * music[:1], torch.zeros_like(music[:1])])
    order = torch.tensor([3, 5, 0, 4, 2, 1])
    with torch.no_grad():
        together = trained_like(batch)
        permuted = trained_like(batch[order])
        alone = torch.cat([trained_like(window[None]) for window in batch])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(permuted, together[order], atol=1e-5)
    assert len(torch.unique(together, dim=0)) == 6


def test_an_embedding_is_the_one_of_its_network(music):
    torch.manual_seed(7)
    network = Classifier(VGGEmbedding(), 50).eval()
    with torch.no_grad():
        assert torch.equal(network.head(network.embedding(music)), network(music))


def test_the_embedding_of_mfccs_is_the_mfcc_encoders(music):
    network = Classifier(MFCCEmbedding(), 50)
    network.fit_statistics([music])
    found = as_encoder(network.embedding).encode(music.numpy(), 22_050)
    expected = MFCCEncoder().encode(music.numpy(), 22_050)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("kind", EMBEDDINGS)
def test_an_embedding_is_an_encoder(run, corpus, trained_like, kind):
    embedding = trained_like if kind == "vgg" else MFCCEmbedding()
    encoder = as_encoder(embedding, name=kind)
    assert (encoder.sample_rate, encoder.window_seconds) == (22_050, 2.0)
    assert encoder.fingerprint is not None
    measurement = within_consistency(encoder, PinkNoise(30), corpus=corpus)
    assert measurement.n == 4
    assert 0.0 <= measurement.value <= 1.0


def test_the_fingerprint_follows_the_statistics(narrow, music):
    encoder = as_encoder(narrow)
    before = encoder.fingerprint
    Classifier(narrow, 2).fit_statistics([music])
    assert encoder.fingerprint != before
