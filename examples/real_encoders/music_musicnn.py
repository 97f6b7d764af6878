"""musicnn: tags of music, from MagnaTagATune (Pons & Serra, 2019). Its 200 penultimate units."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pytest_nnrel import as_encoder

FIELD = "music"
PACKAGE = "musicnn"
LICENCE = "ISC"
INSTALL = "pip install --no-deps musicnn && pip install tensorflow-cpu librosa"


def load():
    import librosa
    import tensorflow.compat.v1 as tf

    # The package's own code builds the network by what TensorFlow no longer has. The graph is
    # stored beside the weights; sizes that it states of gradients are refused by now.
    folder = str(Path(find_spec(PACKAGE).origin).parent / "MTT_musicnn") + "/"
    stored = tf.MetaGraphDef.FromString(Path(folder, ".meta").read_bytes())
    for node in stored.graph_def.node:
        node.attr.pop("_output_shapes", None)
    graph = tf.Graph()
    session = tf.Session(graph=graph)
    with graph.as_default():
        tf.train.import_meta_graph(stored).restore(session, folder)

    def embed(audio):
        mel = librosa.feature.melspectrogram(
            y=audio, sr=16_000, n_fft=512, hop_length=256, n_mels=96
        )
        frames = np.log10(10_000 * mel[:, :, :187] + 1).transpose(0, 2, 1)
        given = {"model/Placeholder:0": frames, "model/Placeholder_2:0": False}
        return session.run("model/dense/Relu:0", given)

    return as_encoder(
        embed,
        sample_rate=16_000,
        window_seconds=187 * 256 / 16_000,
        name=PACKAGE,
        fingerprint=version(PACKAGE),
    )
