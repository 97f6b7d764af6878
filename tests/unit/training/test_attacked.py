"""Attacks on the encoder in training: as strong as closed form, and nothing of it is changed."""

from __future__ import annotations

from functools import partial

import naive
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pytest_nnrel import Adversarial, Chain, Gain, PinkNoise  # noqa: E402
from pytest_nnrel.errors import (  # noqa: E402
    EncoderError,
    GradientError,
    SettingError,
    TrainingError,
)
from pytest_nnrel.training import ConsistencyLoss, TransformedPool, TransformedViews  # noqa: E402
from pytest_nnrel.training.attacked import attacked  # noqa: E402

RATE, SAMPLES = 22_050, 3_000
#: In dB, above and below a clip's own limit.
ABOVE, BELOW = 0.2, -0.2


def waveforms(rows=6, seed=0):
    rng = np.random.default_rng(seed)
    levels = rng.uniform(0.02, 0.3, (rows, 1))
    return torch.from_numpy((levels * rng.standard_normal((rows, SAMPLES))).astype(np.float32))


def linear(numbers=5, seed=0):
    weight = torch.randn(SAMPLES, numbers, generator=torch.Generator().manual_seed(seed))
    module = torch.nn.Linear(SAMPLES, numbers, bias=False)
    module.weight.data = weight.T.contiguous()
    return module


def under(encode, given, attacks, seed=0):
    return attacked(encode, given, attacks, np.random.default_rng(seed))


def lost(encode, given, transformed, rows):
    """Return which rows are nearer to another waveform of the batch."""
    with torch.no_grad():
        distances = torch.cdist(encode(transformed), encode(given))
    return (distances.argmin(1).numpy() != np.array(rows)).tolist()


def ratios(given, transformed):
    return 20 * torch.log10(given.norm(dim=1) / (transformed - given).norm(dim=1))


def test_a_linear_encoder_loses_rows_where_the_closed_form_says():
    module, given = linear(), waveforms()
    limits = naive.linear_limits(given, module.weight.detach().double().T.numpy())
    rows = [3, 0, 5]
    for beside, is_lost in ((ABOVE, False), (BELOW, True)):
        attacks = {row: Adversarial(limits[row] + beside) for row in rows}
        out = under(module, given, attacks)
        assert lost(module, given, out, rows) == [is_lost] * 3
        asked = torch.tensor([attack.snr_db for attack in attacks.values()])
        assert (ratios(given[rows], out) >= asked - 0.01).all()


def test_it_finds_what_random_noise_of_the_same_energy_does_not(network):
    given = waveforms(12)
    network.eval()
    attacks, noise = ({row: Adversarial(30, steps=steps) for row in range(12)} for steps in (10, 0))
    by_attack, by_noise = (under(network, given, one) for one in (attacks, noise))
    assert sum(lost(network, given, by_attack, range(12))) >= 9
    assert sum(lost(network, given, by_noise, range(12))) == 0
    torch.testing.assert_close(ratios(given, by_noise), torch.full((12,), 30.0), atol=0.01, rtol=0)


def test_attacks_of_several_kinds_share_a_batch():
    module, given = linear(), waveforms()
    kinds = [Adversarial(20), Adversarial(20, steps=0), Adversarial(20, restarts=2, targeted=True)]
    together = under(module, given, dict(enumerate(kinds)))
    for row in (0, 2):  # which begin where the clip is
        alone = under(module, given, {row: kinds[row]})
        torch.testing.assert_close(together[row : row + 1], alone)
    assert lost(module, given, together, [0, 1, 2]) == [True, False, True]


def test_nothing_of_the_encoder_is_changed(network):
    """Mode, running statistics, gradients and global random states are as they were."""
    network.train()
    network.dropout.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.random.get_rng_state()
    first = under(network, waveforms(), {1: Adversarial(20), 4: Adversarial(30, restarts=2)})
    assert torch.equal(torch.random.get_rng_state(), state)
    assert network.training
    assert not network.dropout.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    again = under(network, waveforms(), {1: Adversarial(20), 4: Adversarial(30, restarts=2)})
    assert torch.equal(first, again)
    assert not first.requires_grad


def views_of(transforms, **options):
    return TransformedViews(transforms, sample_rate=RATE, **options)


def test_views_of_attacks_and_of_others_share_a_batch(network):
    given = waveforms(30)
    views = views_of([Gain(1), Adversarial(0, steps=2)])
    out = views(given, encode=network)
    louder = torch.isclose(out, given * 10**0.05, atol=1e-6).all(dim=1)
    assert 6 <= int(louder.sum()) <= 24
    assert (ratios(given[~louder], out[~louder]) > -0.01).all()
    assert not torch.equal(out[~louder], given[~louder])
    assert repr(views).splitlines()[1:] == [
        "  Gain(db=1), 1 rung, by torch",
        "  Adversarial(snr_db=0, steps=2), 201 rungs, on the encoder",
    ]
    alone = views_of([Gain(1), PinkNoise(0)])(given)  # what else is drawn stays what it was
    assert torch.equal(alone[louder], out[louder])


@pytest.mark.parametrize("form", ["stability", "contrastive"])
def test_training_on_attacks_makes_an_encoder_withstand_them(form):
    """By closed form, so by whatever attack; more than training on noise of the same energy."""
    given = waveforms(24)

    def limit(transforms):
        module = linear()
        optimiser = torch.optim.Adam(module.parameters(), lr=3e-2)
        consistency = ConsistencyLoss(transforms, sample_rate=RATE, form=form)
        for _ in range(60):
            optimiser.zero_grad()
            consistency(module, given).backward()
            optimiser.step()
        weight = module.weight.detach().double().T.numpy()
        return np.median(naive.linear_limits(given, weight))

    untrained = np.median(naive.linear_limits(given, linear().weight.detach().double().T.numpy()))
    on_noise, on_attacks = limit([Adversarial(20, steps=0)]), limit([Adversarial(20, steps=3)])
    assert on_attacks < on_noise - 0.5
    assert on_attacks < untrained - 6.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_waveforms_of_other_precisions(dtype):
    module, given = linear().to(dtype), waveforms().to(dtype)
    out = under(module, given, {0: Adversarial(0)})
    assert out.dtype == dtype
    assert lost(module.double(), given.double(), out.double(), [0]) == [True]


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_autocast_does_not_weaken_it(precision, network):
    given = waveforms(6)
    attack = [Adversarial(20, steps=3)]
    expected = views_of(attack)(given, encode=network)
    with torch.autocast("cpu", precision):
        assert torch.equal(views_of(attack)(given, encode=network), expected)
    with torch.inference_mode():
        assert torch.equal(views_of(attack)(given, encode=network), expected)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_few_steps_have_all_the_energy(steps):
    module, given = linear(), waveforms()
    out = under(module, given, dict.fromkeys(range(6), Adversarial(80, steps=steps)))
    torch.testing.assert_close(ratios(given, out), torch.full((6,), 80.0), atol=0.05, rtol=0)


def test_a_clip_that_is_there_twice_is_driven_to_another_one(network):
    given = waveforms(4)
    given[1] = given[0]
    network.eval()
    out = under(network, given, {0: Adversarial(20)})
    with torch.no_grad():
        nearest = torch.cdist(network(out), network(given)).argmin().item()
    assert nearest > 1


def test_a_clip_that_no_gradient_reaches_stays_as_it_is():
    """One alone ends no training."""
    given = waveforms(3)

    def deaf_to_the_first(batch):
        return batch[:, :4] * (torch.arange(len(batch)) > 0)[:, None]

    out = under(lambda batch: deaf_to_the_first(batch).round(), given, {0: Adversarial(20)})
    assert torch.equal(out[0], given[0])


def test_parts_of_methods_are_evaluated_too(network):
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    under(partial(network.forward), waveforms(), {0: Adversarial(40)})
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.training


def test_silence_stays_silence(network):
    given = waveforms(3)
    given[1] = 0.0
    out = under(network, given, {1: Adversarial(10), 2: Adversarial(10)})
    assert torch.equal(out[0], given[1])
    assert not torch.equal(out[1], given[2])


def test_an_encoder_that_works_in_place_leaves_the_batch_as_it_is():
    module, given = linear().eval(), waveforms()
    expected = under(module, given.clone(), {0: Adversarial(20)})
    out = under(
        lambda batch: torch.nn.functional.linear(batch.mul_(2.0), module.weight),
        given,
        {0: Adversarial(20)},
    )
    assert torch.equal(given, waveforms())
    assert torch.equal(out, expected)


def test_a_batch_of_one_clip_has_nothing_to_be_taken_for(network):
    with pytest.raises(TrainingError, match=r"two clips or more.*drop_last=True"):
        views_of([Adversarial(60)])(waveforms(1), encode=network)


def test_an_attack_needs_the_encoder():
    with pytest.raises(TrainingError, match=r"views\(waveforms, encode=encoder\)"):
        views_of([Adversarial(60), Gain(1)])(waveforms())


@pytest.mark.parametrize(
    "transform",
    [Adversarial(60, encoder=abs), Chain(Gain(1), Adversarial(60))],
    ids=["of another", "in a chain"],
)
def test_attacks_of_others_and_in_chains_are_none_to_train_on(transform):
    with pytest.raises(SettingError, match="made for an encoder that is not the one in training"):
        views_of([transform])


def test_pools_leave_attacks_out():
    with pytest.raises(TrainingError, match="no pool is needed"):
        TransformedPool(waveforms(), [Adversarial(60)], sample_rate=RATE)


def test_a_function_that_runs_a_module_in_training_cannot_be_evaluated(network):
    network.train()
    with pytest.raises(TrainingError, match="a function or an object that runs BatchNorm1d"):
        under(lambda batch: network(batch), waveforms(), {0: Adversarial(60)})
    network.eval()
    by_function = under(lambda batch: network(batch), waveforms(), {0: Adversarial(60)})
    for same in (network, network.forward, partial(network.forward)):
        assert torch.equal(under(same, waveforms(), {0: Adversarial(60)}), by_function)


def test_encoders_without_gradients(network):
    with pytest.raises(GradientError, match="must not detach them"):
        under(lambda batch: batch.detach()[:, :4], waveforms(), {0: Adversarial(60)})
    with pytest.raises(GradientError, match="zero or not finite on all waveforms"):
        under(
            lambda batch: batch[:, :4].round(), waveforms(), dict.fromkeys((0, 1), Adversarial(60))
        )
    of_weights = linear().eval()
    with pytest.raises(GradientError, match=r"zero or not finite.*look for detach\(\)"):
        under(
            lambda batch: of_weights(batch.detach()),
            waveforms(),
            dict.fromkeys((0, 1), Adversarial(60)),
        )
    with pytest.raises(EncoderError, match=r"shape \[6, d\]"):
        under(lambda batch: batch[:, :4].sum(), waveforms(), {0: Adversarial(60)})
    with pytest.raises(EncoderError, match="NaN"):
        under(lambda batch: batch[:, :4] / 0.0, waveforms(), {0: Adversarial(60)})
