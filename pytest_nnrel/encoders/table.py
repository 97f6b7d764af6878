"""Embeddings computed elsewhere, looked up by the audio that they belong to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.protocol import Encoder, Identified
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.identity import Behaviour
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Embeddings
    from pytest_nnrel.transforms import Transform

#: Names of the files that `export_windows` writes.
WINDOWS = "windows.npy"
LISTING = "windows.json"


def export_windows(
    folder: Path,
    transforms: Iterable[Transform],
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
    folder : Path
        Gets ``windows.npy``, float32[n, samples], and ``windows.json``, which lists the rows.
    transforms : iterable of Transform
        Those that will be measured; the originals are added.
    corpus : Corpus
    sample_rate, window_seconds, seed
        As in `Corpus.windows`.

    Returns
    -------
    Path
        Of ``windows.npy``.
    """
    from pytest_nnrel.transforms import Identity

    conditions = dict.fromkeys(t.condition(corpus.sample_rate) for t in (Identity(), *transforms))
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
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / WINDOWS, np.concatenate(blocks))
    listing = {"sample_rate": rate, "window_seconds": seconds, "rows": rows}
    (folder / LISTING).write_text(json.dumps(listing, indent=1), encoding="utf-8")
    return folder / WINDOWS


class TableEncoder(Encoder):
    """A table of embeddings, one row per window of `export_windows`."""

    def __init__(self, path: Path, **options: Any) -> None:  # noqa: ANN401
        try:
            table = np.load(path, allow_pickle=False)
            listing = json.loads((path.parent / LISTING).read_text(encoding="utf-8-sig"))
            rows = [row["window"] for row in listing["rows"]]
            options["sample_rate"] = listing["sample_rate"]
            options["window_seconds"] = listing["window_seconds"]
        except FileNotFoundError as error:
            raise EncoderError(
                f"the table {path} or its list {LISTING} beside it is missing; export_windows"
                " writes the list along with the windows to encode"
            ) from error
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise EncoderError(
                f"the table {path} cannot be read: {type(error).__name__} {error}"
            ) from error
        if table.ndim != 2 or len(table) != len(rows):
            raise EncoderError(
                f"the table {path} has shape {list(table.shape)}; expected one row for each of the"
                f" {len(rows)} windows that {LISTING} lists"
            )
        options["fingerprint"] = digest(table, rows)
        super().__init__(**{**options, "device": None})
        self._table = table
        self._row_of = {row: i for i, row in enumerate(rows)}

    def identify(self) -> Identified:
        """Return what it is known by: the digest of the whole table, taken when it was read."""
        fingerprint = str(self._fingerprint)
        return Identified(fingerprint, Behaviour(fingerprint))

    def _forward(self, batch: Samples, sample_rate: int) -> Embeddings:
        rows = [self._row_of.get(digest(window)) for window in batch]
        missing = tuple(i for i, row in enumerate(rows) if row is None)
        if missing:
            raise EncoderError(
                f"the table {self.name!r} has no embedding for {len(missing)} of {len(batch)}"
                " windows: it was made from another corpus, transformation, seed or engine version;"
                " export the windows again",
                missing,
            )
        return np.asarray(self._table[[row for row in rows if row is not None]])
