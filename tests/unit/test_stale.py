"""No stored value passes for another: whatever is edited, a run gives what an empty cache gives."""

import gc
import pickle
import types
import weakref
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from pytest_nnrel import (
    Chain,
    Corpus,
    CorpusError,
    EnvironmentalNoise,
    FunctionTransform,
    PinkNoise,
    as_encoder,
    as_transform,
    assert_within_consistency,
    audio_consistency,
    within_consistency,
)
from pytest_nnrel.experiment.recognition import (
    WITNESS_MISSED,
    WITNESS_SHARE,
    recognise,
    witnesses_among,
)
from pytest_nnrel.experiment.stores import Stores, close_stores
from pytest_nnrel.experiment.study import study_of
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import settings as run_settings
from pytest_nnrel.runtime.settings import Settings

RATE = 8_000
NOISE = PinkNoise(snr_db=0)


@contextmanager
def running(cache_dir):
    """Activate settings for a run of its own that reports nothing, and end it."""
    active = Settings(cache_dir=cache_dir, jobs=1)
    token = run_settings.activate(active)
    try:
        with sink():
            yield
    finally:
        run_settings.deactivate(token)
        close_stores(active)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def corpus():
    """Noises of half a second, each with a colour of its own."""
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((6, RATE // 2)).cumsum(axis=1)
    samples -= np.linspace(0.2, 0.99, 6)[:, None] * np.roll(samples, 1, axis=1)
    samples -= samples.mean(axis=1, keepdims=True)
    return Corpus.from_arrays(
        (0.1 * samples / samples.std(axis=1, keepdims=True)).astype(np.float32),
        sample_rate=RATE, window_seconds=0.45,
    )  # fmt: skip


def bands(batch):
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([part.mean(axis=1) for part in np.array_split(spectra, 12, axis=1)], axis=1)


def margins(encoder, transform, corpus):
    return within_consistency(encoder, transform, corpus=corpus).details["margins"]


def fresh(encoder, transform, corpus):
    """Measure with an empty cache."""
    with running(None):
        return margins(encoder, transform, corpus)


# ---------------------------------------------------------------------------------------------
# Transformations


class Drowning:
    def __init__(self, level):
        self.level = level

    def __call__(self, samples, sample_rate):
        noise = np.random.default_rng(0).standard_normal(len(samples))
        return samples + self.level * noise


LEVEL = 0.0


def drowned(samples, sample_rate):
    return Drowning(LEVEL)(samples, sample_rate)


def set_attribute(drowning, level, monkeypatch):
    drowning.level = level
    return drowning


def set_global(drowning, level, monkeypatch):
    monkeypatch.setitem(globals(), "LEVEL", level)
    return drowned


def set_closure(drowning, level, monkeypatch):
    drowning.level = level
    return lambda samples, sample_rate: drowning(samples, sample_rate)


@pytest.mark.parametrize("changed", [set_attribute, set_global, set_closure])
@pytest.mark.parametrize("wrapped", [lambda fn: fn, lambda fn: FunctionTransform("mine", fn)])
def test_one_transformation_whose_level_is_changed(cache, corpus, monkeypatch, changed, wrapped):
    drowning = Drowning(0.0)
    values = []
    with running(cache):
        for level in (0.0, 0.01, 1.0, 0.0):
            transform = wrapped(changed(drowning, level, monkeypatch))
            value = margins(bands, transform, corpus)
            assert value == fresh(bands, Drowning(level), corpus)
            values.append(value)
    assert values[0] == values[3]
    assert len(set(map(tuple, values))) == 3


def test_an_audiomentations_object_whose_level_is_changed(cache, corpus):
    audiomentations = pytest.importorskip("audiomentations")

    def noise(snr):
        return audiomentations.AddGaussianSNR(min_snr_db=snr, max_snr_db=snr, p=1.0)

    one = noise(60)
    with running(cache):
        for snr in (60, 20, -10, 60):
            one.min_snr_db = one.max_snr_db = snr
            assert margins(bands, one, corpus) == fresh(bands, noise(snr), corpus)


def test_what_an_audiomentations_object_drew_is_no_part_of_what_it_does(corpus):
    audiomentations = pytest.importorskip("audiomentations")
    one = audiomentations.AddGaussianSNR(min_snr_db=3, max_snr_db=9, p=1.0)
    transform = as_transform(audiomentations.Compose([one]))
    before = transform.behaviour()
    assert before.known
    transform.apply(corpus[0])
    assert one.parameters
    assert transform.behaviour() == before
    one.freeze_parameters()
    frozen = transform.behaviour()
    one.parameters["amplitude"] = 0.5
    assert transform.behaviour() != frozen


def test_a_recording_that_is_exchanged_under_a_measurement(cache, corpus, tmp_path):
    """What is rendered is stored under the content that the recipe told."""
    recording, other = tmp_path / "room.wav", tmp_path / "other.wav"
    for seed, path in enumerate((recording, other)):
        noise = np.random.default_rng(seed).standard_normal(RATE).cumsum()
        soundfile.write(path, 0.5 * noise / np.abs(noise).max(), RATE, subtype="FLOAT")
    kept = recording.read_bytes()

    def exchange(samples, sample_rate):
        if other.exists():
            other.replace(recording)
        return samples

    def noisy():
        return Chain(
            FunctionTransform("exchange", exchange, version="1"),
            EnvironmentalNoise(0, str(recording)),
        )

    with running(cache):
        before = noisy()
        with pytest.raises(CorpusError, match=r"room\.wav has changed since Environment.*make the"):
            margins(bands, before, corpus)
        # The same object has another file's name for good; a new one is of the new file.
        with pytest.raises(CorpusError, match=r"room\.wav has changed since"):
            margins(bands, before, corpus)
        assert margins(bands, noisy(), corpus) == fresh(bands, noisy(), corpus)
    recording.write_bytes(kept)
    with running(cache):
        assert margins(bands, before, corpus) == fresh(bands, noisy(), corpus)


def test_a_recording_in_other_processes_is_the_one_that_was_first_read(corpus, tmp_path):
    recording = tmp_path / "room.wav"
    soundfile.write(recording, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    noise = EnvironmentalNoise(0, str(recording))
    told = noise.recipe()
    soundfile.write(recording, 0.1 * np.random.default_rng(1).standard_normal(RATE), RATE)
    elsewhere = pickle.loads(pickle.dumps(noise))
    assert elsewhere == noise == EnvironmentalNoise(0, str(recording))
    assert elsewhere.recipe() == noise.recipe() == told
    assert EnvironmentalNoise(0, str(recording)).recipe() != told
    for one in (noise, elsewhere):
        with pytest.raises(CorpusError, match=r"room\.wav has changed since"):
            one.apply(corpus[0])


def test_audio_distances_that_change_their_mind(cache, corpus):
    state = {"power": 1.0}

    def distance(queries, candidates):
        means = [np.stack([s.mean(axis=0) for s in both]) for both in (queries, candidates)]
        return (np.abs(means[0][:, None] - means[1]) ** state["power"]).sum(axis=2)

    def measured():
        return audio_consistency(NOISE, corpus=corpus, distance=distance).details["margins"]

    with running(cache):
        for power in (1.0, 4.0, 1.0):
            state["power"] = power
            value = measured()
            with running(None):
                assert value == measured()


def stepping(state):
    """Return a generator that numbers its uses, and a transformation that it drives."""
    numbers = iter(range(state))
    return lambda samples, sample_rate: Drowning(float(next(numbers)))(samples, sample_rate)


def test_what_cannot_be_looked_into_is_known_for_one_measurement_only(cache, corpus):
    with running(cache):
        transform = as_transform(stepping(100), name="stepping")
        assert not transform.behaviour().known
        first, second = (margins(bands, transform, corpus) for _ in range(2))
    assert first != second
    moved = iter(range(100))

    def encode(batch):
        return bands(batch) * np.float64(next(moved))

    with running(cache):
        # A measurement asks twice, for originals and for what became of them.
        for _ in range(2):
            margins(encode, NOISE, corpus)
    assert next(moved) == 4


# ---------------------------------------------------------------------------------------------
# Encoders


class Model:
    """Code, state, a global and a helper module, each of which may change."""

    def __init__(self, helper):
        self.helper = helper
        self.weights = np.ones(12)

    def encode(self, batch):
        return self.helper.bands(batch) * self.weights + TILT * np.arange(12)


TILT = 0.0
HELPER = """
import numpy as np

def bands(batch):
    spectra = np.abs(np.fft.rfft(batch)) ** {power}
    return np.stack([p.mean(axis=1) for p in np.array_split(spectra, 12, axis=1)], axis=1)
"""


def helper_with(power, module=None):
    module = module or types.ModuleType("nnrel_test_helper")
    exec(HELPER.format(power=power), vars(module))
    return module


def test_a_helper_module_that_spares_most_clips_is_told(cache, corpus):
    """The fingerprint is the same, and so are the embeddings of all clips but one."""
    levels = np.sort(bands(np.stack([clip.window(0.45) for clip in corpus])).mean(axis=1))
    middle = (levels[2] + levels[3]) / 2

    def encoder(edited):
        helper = helper_with(1)
        exec(
            "original = bands\n"
            "def bands(batch):\n"
            "    found = original(batch)\n"
            f"    return np.where(abs(found.mean(axis=1, keepdims=True) - {middle}) < {edited},"
            " found[:, ::-1], found)",
            vars(helper),
        )
        return as_encoder(Model(helper), name="mine", fingerprint="1")

    near = abs(levels[3] - middle) * 1.001
    behaviours = [encoder(edited).identify().behaviour for edited in (0.0, near)]
    assert behaviours[0] != behaviours[1]
    for edited in (0.0, near, 0.0):
        with running(cache):
            assert margins(encoder(edited), NOISE, corpus) == fresh(encoder(edited), NOISE, corpus)


def test_what_no_look_at_code_sees_is_found_by_witnesses(cache, corpus, tmp_path):
    """An encoder that reads a file, of which an edit moves one clip, neither first nor last."""
    table = tmp_path / "weights.npy"
    levels = bands(np.stack([clip.window(0.45) for clip in corpus]))

    def encode(batch):
        chosen, factor = np.load(table)
        embeddings = bands(batch)
        nearest = np.abs(embeddings[:, None] - levels).sum(axis=2).argmin(axis=1)
        return embeddings * np.where(nearest == chosen, factor, 1.0)[:, None]

    for content in ([2, 1.0], [2, 5.0], [3, 0.2]):
        np.save(table, content)
        with running(cache):
            encoder = as_encoder(encode, name="mine", fingerprint="1")
            assert margins(encoder, NOISE, corpus) == fresh(encode, NOISE, corpus)


def test_each_seed_of_a_run_has_witnesses_of_its_own(cache, corpus, torch, tmp_path):
    table = tmp_path / "factor"

    class Net(torch.nn.Module):
        def forward(self, x):
            return x.unfold(1, 100, 100).abs().amax(1) ** float(table.read_text())

    encoder = as_encoder(Net(), name="mine")

    def both():
        found = [within_consistency(encoder, NOISE, corpus=corpus, seed=seed) for seed in (1, 2)]
        return [one.details["margins"] for one in found]

    for factor in ("1.0", "3.0"):
        table.write_text(factor)
        with running(cache):
            found = both()
        with running(None):
            assert found == both()


@pytest.mark.parametrize("clips", [1, 2, 6, 20, 21, 134, 1_000])
def test_witnesses_miss_what_moves_one_clip_in_twenty_so_rarely(clips):
    moved = max(1, int(np.ceil(WITNESS_SHARE * clips)))

    def missed(drawn):
        return hypergeom(clips, moved, drawn).pmf(0)

    number = witnesses_among(clips)
    assert missed(number) <= WITNESS_MISSED
    assert number == 1 or missed(number - 1) > WITNESS_MISSED


def test_witnesses_of_very_many_clips():
    assert witnesses_among(10**6) == int(np.ceil(np.log(0.05) / np.log(0.95))) == 59


edits = st.lists(
    st.one_of(
        st.tuples(st.just("weight"), st.integers(0, 11), st.sampled_from([0.0, 1.0, 9.0])),
        st.tuples(st.just("global"), st.just(0), st.sampled_from([0.0, 1.0, 7.0])),
        st.tuples(st.just("helper"), st.just(0), st.sampled_from([1, 2, 0.5])),
        st.tuples(st.just("method"), st.just(0), st.sampled_from([0, 3, 6])),
        st.tuples(st.just("attribute"), st.just(0), st.sampled_from([0.0, 0.3, 2.0])),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=edits, fingerprint=st.sampled_from([None, "1"]), in_one_run=st.booleans())
def test_any_edits_give_what_an_empty_cache_gives(
    tmp_path_factory, monkeypatch, corpus, edits, fingerprint, in_one_run
):
    cache = tmp_path_factory.mktemp("cache")
    helper = helper_with(1)
    model, drowning = Model(helper), Drowning(0.3)

    def measured():
        return margins(as_encoder(model, fingerprint=fingerprint), drowning, corpus)

    with running(cache) if in_one_run else nullcontext():
        for kind, place, value in [("weight", 0, 1.0), *edits]:
            if kind == "weight":
                model.weights[place] = value
            elif kind == "global":
                monkeypatch.setitem(globals(), "TILT", value)
            elif kind == "helper":
                helper_with(value, helper)
            elif kind == "method":
                model.encode = types.MethodType(
                    lambda self, batch, n=value: Model.encode(self, batch)[:, n:], model
                )
            else:
                drowning.level = value
            with nullcontext() if in_one_run else running(cache):
                found = [measured(), measured()]
            with running(None):
                assert found == [measured()] * 2
    monkeypatch.undo()


# ---------------------------------------------------------------------------------------------
# torch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def net(torch):
    class Net(torch.nn.Module):
        power = 1.0

        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(100, 6)

        def forward(self, x):
            return self.layer(x.unfold(1, 100, 100).abs() ** self.power).amax(1)

    return Net()


def patched_forward(net, torch, patch):
    forward = net.forward
    patch.setattr(net, "forward", lambda x: forward(x).round(decimals=1), raising=False)


def hooked(net, torch, patch):
    patch.context = net.layer.register_forward_hook(lambda m, i, out: out.round(decimals=1))


PATCHES = {
    "forward": patched_forward,
    "constant": lambda net, torch, patch: patch.setattr(type(net), "power", 3.0),
    "method of a layer": lambda net, torch, patch: patch.setattr(
        net.layer, "forward", lambda x: x[..., :6], raising=False
    ),
    "library's class": lambda net, torch, patch: patch.setattr(
        torch.nn.Linear, "forward", lambda self, x: x[..., :6]
    ),
    "weights": lambda net, torch, patch: patch.setattr(
        net.layer.weight, "data", net.layer.weight.data.sign()
    ),
}


@pytest.mark.parametrize("patched", PATCHES.values(), ids=PATCHES.keys())
@pytest.mark.parametrize("first", ["sound", "patched"])
def test_a_patched_module_and_the_sound_one_do_not_share(cache, corpus, net, torch, patched, first):
    def both(measure):
        found = {}
        for which in ("sound", "patched") if first == "sound" else ("patched", "sound"):
            with pytest.MonkeyPatch.context() as patch:
                if which == "patched":
                    patched(net, torch, patch)
                found[which] = measure(net, NOISE, corpus)
        return found

    with running(cache):
        assert both(margins) == both(fresh)
    with running(cache):
        assert both(margins) == both(fresh)


def test_a_module_with_a_hook_and_under_autocast(cache, corpus, net, torch):
    with running(cache):
        sound = margins(net, NOISE, corpus)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            under = margins(net, NOISE, corpus)
            assert under == fresh(net, NOISE, corpus) != sound
        hook = net.layer.register_forward_hook(lambda module, given, out: out.round(decimals=1))
        assert margins(net, NOISE, corpus) == fresh(net, NOISE, corpus) != sound
        hook.remove()
        assert margins(net, NOISE, corpus) == sound


def known_as(encoder, corpus):
    """Return what the embeddings of an encoder are stored under."""
    active = run_settings.active()
    return recognise(encoder, study_of(corpus, 0, active)).identity


def test_embeddings_are_of_the_device_that_computes_them(cache, corpus, net):
    encoders = {
        device: as_encoder(net, device=device, name="mine") for device in (None, "cpu", "meta:0")
    }
    with running(cache):
        known = {device: known_as(encoder, corpus) for device, encoder in encoders.items()}
    assert known[None] == known["cpu"] != known["meta:0"]
    assert len({encoder.fingerprint for encoder in encoders.values()}) == 1


def test_embeddings_are_of_what_compiles_a_module(cache, corpus, net, torch):
    def sound(graph, example):
        return graph.forward

    def broken(graph, example):
        return lambda *given: tuple(0 * out for out in graph.forward(*given))

    encoders = [
        as_encoder(torch.compile(net, backend=backend), name="mine")
        for backend in (sound, sound, broken, "eager")
    ]
    with running(cache):
        known = [known_as(encoder, corpus) for encoder in [*encoders, as_encoder(net, name="mine")]]
    assert known[0] == known[1]
    assert len(set(known)) == len(known) - 1
    assert len({encoder.fingerprint for encoder in encoders}) == 1


# ---------------------------------------------------------------------------------------------
# What a run holds


@pytest.mark.parametrize("kind", ["function", "object", "torch"])
def test_encoders_do_not_outlive_their_last_use(cache, corpus, torch, kind):
    def make():
        weights = torch.ones(1) if kind == "torch" else np.ones(1)
        if kind == "torch":
            module = torch.nn.Sequential(torch.nn.Linear(RATE * 45 // 100, 3))
            return module, module
        if kind == "object":
            model = Model(helper_with(1))
            return model, model
        return (fn := lambda batch: bands(batch) * weights), fn

    with running(cache):
        left = []
        for _ in range(3):
            encoder, held = make()
            within_consistency(encoder, Drowning(0.1), corpus=corpus)
            left.append(weakref.ref(held))
            del encoder, held
        gc.collect()
        assert [reference() for reference in left] == [None] * 3


def test_the_runs_own_store_is_cut_to_the_cap_as_the_lasting_one_is(monkeypatch):
    monkeypatch.setattr("pytest_nnrel.runtime.store._LOOK_AFTER_BYTES", 1_000)
    stores = Stores(None, cap_bytes=100_000)
    try:
        for i in range(40):
            stores.scratch.put("clips", f"{i:032x}", {"samples": np.zeros(2_500, np.float32)})
        assert 0 < stores.scratch.size()[1] <= 100_000 + 2 * 10_500
    finally:
        stores.close()


# ---------------------------------------------------------------------------------------------
# Transformations that do nothing


def only_loud(samples, sample_rate):
    return samples if np.abs(samples).max() < 0.35 else samples[::-1]


def test_clips_that_come_back_unchanged_are_counted(cache, corpus):
    spared = sum(np.abs(clip.samples).max() < 0.35 for clip in corpus)
    assert 0 < spared < len(corpus)
    cases = {
        only_loud: spared,
        lambda samples, sample_rate: samples: len(corpus),
        lambda samples, sample_rate: 0.1 * samples: len(corpus),  # loudness is restored
        lambda samples, sample_rate: samples[::-1]: 0,
        lambda samples, sample_rate: samples[:-1]: 0,
    }
    with running(cache):
        for transform, unchanged in cases.items():
            for _ in range(2):  # from the store as well
                measured = within_consistency(bands, transform, corpus=corpus)
                expected = {"clips": unchanged, "of": len(corpus)} if unchanged else None
                assert measured.details["transform"].get("unchanged") == expected
        untouched = within_consistency(bands, NOISE, corpus=corpus)
    assert "unchanged" not in untouched.details["transform"]


def test_clips_that_come_back_unchanged_are_told_in_the_message(cache, corpus):
    with running(cache), pytest.raises(AssertionError) as raised:
        assert_within_consistency(lambda batch: batch[:, :2], only_loud, min=1.0, corpus=corpus)
    spared = sum(np.abs(clip.samples).max() < 0.35 for clip in corpus)
    assert f"{spared} of {len(corpus)} clips came back as they were" in str(raised.value)
