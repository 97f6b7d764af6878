"""Whether one encoder may query the index of another: copies whose answer is known."""

from __future__ import annotations

import json
from itertools import combinations

import naive
import numpy as np
import pytest

from pytest_nnrel import (
    Corpus,
    EmbeddingSizeError,
    EncoderError,
    PinkNoise,
    SettingError,
    as_encoder,
    assert_interchangeable,
    export_windows,
    interchangeability,
)
from pytest_nnrel.recording import sink
from pytest_nnrel.statistics.rotation import fit_rotation, halves, rotated

CLIPS, WIDTH = 24, 6


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(2019)
    return Corpus.from_arrays(
        rng.normal(0.0, 0.1, (CLIPS, 11_025)).astype(np.float32),
        sample_rate=22_050,
        window_seconds=0.4,
    )


class Spectrum:
    """Levels of six bands, and what becomes of them."""

    def __init__(self, name="spectrum", then=lambda z: z):
        self.name = name
        self.fingerprint = name
        self._then = then

    def encode(self, batch):
        bands = np.abs(np.fft.rfft(batch, axis=1))[:, : 60 * WIDTH]
        levels = np.log(bands.reshape(len(batch), WIDTH, 60).mean(axis=2))
        return self._then(20.0 * (levels - levels.mean())).astype(np.float32)


def orthogonal(seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)))[0]


OLD = Spectrum()
SEEDS = range(20)


def copies(seed):
    rng = np.random.default_rng(seed)
    turn, order, offset = orthogonal(seed), rng.permutation(WIDTH), rng.uniform(0.0, 1.0)
    factor = 2.0 ** rng.uniform(1.5, 3.0) ** rng.choice((-1.0, 1.0))
    if (order == np.arange(WIDTH)).all():
        order = order[::-1]
    return {
        # the copy, whether it fits as it is, whether a rotation mends it
        "quantised": (lambda z: np.round(z * 64 + offset) / 64, True, True),
        "noisy": (lambda z: z + 1e-3 * np.sin(1e4 * z + seed), True, True),
        "rotated": (lambda z: z @ turn + 3.0, False, True),
        "permuted": (lambda z: z[:, order] + 3.0, False, True),
        "scaled": (lambda z: factor * z + 30.0, False, True),
        "other": (lambda z: 5.0 * np.sin(1e3 * z * (seed + 1)), False, False),
    }


@pytest.mark.parametrize("kind", copies(0))
def test_copies_of_known_answer(run, corpus, kind):
    for seed in SEEDS:
        then, fits, mended = copies(seed)[kind]
        found = interchangeability(OLD, Spectrum(f"{kind} {seed}", then), corpus=corpus)
        for turned in (found.rotated_new, found.rotated_old):
            assert (turned.value > 0.9) == mended
        assert (found.value == 1.0) == fits
        assert (found.apart["max"] < 0.05) == fits


def test_each_direction_is_the_measure_of_a_plain_matrix(run, corpus):
    new = Spectrum("noisy", lambda z: z + 0.3 * np.sin(1e4 * z))
    noise = PinkNoise(20)
    found = interchangeability(OLD, new, transform=noise, corpus=corpus)
    windows, heard = corpus.windows(), corpus.windows(noise)
    for measured, asking, answering in (
        (found.new_among_old, new, OLD),
        (found.old_among_new, OLD, new),
    ):
        queries, originals = asking.encode(heard), answering.encode(windows)
        distances = [[naive.euclidean(q, o) for o in originals] for q in queries]
        assert measured.value == naive.within(distances)
        assert measured.outcomes == tuple(d == 0 for d in naive.deltas(distances))
        assert 0.0 < measured.value < 1.0  # or it would show little
    own = np.linalg.norm(new.encode(windows) - OLD.encode(windows), axis=1)
    of_corpus = OLD.encode(windows)
    spread = np.median([naive.euclidean(*pair) for pair in combinations(of_corpus, 2)])
    assert found.apart["median"] == pytest.approx(np.median(own) / spread, rel=1e-5)
    assert found.new.details["encoder"]["name"] == "noisy"
    assert found.old.details["encoder"]["name"] == "spectrum"


def test_the_message_says_what_would_mend_it(run, corpus):
    turned = Spectrum("turned", lambda z: 3.0 * z @ orthogonal(1))
    with sink() as opened, pytest.raises(AssertionError) as failed:
        assert_interchangeable(OLD, turned, min=0.9, corpus=corpus)
    text = str(failed.value)
    assert "turned: C_W across = 0." in text
    assert "index      originals by spectrum" in text
    assert "alone      C_W turned 1.000, spectrum 1.000: consistent, but their spaces do" in text
    assert "a rotation would mend it: fitted on half of the clips, times 0.333, it gives" in text
    assert [v["outcome"] for v in opened.verdicts] == ["fails", "fails"]
    kinds = sorted(m["measure"] for m in opened.measurements.values())
    assert kinds == ["across", "across", "within", "within"]
    other = Spectrum("other", lambda z: 5.0 * np.sin(1e3 * z))
    with pytest.raises(AssertionError, match=r"no rotation mends it.*embed the index anew"):
        assert_interchangeable(OLD, other, min=0.9, corpus=corpus)


def test_what_is_undecided_is_not_called_unfit(run, corpus):
    with pytest.raises(AssertionError, match=r"holds 0\.95: too few clips") as undecided:
        assert_interchangeable(OLD, Spectrum("again"), min=0.95, corpus=corpus, confident=True)
    assert "alone      C_W again 1.000, spectrum 1.000: consistent\n" in str(undecided.value)
    assert "do not fit" not in str(undecided.value)
    assert "mend" not in str(undecided.value)


def test_few_clips_do_not_determine_a_rotation(run, corpus):
    turned = Spectrum("turned", lambda z: z @ orthogonal(1))
    few = corpus.subset(10)
    with pytest.raises(AssertionError, match="tell whether a rotation would: 5 do not"):
        assert_interchangeable(OLD, turned, min=1.0, corpus=few)


def test_what_is_not_consistent_alone_is_told_so(run, corpus):
    constant = Spectrum("constant", np.ones_like)
    with pytest.raises(AssertionError, match="one falls short by itself") as failed:
        assert_interchangeable(constant, OLD, min=0.9, corpus=corpus)
    assert "all originals of the index are the same" in str(failed.value)
    assert "mend" not in str(failed.value)


def test_embeddings_of_another_length_do_not_fit(run, corpus):
    narrow = Spectrum("narrow", lambda z: z[:, :3])
    with pytest.raises(EmbeddingSizeError, match="'narrow' returns 3 numbers and 'spectrum' 6"):
        interchangeability(OLD, narrow, corpus=corpus)
    with sink() as opened, pytest.raises(AssertionError, match="not interchangeable"):
        assert_interchangeable(OLD, narrow, min=0.9, corpus=corpus)
    (verdict,) = opened.verdicts
    assert (verdict["outcome"], verdict["subject"]) == ("fails", "narrow")


def table_of(folder, corpus, encoder=OLD, transforms=()):
    windows = export_windows(folder, transforms, corpus=corpus)
    np.save(folder / "index.npy", encoder.encode(np.load(windows)))
    return as_encoder(folder / "index.npy")


def test_an_index_is_a_table_of_originals(run, corpus, tmp_path):
    index = table_of(tmp_path, corpus)
    assert_interchangeable(index, OLD, min=1.0, corpus=corpus)
    few = corpus.subset(10)  # of which the table has more
    assert interchangeability(index, OLD, corpus=few).value == 1.0
    noise = PinkNoise(40)
    with pytest.raises(EncoderError, match=r"no embedding for 24 of 24 windows.*PinkNoise"):
        interchangeability(index, OLD, transform=noise, corpus=corpus)
    found = interchangeability(index, OLD, transform=noise, queries="new", corpus=corpus)
    assert found.old_among_new is None
    assert found.new_among_old.value > 0.9


def test_an_index_that_lacks_clips_or_is_of_another_corpus_is_refused(run, corpus, tmp_path):
    index = table_of(tmp_path, corpus.subset(20))
    with pytest.raises(EncoderError, match="no embedding for 4 of 24 windows"):
        interchangeability(index, OLD, corpus=corpus)
    listing = json.loads((tmp_path / "windows.json").read_text())
    listing["rows"] = [{**row, "window": row["window"][::-1]} for row in listing["rows"]]
    (tmp_path / "windows.json").write_text(json.dumps(listing))
    foreign = as_encoder(tmp_path / "index.npy")
    with pytest.raises(EncoderError, match="it was made from another corpus"):
        interchangeability(foreign, OLD, corpus=corpus.subset(20))


def test_queries_are_named(run, corpus):
    with pytest.raises(SettingError, match="queries must be 'both', 'new' or 'old'"):
        interchangeability(OLD, OLD, queries="index", corpus=corpus)


def test_groups_are_of_one_half_and_compete_with_others_only(run):
    rng = np.random.default_rng(3)
    tracks = Corpus.from_arrays(
        np.repeat(rng.normal(0.0, 0.1, (6, 11_025)), 2, axis=0)
        + rng.normal(0.0, 1e-4, (12, 11_025)),
        sample_rate=22_050,
        window_seconds=0.4,
        groups=[f"track {i // 2}" for i in range(12)],
    )
    blurred = Spectrum("blurred", lambda z: np.round(z))
    found = interchangeability(OLD, blurred, corpus=tracks)
    assert found.value == 1.0  # relatives are as near, and do not compete
    everyone = interchangeability(OLD, blurred, corpus=tracks, neighbours="all")
    assert everyone.value < 1.0
    first = halves(tracks.groups, np.random.default_rng(0))
    assert first.sum() == 6
    assert (first[::2] == first[1::2]).all()


def test_a_rotation_is_judged_on_clips_that_it_was_not_fitted_on():
    """In more dimensions than clips a fit is perfect on its own half, and chance on the other."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 10, 40))
    fitted = fit_rotation(source, target)
    assert np.allclose(fitted.matrix @ fitted.matrix.T, np.eye(40))
    first = np.arange(10) < 5
    turned, _ = rotated(source, source, target, first)
    nearest = np.linalg.norm(turned[:, None] - target[None], axis=2).argmin(axis=1)
    assert (nearest == np.arange(10)).mean() < 0.5
    turned, factors = rotated(source, source, 2.0 * source[:, ::-1] + 1.0, first)
    assert factors == pytest.approx((2.0, 2.0), rel=1e-6)
