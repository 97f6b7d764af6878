"""Where the plugin keeps what it knows of a session and of a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_nnrel.plugin.run import Run
    from pytest_nnrel.recording import Sink


@dataclass
class Lasting:
    """What fixtures of a wider scope recorded in a test, each at its last set-up there.

    Attributes
    ----------
    fresh, reported : dict
        By fixture: what is in no phase's report yet, and what is.
    """

    fresh: dict[object, dict[str, Any]] = field(default_factory=dict)
    reported: dict[object, dict[str, Any]] = field(default_factory=dict)

    def take(self) -> list[dict[str, Any]]:
        """Return what is fresh, which then is reported."""
        fresh, self.fresh = self.fresh, {}
        self.reported |= fresh
        return list(fresh.values())

    def start_anew(self) -> None:
        """Let what was reported be fresh again, unless its fixture has been set up anew."""
        self.fresh = {**self.reported, **self.fresh}


RUN: pytest.StashKey[Run] = pytest.StashKey()
ITEM_SINK: pytest.StashKey[Sink] = pytest.StashKey()
#: What the phases of a test recorded.
RECORDED: pytest.StashKey[list[dict[str, Any]]] = pytest.StashKey()
#: What fixtures of a wider scope than a test recorded in it: a rerun does not set them up again.
LASTING: pytest.StashKey[Lasting] = pytest.StashKey()
#: What is wrong with the marks of a test.
MARK_PROBLEM: pytest.StashKey[str] = pytest.StashKey()
#: Attribute of a test report that carries what a test recorded, from workers to the controller;
#: key of what a worker recorded of no test.
CARRIED = "nnrel"
