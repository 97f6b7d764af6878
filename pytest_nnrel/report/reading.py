"""What commands make of a ``results.json`` that is not as it was written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_nnrel.errors import ResultsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def as_written(*paths: Path) -> Iterator[None]:
    """Say which file is not as it was written, where something is not in it.

    Parameters
    ----------
    *paths : Path
        Of the results that are read in the context.

    Raises
    ------
    ResultsError
        Where what the context looks for is missing, or of another type.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ResultsError(
            f"{' or '.join(map(str, paths))} is incomplete or was changed: {type(error).__name__}"
            f" {error}; run the tests again with --nnrel-report"
        ) from error
