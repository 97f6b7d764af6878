"""What a test of an adapter gives, so that what holds of all adapters is tried on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of the windows, in Hz.
RATE = 16_000


class Library:
    """A library that is imported once a test asks for something in it; without it, that skips."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if attribute.startswith("_"):  # which pytest asks for of all that it collects
            raise AttributeError(attribute)
        return getattr(pytest.importorskip(self._name), attribute)


@dataclass
class Trial:
    """An object of the adapter's kind, and what is to become of it.

    ``bare(windows)`` gives its embeddings without an adapter. ``other`` is like it but for its
    weights, None where state cannot be told; ``wrong`` returns integers, None where none can.
    """

    obj: Any
    bare: Callable[[Any], Any]
    other: Any
    wrong: Any


def bands(batch):
    """Encode as the energies of 12 bands."""
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([part.mean(axis=1) for part in np.array_split(spectra, 12, axis=1)], axis=1)
