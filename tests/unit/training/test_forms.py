"""The forms of the loss, by loops over pairs and numbers, and the laws that they keep."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from pytest_nnrel.errors import EncoderError, TrainingError  # noqa: E402
from pytest_nnrel.training.forms import FORMS, contrastive, stability, vicreg  # noqa: E402

TWINS = {
    "stability": naive.stability,
    "vicreg": naive.vicreg,
    "contrastive": naive.nt_xent,
}


def embeddings(seed, count=5, size=4):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-2, 2)
    clean = scale * rng.normal(rng.normal(), 1, (count, size))
    return clean, clean + scale * 0.5 * rng.normal(size=(count, size))


def value_of(form, *given):
    return float(form(*(torch.from_numpy(np.asarray(each)) for each in given)))


@given(
    st.sampled_from(sorted(FORMS)), st.integers(0, 2**32 - 1), st.integers(2, 7), st.integers(1, 5)
)
def test_they_are_what_their_papers_say(name, seed, count, size):
    both = embeddings(seed, count, size)
    assert value_of(FORMS[name], *both) == pytest.approx(TWINS[name](*both), rel=1e-9)


def test_options_are_the_papers_symbols():
    both = embeddings(0)
    for options in ({"invariance": 0.0}, {"variance": 1.0}, {"covariance": 7.0}):
        given = value_of(lambda *b, o=options: vicreg(*b, **o), *both)
        assert given == pytest.approx(naive.vicreg(*both, **options), rel=1e-9)
    cool = value_of(lambda *b: contrastive(*b, temperature=0.1), *both)
    assert cool == pytest.approx(naive.nt_xent(*both, temperature=0.1), rel=1e-9)


@given(st.sampled_from(sorted(FORMS)), st.integers(0, 2**32 - 1), st.permutations(range(6)))
def test_the_order_of_the_batch_does_not_matter(name, seed, order):
    clean, transformed = embeddings(seed, count=6)
    permuted = value_of(FORMS[name], clean[order], transformed[order])
    assert permuted == pytest.approx(value_of(FORMS[name], clean, transformed), rel=1e-9)


@given(st.sampled_from(["stability", "contrastive"]), st.integers(0, 2**32 - 1))
def test_the_scale_of_the_embeddings_does_not_matter(name, seed):
    clean, transformed = embeddings(seed)
    scaled = value_of(FORMS[name], 1000 * clean, 1000 * transformed)
    assert scaled == pytest.approx(value_of(FORMS[name], clean, transformed), rel=1e-9)


def test_shrinking_does_not_lessen_stability_by_its_gradient():
    """The gradient is square to scaling all embeddings, so that it cannot lead to a collapse."""
    given = [torch.from_numpy(each).requires_grad_() for each in embeddings(1)]
    stability(*given).backward()
    along = sum(float((each.detach() * each.grad).sum()) for each in given)
    assert along == pytest.approx(0, abs=1e-12)


def test_stability_of_views_that_are_the_clips_is_0_and_of_other_clips_1():
    clean, _ = embeddings(2, count=4000)
    assert value_of(stability, clean, clean) == 0.0
    assert value_of(stability, clean, clean[::-1].copy()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", FORMS)
def test_one_clip_is_no_batch(name):
    one = torch.ones(1, 3)
    with pytest.raises(TrainingError, match=r"has 1 clip; .*drop_last=True"):
        FORMS[name](one, one)


@pytest.mark.parametrize("value", [0.0, 3.7, 1e-30])
def test_collapsed_embeddings_are_told(value):
    same = torch.full((4, 3), value)
    with pytest.raises(EncoderError, match="all 4 clips of the batch have the same embedding"):
        stability(same, same)


def test_the_own_view_that_is_nearest_is_the_least_contrast():
    apart = np.eye(4)
    own = value_of(contrastive, apart, apart)
    assert own < value_of(contrastive, apart, np.roll(apart, 1, axis=0))
    assert own == pytest.approx(np.log(np.exp(2) + 6) - 2)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_embedding_of_silence_has_a_gradient_that_is_no_larger_than_others(form):
    encoder = torch.nn.Linear(20, 4)
    torch.nn.init.zeros_(encoder.bias)
    given = torch.randn(6, 20, generator=torch.Generator().manual_seed(0))
    given[2] = 0.0
    form(encoder(given), encoder(1.1 * given)).backward()
    assert encoder.bias.grad.norm() < 100.0
