"""What was measured in a run, by which namesakes are noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel import recording
from pytest_nnrel.baselines.entries import namesakes_of
from pytest_nnrel.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nnrel.baselines.entries import Entry, Key


class Seen:
    """Entries of a run; what a test measured before it was run again is not of the run."""

    def __init__(self) -> None:
        self._entries: dict[Key, tuple[recording.Attempt, Entry]] = {}

    def check(self, measured: Iterable[Entry]) -> None:
        """Refuse another encoder, or distance, under a name that was measured already.

        Parameters
        ----------
        measured : iterable of Entry

        Raises
        ------
        BaselineError
            If outcomes differ from those of the same names.
        """
        attempt = recording.attempt()
        for entry in measured:
            of, first = self._entries.setdefault(entry.key, (attempt, entry))
            if not of.counts:
                self._entries[entry.key] = attempt, entry
            elif not entry.same_as(first):
                raise BaselineError(namesakes_of(entry.key))
