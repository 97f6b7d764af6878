"""Attacks on encoders, beside linear ones, of which the worst case is known in closed form."""

from __future__ import annotations

import math
import threading

import joblib
import naive
import numpy as np
import pytest

from pytest_nnrel import (
    MP3,
    Adversarial,
    Chain,
    Clip,
    Corpus,
    EncoderError,
    GradientError,
    Identity,
    MagnitudeError,
    TransformError,
    WorkerWarning,
    as_encoder,
    assert_within_consistency,
    audio_consistency,
    between_consistency,
    breaking_magnitude,
    transformed_clip,
    within_consistency,
)
from pytest_nnrel.experiment.attacks import target
from pytest_nnrel.experiment.attacks.descent import descend
from pytest_nnrel.experiment.attacks.heard import Window
from pytest_nnrel.recording import sink

torch = pytest.importorskip("torch")

RATE, SECONDS = 8_000, 0.5
CLIPS = 6
#: In dB, above and below a clip's own limit.
ABOVE, BELOW = 0.2, -0.2


def noise(clips, seconds, seed=0):
    rng = np.random.default_rng(seed)
    levels = rng.uniform(0.02, 0.3, (clips, 1))
    return (levels * rng.standard_normal((clips, round(seconds * RATE)))).astype(np.float32)


@pytest.fixture(scope="module")
def corpus():
    """Clips of noise, of which the middle half is heard."""
    return Corpus.from_arrays(
        noise(CLIPS, 2 * SECONDS), sample_rate=RATE, window_seconds=SECONDS,
        name="noise",
    )  # fmt: skip


class Linear(torch.nn.Module):
    """Projections of the waveform."""

    sample_rate = RATE

    def __init__(self, numbers=5, seed=0, rate=RATE):
        super().__init__()
        self.sample_rate = rate
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(
            torch.randn(round(SECONDS * rate), numbers, generator=generator)
        )

    def forward(self, audio):
        return audio @ self.weight


class Bands(torch.nn.Module):
    """Logarithms of the energies of bands, by a spectrum: not linear, and not convex."""

    sample_rate = RATE

    def forward(self, audio):
        power = torch.fft.rfft(audio).abs().square()
        return torch.stack([p.mean(1).add(1e-9).log() for p in power.tensor_split(16, 1)], 1)


def limits(module, corpus, competing=None):
    """Return the ratio at which each clip of a linear encoder is lost."""
    weight = module.weight.detach().double().numpy()
    return naive.linear_limits(corpus.windows(), weight, competing)


# ---------------------------------------------------------------------------------------------
# The worst case


@pytest.mark.parametrize("targeted", [False, True])
def test_a_linear_encoder_loses_a_clip_where_the_closed_form_says(corpus, targeted):
    module = Linear()
    for clip, limit in enumerate(limits(module, corpus)):
        for beside, holds in ((ABOVE, True), (BELOW, False)):
            attack = Adversarial(round(limit + beside, 6), targeted=targeted)
            measured = within_consistency(module, attack, corpus=corpus)
            if not targeted or holds:  # the nearest original is not always the one to go to
                assert measured.outcomes[clip] == holds, (clip, beside)


def test_the_breaking_magnitude_of_each_clip_is_that_of_the_closed_form(corpus):
    module = Linear(seed=1)
    expected = limits(module, corpus)
    found = breaking_magnitude(module, Adversarial, min=1.0, corpus=corpus, steps=40)
    (along,) = found.directions.values()
    for clip, limit in zip(along.clips, expected):
        assert clip.fails_at.magnitude <= limit <= clip.holds_at.magnitude, clip
        assert not clip.heals
    assert along.magnitude <= expected.max() <= along.magnitude + 0.5


def test_relatives_are_not_what_a_clip_is_driven_to():
    samples = noise(CLIPS, SECONDS)
    samples[1::2] = samples[::2] + 0.02 * noise(CLIPS // 2, SECONDS, seed=1)
    groups = [f"track {i // 2}" for i in range(CLIPS)]
    corpus = Corpus.from_arrays(samples, sample_rate=RATE, window_seconds=SECONDS, groups=groups)
    module = Linear()
    competing = np.array([[one != other for other in groups] for one in groups])
    alone, among_all = limits(module, corpus, competing), limits(module, corpus)
    assert (among_all > alone + 6).all()
    attack = Adversarial(round(float(alone.max()) + 3, 3))
    assert within_consistency(module, attack, corpus=corpus).value == 1.0
    assert within_consistency(module, attack, corpus=corpus, neighbours="all").value == 0.0


def test_more_steps_never_help_the_encoder_and_loud_attacks_always_break_it(corpus):
    margins = []
    for steps in (1, 5, 20, 80):
        measured = within_consistency(Bands(), Adversarial(25, steps=steps), corpus=corpus)
        margins.append(np.array(measured.details["margins"]))
        assert measured.value <= measured.details["control"]["value"]
    values = [float((of > 0).mean()) for of in margins]
    assert values == sorted(values, reverse=True)
    assert values[-1] < measured.details["control"]["value"]
    loud = within_consistency(Bands(), Adversarial(0), corpus=corpus)
    assert loud.value == 0.0


def test_starts_agree(corpus):
    once, often = (
        within_consistency(Bands(), Adversarial(30, restarts=starts, steps=40), corpus=corpus)
        for starts in (1, 3)
    )
    assert once.outcomes == often.outcomes


@pytest.mark.parametrize("distance", ["euclidean", "cosine", "angular", "dot"])
def test_it_is_the_distance_that_is_measured_which_is_attacked(corpus, distance):
    alone = within_consistency(Linear(), Identity(), corpus=corpus, distance=distance)
    for snr, least in ((60.0, alone.value), (0.0, 0.0)):
        measured = within_consistency(Linear(), Adversarial(snr), corpus=corpus, distance=distance)
        assert measured.value == least


# ---------------------------------------------------------------------------------------------
# What is added


def test_it_adds_no_more_than_was_asked_for_and_nothing_outside_the_window(corpus):
    encoder = as_encoder(Bands())
    for original in corpus:
        for attack in (Adversarial(30), Adversarial(30, steps=0)):
            attacked = transformed_clip(original, attack, encoder, corpus=corpus)
            added = attacked.samples.astype(np.float64) - original.samples
            inside = slice(len(added) // 4, 3 * len(added) // 4)
            energy = np.square(original.samples[inside], dtype=np.float64).sum()
            reached = 10 * math.log10(energy / np.square(added[inside]).sum())
            assert reached >= 30 - 0.01
            assert attack.steps or reached == pytest.approx(30, abs=0.01)
            added[inside] = 0
            assert not added.any()


def test_random_noise_of_the_same_energy_is_measured_beside_it(corpus):
    attack = Adversarial(25)
    measured = within_consistency(Bands(), attack, corpus=corpus)
    control = within_consistency(Bands(), Adversarial(25, steps=0), corpus=corpus)
    assert measured.details["control"] == {
        "name": "Adversarial(snr_db=25, steps=0)", "value": control.value, "ci": list(control.ci),
    }  # fmt: skip
    assert "control" not in control.details
    assert measured.value < control.value == 1.0
    with pytest.raises(AssertionError, match=r"control +C_W 1\.000 \[.*\] under random noise"):
        assert_within_consistency(Bands(), attack, min=0.9, corpus=corpus)


def test_a_window_that_is_resampled_for_the_encoder_is_attacked_through_that(corpus):
    module = Linear(rate=RATE * 3 // 4)
    calm = within_consistency(module, Adversarial(70), corpus=corpus)
    broken = within_consistency(module, Adversarial(0), corpus=corpus)
    assert (calm.value, broken.value) == (1.0, 0.0)


@pytest.mark.parametrize("length", [round(1.5 * RATE), round(SECONDS * RATE), RATE // 4])
@pytest.mark.parametrize("rate", [RATE, 6_000, 11_025])
def test_gradients_are_pulled_back_by_what_hearing_does(length, rate):
    """The adjoint of a linear map A has <A x, y> = <x, A' y>; here but for one factor."""
    window = Window(RATE, rate, SECONDS)
    rng = np.random.default_rng(0)
    silence = Clip("silence", np.zeros(length, np.float32), RATE)
    room = window.room([silence])[0]
    ratios = []
    for _ in range(8):
        low = np.convolve(rng.standard_normal(window.samples), np.hanning(9), "same")
        x = np.where(room, low, 0).astype(np.float32)
        heard = window.heard(window.perturbed(silence, x)).astype(np.float64)
        y = heard + 0.1 * np.convolve(rng.standard_normal(len(heard)), np.hanning(9), "same")
        pulled = window.pulled_back(y.astype(np.float32), length)
        ratios.append((heard @ y) / (x.astype(np.float64) @ pulled))
    assert np.ptp(ratios) <= 0.02 * np.mean(ratios)


def test_a_chain_goes_on_from_what_the_attack_made(corpus):
    chain = Chain(Adversarial(20), Adversarial(20))
    twice = within_consistency(Bands(), chain, corpus=corpus)
    assert twice.details["control"]["name"] == (
        "Chain(Adversarial(snr_db=20, steps=0), Adversarial(snr_db=20, steps=0))"
    )
    assert chain.of_encoder
    assert not Chain(MP3(64), MP3(16)).of_encoder


# ---------------------------------------------------------------------------------------------
# Whom it is aimed at


def test_what_was_made_for_one_encoder_is_heard_by_another(corpus):
    twin, other = Linear(seed=0), as_encoder(lambda batch: np.abs(batch), sample_rate=RATE)
    attack = Adversarial(20, encoder=Linear(seed=0))
    own = within_consistency(twin, Adversarial(20), corpus=corpus)
    assert within_consistency(twin, attack, corpus=corpus).outcomes == own.outcomes
    assert own.value < 1.0 == within_consistency(other, attack, corpus=corpus).value
    assert attack.name == "Adversarial(snr_db=20, encoder='Linear')"
    assert audio_consistency(attack, corpus=corpus).value == 1.0


def test_another_encoder_is_attacked_anew_and_the_same_one_is_not(corpus, monkeypatch):
    attacks = []

    def counted(*given, **named):
        attacks.append(given)
        return descend(*given, **named)

    monkeypatch.setattr(target, "descend", counted)
    attack = Adversarial(31)
    made = [
        transformed_clip(corpus.ids[0], attack, Linear(seed=seed), corpus=corpus).samples
        for seed in (7, 7, 8)
    ]
    assert len(attacks) == 2
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()


def test_rho_and_audio_are_measured_of_what_the_encoder_heard(corpus):
    measured = between_consistency(Linear(), Adversarial(20), measure="accuracy", corpus=corpus)
    within = within_consistency(Linear(), Adversarial(20), corpus=corpus)
    assert measured.details["within"]["latent"]["value"] == within.value


def test_workers_find_the_same(corpus):
    here = within_consistency(Bands(), Adversarial(26, steps=7), corpus=corpus)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        there = within_consistency(Bands(), Adversarial(26, steps=7, restarts=1), corpus=corpus)
    assert there.details["margins"] == here.details["margins"]


def test_an_encoder_that_cannot_be_sent_is_attacked_here(corpus):
    class Held(Bands):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

    here = within_consistency(Bands(), Adversarial(26, steps=3), corpus=corpus)
    with (
        joblib.parallel_config(backend="loky", n_jobs=2),
        pytest.warns(WorkerWarning, match="encoder 'Held' cannot be pickled"),
    ):
        there = within_consistency(Held(), Adversarial(26, steps=3), corpus=corpus)
    assert there.details["margins"] == here.details["margins"]


@pytest.mark.parametrize("kind", ["bfloat16", "float64", "dropout", "in place", "training"])
def test_modules_of_all_kinds_are_attacked(corpus, kind):
    class Kind(Linear):
        def forward(self, audio):
            if kind == "in place":
                audio *= 2.0
            z = audio.to(self.weight.dtype) @ self.weight
            return torch.nn.functional.dropout(z, 0.5, self.training) if kind == "dropout" else z

    module = Kind()
    if kind in ("bfloat16", "float64"):
        module = module.to(getattr(torch, kind))
    module.train(kind in ("dropout", "training"))
    if kind == "in place":  # which plain measurements refuse
        with pytest.raises(EncoderError, match="changes its input in place"):
            within_consistency(module, Adversarial(0), corpus=corpus)
        return
    assert within_consistency(module, Adversarial(0), corpus=corpus).value == 0.0
    assert module.training == (kind in ("dropout", "training"))


# ---------------------------------------------------------------------------------------------
# What cannot be attacked


class Detached(Linear):
    def forward(self, audio):
        return super().forward(audio).detach()


class Rounded(Linear):
    """Whose gradients are zero wherever they are taken."""

    def forward(self, audio):
        return super().forward(audio).round() + 0.0 * super().forward(audio)


class DetachedInside(Linear):
    """Whose weights have gradients, and whose audio has none."""

    def forward(self, audio):
        return super().forward(audio.detach())


class Rooted(Linear):
    """Whose gradients are infinite times zero."""

    def forward(self, audio):
        return super().forward(audio) + (0.0 * audio).sum(1, keepdim=True).sqrt()


@pytest.mark.parametrize(
    "encoder, said",
    [
        (as_encoder(lambda x: x[:, :5], sample_rate=RATE), "no gradients flow through encoder"),
        (Detached(), "do not depend on its audio by what gradients flow through"),
        (DetachedInside(), r"are zero or not finite on clips.*look for detach\(\)"),
        (Rounded(), "are zero or not finite on clips clip-000, clip-001"),
        (Rooted(), "are zero or not finite on clips"),
    ],
    ids=["function", "detached", "detached inside", "rounded", "rooted"],
)  # fmt: skip
def test_encoders_without_gradients_are_refused(corpus, encoder, said):
    with pytest.raises(GradientError, match=said):
        within_consistency(encoder, Adversarial(40), corpus=corpus)


@pytest.mark.parametrize("distance", ["cosine", "angular"])
def test_an_original_without_direction_is_named(corpus, distance):
    class Loud(Linear):
        def forward(self, audio):
            heard = (audio != torch.from_numpy(corpus[2].window(SECONDS))).any(1, keepdim=True)
            return super().forward(audio) * heard

    with pytest.raises(EncoderError, match=f"embeddings of zeros for {corpus.ids[2]}, "):
        within_consistency(Loud(), Adversarial(40), corpus=corpus, distance=distance)


def test_a_distance_without_known_gradients_is_refused(corpus):
    def city_block(queries, candidates):
        return np.abs(queries[:, None] - candidates[None]).sum(2)

    with pytest.raises(TransformError, match="whose gradients are known: euclidean, cosine"):
        within_consistency(Linear(), Adversarial(40), corpus=corpus, distance=city_block)


def test_an_attack_on_nobody_says_what_it_takes(corpus):
    with pytest.raises(TransformError, match="cannot be applied to a clip by itself; measure it"):
        Adversarial(40).apply(corpus[0])
    with pytest.raises(TransformError, match="name one: Adversarial"):
        audio_consistency(Adversarial(40), corpus=corpus)


@pytest.mark.parametrize("steps, restarts", [(-1, 1), (2.5, 1), (True, 1), (20, 0)])
def test_numbers_of_steps_and_starts_are_whole(steps, restarts):
    with pytest.raises(MagnitudeError, match=r"Adversarial\((steps|restarts)=\.\.\.\) takes"):
        Adversarial(40, steps=steps, restarts=restarts)


def test_what_is_silent_where_it_is_heard_is_left_as_it_is():
    samples = noise(4, 2 * SECONDS)
    samples[0, RATE // 4 : 3 * RATE // 4] = 0.0
    corpus = Corpus.from_arrays(samples, sample_rate=RATE, window_seconds=2 * SECONDS)
    encoder = as_encoder(Linear(), window_seconds=SECONDS)
    measured = within_consistency(encoder, Adversarial(20), corpus=corpus)
    assert measured.outcomes[0]
    assert measured.details["transform"]["unchanged"] == {"clips": 1, "of": 4}


def test_what_is_heard_of_attacks_on_two_encoders_is_told_apart(corpus):
    attack = Adversarial(10)
    with sink() as kept:
        for encoder in (Linear(), Bands()):
            audio_consistency(attack, corpus=corpus, encoder=encoder)
    told = [one["details"]["identity"] for one in kept.measurements.values()]
    assert [identity["attacked"] for identity in told] == ["Linear", "Bands"]
    assert len({identity["attacked_as"] for identity in told}) == 2


def test_attacks_on_two_encoders_are_one_condition_of_a_baseline(corpus):
    """Made anew for an encoder that was trained again, they are no other transformation."""
    old, new = (
        within_consistency(Linear(seed=seed), Adversarial(10), corpus=corpus).details
        for seed in (0, 1)
    )
    assert old["transform"] == {**new["transform"], "checks": old["transform"]["checks"]}
    assert old["identity"]["attacked_as"] != new["identity"]["attacked_as"]


def test_a_chain_is_told_by_all_that_it_is_aimed_at(corpus):
    def told(second):
        chain = Chain(Adversarial(20, encoder=Bands()), Adversarial(20, encoder=second))
        return audio_consistency(chain, corpus=corpus).details["identity"]["attacked_as"]

    assert told(Linear(seed=0)) != told(Linear(seed=1))
