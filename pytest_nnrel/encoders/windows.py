"""Windows written as files: with a list, for an encoder that lives elsewhere, or one by one."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.errors import EncoderError
from pytest_nnrel.runtime.files import replace_parts, replace_text
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.transforms.protocol import TransformLike

#: Names of the files that `export_windows` writes.
WINDOWS = "windows.npy"
LISTING = "windows.json"


def export_windows(
    folder: str | os.PathLike[str],
    transforms: str | Iterable[TransformLike],
    *,
    corpus: Corpus,
    sample_rate: int | None = None,
    window_seconds: float | None = None,
    seed: int | None = None,
) -> Path:
    """Write the windows that a table of embeddings must cover.

    Run the encoder on them wherever it lives, save its embeddings row by row as a ``.npy`` file
    in the same folder, and give that file's path to `as_encoder`.

    Parameters
    ----------
    folder : path-like
        Gets ``windows.npy``, float32[n, samples], and ``windows.json``, which lists the rows.
    transforms : iterable of Transform, or str
        Those that will be measured, or the name of a grid; the originals are added.
    corpus : Corpus
    sample_rate, window_seconds, seed
        As in `Corpus.windows`.

    Returns
    -------
    Path
        Of ``windows.npy``.

    Raises
    ------
    EncoderError
        If it is no folder's path, or holds tables beside a list of other windows.
    SettingError, TransformError
        If `transforms` holds what is no transformation, or names no grid.
    """
    from pytest_nnrel.transforms import Identity
    from pytest_nnrel.transforms.grids import transforms_of

    if not isinstance(folder, str | os.PathLike):
        raise EncoderError(f"export_windows takes the path of a folder, not {folder!r}")
    folder = Path(folder)
    asked = (Identity(), *transforms_of(transforms))
    conditions = dict.fromkeys(t.condition(corpus.sample_rate) for t in asked)
    rate = corpus.sample_rate if sample_rate is None else sample_rate
    seconds = corpus.window_seconds if window_seconds is None else window_seconds
    rows: list[dict[str, str]] = []
    blocks = []
    for condition in conditions:
        block = corpus.windows(condition, sample_rate=rate, window_seconds=seconds, seed=seed)
        blocks.append(block)
        rows += [
            {"clip": id_, "transform": condition.name, "window": digest(window)}
            for id_, window in zip(corpus.ids, block)
        ]
    listing = {"sample_rate": rate, "window_seconds": seconds, "rows": rows}
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_other_windows(folder, listing)
    (folder / LISTING).unlink(missing_ok=True)  # of other windows than those that come
    _save(folder / WINDOWS, np.concatenate(blocks))
    replace_text(folder / LISTING, json.dumps(listing, indent=1))
    return folder / WINDOWS


def _refuse_other_windows(folder: Path, listing: dict[str, Any]) -> None:
    """Refuse a folder that holds tables of other windows: of as many, they would count as ours."""
    tables = sorted(path.name for path in folder.glob("*.npy") if path.name != WINDOWS)
    try:
        listed = json.loads((folder / LISTING).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return
    except ValueError:
        listed = None
    if tables and listed != listing:
        raise EncoderError(
            f"{folder} holds {', '.join(tables)}, computed from other windows than those to be"
            " exported, and would be taken for embeddings of these; delete it, or name another"
            " folder"
        )


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array in NumPy's format, whole or not at all."""
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    replace_parts(path, [header.getvalue(), np.ascontiguousarray(array).data.cast("B")])


def wav_files(windows: Samples, sample_rate: int) -> Iterator[str]:
    """Yield paths of windows as files, for encoders that read files.

    Each lies in a temporary folder until the next is asked for.

    Parameters
    ----------
    windows : float32[n, samples]
    sample_rate : int
        In Hz.

    Yields
    ------
    str
        Path of a WAV file of 32-bit floats, mono.
    """
    import soundfile

    for window in windows:
        with TemporaryDirectory() as folder:
            path = str(Path(folder, "window.wav"))
            soundfile.write(path, window, sample_rate, subtype="FLOAT")
            yield path
