"""The loss in a training: what it moves, what it leaves alone, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pytest_nnrel import Clipping, Gain, Identity, LowPass, PinkNoise, WhiteNoise  # noqa: E402
from pytest_nnrel.errors import EncoderError, SettingError, TrainingError  # noqa: E402
from pytest_nnrel.training import ConsistencyLoss  # noqa: E402
from pytest_nnrel.training.forms import stability  # noqa: E402

RATE = 8_000
NOISE = [WhiteNoise(10)]


@pytest.fixture
def waveforms():
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (6, 2000)).astype(np.float32))


def network(seed=0, size=4):
    """Return a small encoder: filters, energies, a linear layer."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, -1)),
        torch.nn.Conv1d(1, 8, 32, stride=16),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, size),
    )


def loss_of(transforms=NOISE, **options):
    return ConsistencyLoss(transforms, sample_rate=RATE, **options)


@pytest.mark.parametrize("form", ["stability", "vicreg", "contrastive"])
def test_training_with_it_lessens_it(form, waveforms):
    encoder, loss = network(), loss_of(form=form)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    values = []
    for _ in range(40):
        optimiser.zero_grad()
        value = loss(encoder, waveforms)
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert value.shape == ()
    assert np.mean(values[-5:]) < 0.9 * np.mean(values[:5])


def test_views_that_are_the_clips_cost_nothing(waveforms):
    assert loss_of([Identity()])(network(), waveforms).item() == 0.0


def test_it_is_its_form_of_clips_and_views_times_its_weight(waveforms):
    encoder = network()
    views = loss_of(seed=3).views(waveforms)
    expected = 2.5 * stability(encoder(waveforms), encoder(views)).item()
    assert loss_of(seed=3, weight=2.5)(encoder, waveforms).item() == pytest.approx(expected)
    own = loss_of(seed=3, form=lambda clean, transformed: (clean - transformed).abs().sum())
    expected = (encoder(waveforms) - encoder(views)).abs().sum().item()
    assert own(encoder, waveforms).item() == pytest.approx(expected)


def test_clips_and_views_are_encoded_in_one_batch(waveforms):
    """Else batch normalisation would hide what both differ in."""
    seen = []
    encoder = network()
    loss_of()(lambda batch: seen.append(len(batch)) or encoder(batch), waveforms)
    assert seen == [12]


def test_batch_normalisation_is_over_clips_and_views(waveforms):
    norm = torch.nn.BatchNorm1d(1, momentum=1.0)
    level = torch.nn.Linear(1, 1)
    loss = loss_of([Gain(-20)], seed=1)
    views = loss_of([Gain(-20)], seed=1).views(waveforms)
    loss(lambda batch: level(norm(batch.std(1, keepdim=True))), waveforms)
    both = torch.cat([waveforms, views]).std(1)
    assert norm.running_mean.item() == pytest.approx(both.mean().item())


def test_without_gradients_of_the_clips_only_views_are_moved():
    clean = torch.randn(5, 3, requires_grad=True)
    transformed = torch.randn(5, 3, requires_grad=True)
    loss_of(stop_gradient=True).compare(clean, transformed).backward()
    assert clean.grad is None
    assert transformed.grad.abs().sum() > 0
    loss_of().compare(clean, transformed).backward()
    assert clean.grad.abs().sum() > 0


def test_a_teacher_is_a_frozen_copy_that_gives_the_clips(waveforms):
    encoder = torch.nn.Sequential(network(), torch.nn.Dropout(0.5))
    loss = loss_of(teacher=encoder, seed=4)
    before = {name: value.clone() for name, value in loss.teacher.state_dict().items()}
    loss.train()
    optimiser = torch.optim.SGD([*encoder.parameters(), *loss.parameters()], lr=1.0)
    loss(encoder, waveforms).backward()
    optimiser.step()
    after = loss.teacher.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any(part.training for part in loss.teacher.modules())
    student = network(seed=5)
    views = loss_of(seed=4).views(waveforms)
    expected = stability(loss.teacher(waveforms), student(views)).item()
    fresh = loss_of(teacher=loss.teacher, seed=4)
    assert fresh(student, waveforms).item() == pytest.approx(expected)


def test_what_is_drawn_goes_on_where_the_state_left_it(waveforms):
    loss, resumed = loss_of(), loss_of()
    first = loss.views(waveforms)
    resumed.load_state_dict(loss.state_dict())
    second = loss.views(waveforms)
    assert not torch.equal(first, second)
    assert torch.equal(resumed.views(waveforms), second)


@pytest.mark.parametrize("state", [{}, {"drawn": "12"}, {"drawn": -1}, 12, None])
def test_a_state_that_tells_nothing_of_what_was_drawn_is_refused(state):
    loss = loss_of()
    with pytest.raises(TrainingError, match="tells how many batches were drawn"):
        loss.load_state_dict({"_extra_state": state})
    assert loss.views.drawn == 0


def test_global_random_states_are_left_alone(waveforms):
    encoder, loss = network(), loss_of([PinkNoise(3), Clipping(12)])
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = loss(encoder, waveforms)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(8)
    assert torch.equal(loss_of([PinkNoise(3), Clipping(12)])(encoder, waveforms), first)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", ["stability", "vicreg", "contrastive"])
def test_half_precision_is_compared_in_float32(form, kind):
    clean = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).to(kind)
    transformed = (300 * clean + 1).requires_grad_()  # squares of which no float16 holds
    value = loss_of(form=form).compare(clean, transformed)
    assert value.dtype == torch.float32
    precise = loss_of(form=form).compare(clean.float(), transformed.float())
    assert value.item() == precise.item()


def test_autocast_changes_no_view_and_no_comparison(waveforms):
    plain = loss_of([LowPass(1250)]).views(waveforms)
    clean, transformed = torch.randn(2, 6, 4, requires_grad=True)
    expected = loss_of(form="contrastive").compare(clean, transformed)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss_of([LowPass(1250)]).views(waveforms), plain)
        assert torch.equal(loss_of(form="contrastive").compare(clean, transformed), expected)
        assert loss_of()(network(), waveforms).dtype == torch.float32


def test_views_of_half_precision_are_of_half_precision(waveforms):
    views = loss_of([LowPass(1250)]).views(waveforms.half())
    assert views.dtype == torch.float16
    assert torch.allclose(views.float(), loss_of([LowPass(1250)]).views(waveforms), atol=1e-3)


NOT_FINITE = torch.tensor([[0.0, 1.0], [float("nan"), 0.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    "given, said",
    [
        (np.zeros((2, 9), np.float32), "not ndarray"),
        (torch.zeros(9), r"not float32\[9\]"),
        (torch.zeros(2, 1, 9), r"not float32\[2, 1, 9\]; take its channel axis out"),
        (torch.zeros(2, 9, dtype=torch.int16), r"not int16\[2, 9\]"),
        (torch.zeros(0, 9), r"not float32\[0, 9\]"),
        (NOT_FINITE, r"NaN or infinite samples, in the rows \[1\]"),
    ],
)
def test_waveforms_that_are_none(given, said):
    with pytest.raises(TrainingError, match=said):
        loss_of()(network(), given)


@pytest.mark.parametrize(
    "encode, said",
    [
        (lambda batch: batch.numpy(), "not ndarray"),
        (lambda batch: batch.mean(1), r"shape \[12, d\] for 12 waveforms, not float32\[12\]"),
        (lambda batch: batch.mean(0, keepdim=True), r"not float32\[1, 2000\]"),
        (lambda batch: batch.unfold(1, 9, 9), "make one vector of its frames"),
        (lambda batch: (batch > 0).long(), r"not int64\[12, 2000\]"),
        (lambda batch: batch / 0.0, r"NaN or infinite embeddings, in the rows \[0, 1"),
        (lambda batch: batch, "do not depend on any weight"),
        (lambda batch: network()(batch).detach(), "do not depend on any weight"),
    ],
)
def test_encoders_that_nothing_can_be_learnt_from(encode, said, waveforms):
    with pytest.raises(EncoderError, match=said):
        loss_of()(encode, waveforms)


def test_frozen_encoders_are_told_and_validation_is_not(waveforms):
    frozen = network().requires_grad_(False)
    with pytest.raises(EncoderError, match="weights that are frozen"):
        loss_of()(frozen, waveforms)
    with torch.no_grad():
        assert loss_of()(frozen, waveforms).item() > 0


def test_a_collapsed_encoder_is_told(waveforms):
    bias = torch.nn.Parameter(torch.ones(3))
    with pytest.raises(EncoderError, match="collapsed"):
        loss_of()(lambda batch: bias.expand(len(batch), -1), waveforms)


def test_one_clip_is_no_batch(waveforms):
    with pytest.raises(TrainingError, match="this batch has 1 clip"):
        loss_of()(network(), waveforms[:1])


class Named(torch.nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.sample_rate = rate
        self.head = torch.nn.Linear(2000, 4)

    def embed(self, waveforms):
        return self.head(waveforms)


class Broken(torch.nn.Module):
    def forward(self, waveforms):
        return [waveforms[:, :4]]


def test_a_teacher_that_gives_no_embeddings(waveforms):
    with pytest.raises(EncoderError, match=r"the teacher must return .* not list"):
        loss_of(teacher=Broken())(network(), waveforms)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_teacher_that_cannot_be_copied(waveforms):
    normed = torch.nn.utils.weight_norm(torch.nn.Linear(2000, 4))
    normed(waveforms)
    with pytest.raises(SettingError, match=r"Linear, cannot be copied.*parametrizations"):
        loss_of(teacher=normed)


@pytest.mark.parametrize("of", [lambda m: m.embed, lambda m: partial(m.embed)], ids=["", "partial"])
def test_methods_are_of_the_rate_that_their_module_names(of, waveforms):
    with pytest.raises(TrainingError, match=r"the encoder takes 16,000 Hz"):
        loss_of()(of(Named(16_000)), waveforms)
    assert loss_of()(of(Named(RATE)), waveforms).isfinite()


def test_a_teacher_of_another_size(waveforms):
    with pytest.raises(TrainingError, match="of 5 numbers and views of 4"):
        loss_of(teacher=network(size=5))(network(), waveforms)


def test_an_encoder_of_another_rate(waveforms):
    encoder = network()
    encoder.sample_rate = 16_000
    with pytest.raises(TrainingError, match=r"takes 16,000 Hz, .* waveforms of 8,000 Hz"):
        loss_of()(encoder, waveforms)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"form": "triplet"}, "'stability', 'vicreg', 'contrastive', or a function"),
        ({"form": None}, "or a function of embeddings, not None"),
        ({"weight": -1.0}, "weight takes a number from 0 on, not -1.0"),
        ({"weight": float("nan")}, "weight takes a number from 0 on, not nan"),
        ({"weight": "much"}, "weight takes a number from 0 on, not 'much'"),
        ({"weight": True}, "weight takes a number from 0 on, not True"),
        ({"teacher": len}, "teacher must be a torch.nn.Module"),
        ({"seed": -1}, "seed takes a whole number from 0 on, not -1"),
    ],
)
def test_options_that_are_none(options, said):
    with pytest.raises(SettingError, match=said):
        loss_of(**options)


def test_its_repr_says_what_it_does():
    assert repr(loss_of([PinkNoise(58.5), LowPass(1250)], weight=0.5)) == (
        "ConsistencyLoss(\n"
        "  form=stability, weight=0.5, stop_gradient=False\n"
        "  TransformedViews at 8,000 Hz of\n"
        "    PinkNoise(snr_db=58.5), 3 rungs, by torch\n"
        "    LowPass(hz=1250), 6 rungs, by torch\n"
        ")"
    )


def test_without_torch_it_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None; import pytest_nnrel.training"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "needs torch; pip install 'pytest-nnrel[torch]'" in done.stderr
