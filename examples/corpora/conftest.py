"""What `mirdata.initialize("irmas").download()` leaves behind, with music of the bundled corpus."""

import hashlib
import json

import numpy as np
import pytest
import soundfile

from pytest_nnrel import Corpus

INSTRUMENTS = ("cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio")


@pytest.fixture(scope="session")
def mir_datasets(tmp_path_factory):
    """Write IRMAS's training set, 10 clips of 3 s at 44.1 kHz in stereo, and mirdata's index."""
    from mirdata.datasets import irmas

    folder = tmp_path_factory.mktemp("mir_datasets")
    tracks = {}
    music = Corpus.bundled().subset(len(INSTRUMENTS)).windows(window_seconds=3, sample_rate=44_100)
    for number, (samples, instrument) in enumerate(zip(music, INSTRUMENTS), start=1):
        name = f"IRMAS-TrainingData/{instrument}/[{instrument}][cla]{number:04d}__1.wav"
        path = folder / "irmas" / name
        path.parent.mkdir(parents=True)
        soundfile.write(path, np.stack([samples, samples], axis=1), 44_100)
        entry = [name, hashlib.md5(path.read_bytes()).hexdigest()]
        tracks[f"{number:04d}__1"] = {"audio": entry, "annotation": entry}
    index = irmas.INDEXES["1.0"]
    (folder / index.filename).write_text(json.dumps({"version": "1.0", "tracks": tracks}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "indexes_dir", str(folder))
        yield folder
