"""IRMAS: excerpts of music, each with its predominant instrument, for instrument recognition.

The paper uses its training set (section 4.3): 6,705 excerpts of 3 s from more than 2,000 songs,
split by song.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reference_models.datasets.audiofiles import ClipFiles, Provenance, split_by_group
from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reference_models.datasets.examples import TaskData

IRMAS = Provenance("IRMAS", ("instrument",), "https://doi.org/10.5281/zenodo.1290750")
#: Of the excerpts; the paper does not give its own.
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def load(root: Path, task: str, part: str, *, complete: bool = True) -> TaskData:
    """Return a part of IRMAS's training set.

    Songs are told by the number in a file's name: ``[cel][nod][cla]0058__1.wav`` and
    ``...0058__2.wav`` are excerpts of one. Each part has its share of every instrument.

    Parameters
    ----------
    root : Path
        The folder that holds ``IRMAS-TrainingData``, as mirdata lays it out.
    task : str
        By name; one that asks for the instrument.
    part : {"train", "validation", "test"}
    complete : bool
        Whether all excerpts of the part must be there. The others do not change their part.

    Raises
    ------
    DatasetError
        If mirdata or its index of IRMAS is not installed, files are missing, or IRMAS does not
        have such a part or serve such a task.
    """
    IRMAS.truth_for(task, part)
    instruments, tracks = _training_tracks(root)
    song_of = {id_: id_.rpartition("__")[0] for id_ in tracks}
    played = [track.predominant_instrument for track in tracks.values()]
    part_of = split_by_group(list(song_of.values()), played, SHARES)
    path_of = {
        id_: Path(track.audio_path)
        for id_, track in tracks.items()
        if part_of[song_of[id_]] == part
    }
    missing = [str(p.relative_to(root)) for p in path_of.values() if not p.is_file()]
    IRMAS.check_files(root, missing, len(path_of), complete=complete)
    ids = [id_ for id_, path in path_of.items() if path.is_file()]
    numbers = [instruments.index(tracks[id_].predominant_instrument) for id_ in ids]
    return ClipFiles(
        ids=ids,
        groups=[song_of[id_] for id_ in ids],
        labels=instruments,
        paths=[path_of[id_] for id_ in ids],
        targets=np.array(numbers, dtype=np.int64),
    )


def _training_tracks(root: Path) -> tuple[list[str], Mapping[str, Any]]:
    """Return the instruments, and mirdata's tracks of the training set by their ids, sorted."""
    try:
        import mirdata
        from mirdata.datasets.irmas import INST_DICT
    except ImportError as error:
        raise DatasetError(
            'IRMAS is read by mirdata: pip install "pytest-nnrel-models[train]"'
        ) from error
    try:
        tracks = mirdata.initialize("irmas", data_home=str(root)).load_tracks()
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"mirdata cannot read its index of IRMAS: {error}; fetch it with python -c"
            " \"import mirdata; mirdata.initialize('irmas').download(['index'])\""
        ) from error
    training = {id_: track for id_, track in sorted(tracks.items()) if track.train}
    return list(INST_DICT), training
