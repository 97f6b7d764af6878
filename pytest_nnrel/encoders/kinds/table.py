"""Embeddings computed elsewhere, looked up by the audio that they belong to."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.adapter import Adapter
from pytest_nnrel.encoders.protocol import Identified
from pytest_nnrel.encoders.windows import LISTING
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.identity import Behaviour
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Embeddings


class TableEncoder(Adapter):
    """A table of embeddings, one row per window of `export_windows`."""

    takes = "the path of a .npy table of embeddings"
    order = 10
    suffix = ".npy"

    def __init__(self, obj: str | Path, **options: Any) -> None:  # noqa: ANN401
        path = Path(obj)
        try:
            table = np.load(path, allow_pickle=False)
            listing = json.loads((path.parent / LISTING).read_text(encoding="utf-8-sig"))
            rows = [row["window"] for row in listing["rows"]]
            stated = {name: listing[name] for name in ("sample_rate", "window_seconds")}
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
        stated["fingerprint"] = digest(table, rows)
        for option, value in stated.items():
            asked = options.get(option)
            if asked not in (None, value):
                raise EncoderError(
                    f"the table {path} has {option} {value!r}, which {option}={asked!r} would not"
                    " change; leave it out, or export and encode the windows again"
                )
        super().__init__(obj, **{**options, **stated})
        self._table = table
        self._row_of = {row: i for i, row in enumerate(rows)}

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return isinstance(obj, PathLike) or cls.is_path(obj)

    def identify(self) -> Identified:
        """Return what it is known by: the digest of the whole table, taken when it was read."""
        fingerprint = str(self._fingerprint)
        return Identified(fingerprint, Behaviour(fingerprint))

    def forward(self, batch: Samples, sample_rate: int) -> Embeddings:
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
