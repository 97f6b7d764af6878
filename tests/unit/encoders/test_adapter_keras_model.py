"""Models of Keras 3, on torch unless KERAS_BACKEND says otherwise."""

import importlib.util
import os

import numpy as np
import pytest
from trial import RATE, Library, Trial

from pytest_nnrel import EncoderError, as_encoder

pytestmark = pytest.mark.runtimes
if importlib.util.find_spec("torch") is not None:  # else on Keras's own choice
    os.environ.setdefault("KERAS_BACKEND", "torch")
keras = Library("keras")


def model_of(windows, seed=0, lines=()):
    """Return a model that training would change: dropout, and statistics of batches."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((windows.shape[1],)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dropout(0.5),
            keras.layers.BatchNormalization(),
            *lines,
        ]
    )


def bare(model, windows):
    out = model(windows, training=False)
    return np.asarray(out.detach() if hasattr(out, "detach") else out)


def trial(folder, windows):
    model = model_of(windows)
    codes = model_of(windows, lines=[keras.layers.Lambda(lambda x: keras.ops.cast(x, "int32"))])
    return Trial(model, lambda batch: bare(model, batch), model_of(windows, seed=1), codes)


def known(model):
    return as_encoder(model, name="one").fingerprint


def test_equal_models_are_known_again_whatever_keras_calls_them(windows):
    one, again, other = (model_of(windows, seed) for seed in (0, 0, 1))
    assert one.layers[0].name != again.layers[0].name
    assert known(one) == known(again)
    assert known(one) not in (None, known(other))
    assert as_encoder(one, fingerprint="v1").fingerprint == "v1"


# Of Keras, where it makes arrays of tensors.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_fitting_further_is_told_and_use_is_not(windows):
    model = model_of(windows)
    before = known(model)
    model.predict_on_batch(windows)
    assert known(model) == before
    model.compile("sgd", "mse")
    assert known(model) == before
    model.fit(windows, np.zeros((6, 5)), verbose=0)
    fitted = known(model)
    assert fitted not in (None, before)
    model.predict(windows, verbose=0)
    assert known(model) == fitted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda k: [k.layers.Activation("tanh")], lambda k: [k.layers.Activation("relu")]),
        (lambda k: [k.layers.Lambda(lambda x: x)], lambda k: [k.layers.Lambda(lambda x: -x)]),
        (lambda k: [k.layers.Rescaling(2.0)], lambda k: [k.layers.Rescaling(3.0)]),
        (
            lambda k: [k.layers.Activation("tanh", name="relu")],
            lambda k: [k.layers.Activation("relu", name="tanh")],
        ),
        (
            lambda k: [k.layers.Dense(5, dtype="float32")],
            lambda k: [k.layers.Dense(5, dtype="mixed_bfloat16")],
        ),
    ],
    ids=["activation", "function", "constant", "names", "precision"],
)
def test_what_layers_are_made_with_is_told(windows, one, other):
    first, again, second = (model_of(windows, lines=lines(keras)) for lines in (one, one, other))
    assert known(first) == known(again)
    assert known(first) not in (None, known(second))


def test_how_layers_are_joined_is_told(windows):
    def joined(swapped):
        keras.utils.set_random_seed(0)
        audio = keras.Input((windows.shape[1],))
        parts = [keras.layers.Dense(5)(audio), keras.layers.Dense(5)(audio)]
        first, second = reversed(parts) if swapped else parts
        return keras.Model(audio, 2 * keras.layers.subtract([first, second]))

    assert known(joined(False)) == known(joined(False))
    assert known(joined(False)) not in (None, known(joined(True)))


def subclassed(gain, seed=0):
    class Net(keras.Model):
        sample_rate = RATE

        def __init__(self):
            super().__init__()
            self.gain = gain
            self.layer = keras.layers.Dense(5, activation="tanh")
            self.dropout = keras.layers.Dropout(0.5)

        def call(self, audio):
            return {"embedding": self.dropout(self.layer(self.gain * audio)), "gain": audio[:, :1]}

        def below(self, audio):
            return self.layer(self.gain * audio)

    keras.utils.set_random_seed(seed)
    return Net()


def test_a_model_of_ones_own_class_is_known_by_its_attributes_once_it_is_built(windows):
    assert known(subclassed(1.0)) is None, "its weights are yet to be drawn"
    models = [subclassed(1.0), subclassed(1.0), subclassed(2.0), subclassed(1.0, seed=1)]
    for model in models:
        as_encoder(model, output="embedding").encode(windows, RATE)
    one, again, gain, seed = map(known, models)
    assert one == again is not None
    assert len({one, gain, seed, None}) == 4
    models[0].compile("sgd", "mse")
    assert known(models[0]) == one


def test_outputs_and_methods_are_named(windows):
    model = subclassed(1.0)
    assert as_encoder(model).sample_rate == RATE
    with pytest.raises(EncoderError, match=r"dict of 2; name .* 'embedding', 'gain'"):
        as_encoder(model).encode(windows, RATE)
    found = as_encoder(model, output="embedding").encode(windows, RATE)
    np.testing.assert_array_equal(found, as_encoder(model.below).encode(windows, RATE))
    np.testing.assert_array_equal(found, as_encoder(model, method="below").encode(windows, RATE))


def test_audio_comes_with_the_axis_of_channels_that_is_declared(windows):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((None, 1)),
            keras.layers.Conv1D(4, 400, strides=200),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    found = as_encoder(model).encode(windows, RATE)
    np.testing.assert_allclose(found, bare(model, windows[..., None]), rtol=1e-4, atol=1e-6)


def test_a_batch_of_one_size_is_filled(windows):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input(batch_shape=(4, windows.shape[1])), keras.layers.Dense(5)]
    )
    whole = np.concatenate([windows, windows[:2]])
    expected = np.concatenate([bare(model, whole[:4]), bare(model, whole[4:])])[:6]
    np.testing.assert_allclose(as_encoder(model).encode(windows, RATE), expected, rtol=1e-4)


def test_another_length_is_refused_with_the_window_that_fits(windows):
    model = model_of(windows)
    assert as_encoder(model, sample_rate=RATE).window_seconds == 0.125
    with pytest.raises(
        EncoderError, match=r"takes windows of 2,000 samples, not of 900 .*window_seconds=0\.125"
    ):
        as_encoder(model).encode(windows[:, :900], RATE)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([((2000,), "int32")], r"takes input 0 int32\[any, 2000\]; expected one input of audio"),
        ([((64, 96), "float32")], r"float32\[any, 64, 96\]; "),
        (
            [((2000,), "float32"), ((8,), "float32")],
            r"input 1 float32\[any, 8\]; .*"
            r"model\(\[audio, np\.zeros\(\(len\(audio\), 8\), 'float32'\)\]\)",
        ),
    ],
    ids=["integers", "features", "two"],
)
def test_what_takes_anything_else_is_refused(inputs, message):
    made = [keras.Input(shape, dtype=kind) for shape, kind in inputs]
    with pytest.raises(EncoderError, match=message):
        as_encoder(keras.Model(made, [keras.layers.Flatten()(x) for x in made]))
