"""The log-mel encoder with the common API of HEAR (https://hearbenchmark.com/hear-api.html)."""

from encoder import HOP, SAMPLE_RATE, LogMelEncoder

FRAMES = 16


class HEARLogMel(LogMelEncoder):
    """The module with the attributes that HEAR asks for."""

    scene_embedding_size = timestamp_embedding_size = 192


def load_model(model_file_path=""):
    """Return the module; it has no weights to load."""
    return HEARLogMel()


def get_scene_embeddings(audio, model):
    """Map ``float32[n, samples]`` to ``float32[n, 192]``."""
    return model(audio)


def get_timestamp_embeddings(audio, model):
    """Return embeddings of stretches, ``float32[n, m, 192]``, and their centres in milliseconds."""
    stretches = audio.unfold(1, FRAMES * HOP, FRAMES * HOP)
    n, m, samples = stretches.shape
    embeddings = model(stretches.reshape(n * m, samples)).reshape(n, m, -1)
    centres = (audio.new_ones(n, m).cumsum(1) - 0.5) * 1000 * samples / SAMPLE_RATE
    return embeddings, centres
