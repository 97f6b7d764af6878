"""Clips as they are decoded: when they are asked for, and kept for a while."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache

from pytest_nnrel.corpus import audio
from pytest_nnrel.corpus.clip import Clip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.corpus.source import Source

#: Decoded clips that a corpus keeps in memory.
_DECODED_BYTES = 2**29
#: Level of a mono mix against its channels below which they are said to cancel (-20 dB). Channels
#: that have nothing in common lose 3 dB.
_CANCELLED = 0.1


class DecodedClips:
    """The clips of sources by position. Whoever gets a copy by pickling decodes anew.

    Parameters
    ----------
    sources : sequence of Source
    sample_rate : int
        Of the clips, in Hz.
    expression : str or None
        Python for the corpus, if there is any.
    """

    def __init__(self, sources: Sequence[Source], sample_rate: int, expression: str | None) -> None:
        self._sources = sources
        self._sample_rate = sample_rate
        self._expression = expression
        #: Level of the mono mix against its channels, of the clips that were decoded.
        self._mixed: dict[int, float] = {}
        self._forget()

    def _forget(self) -> None:
        self._kept: LRUCache[int, Clip] = LRUCache(
            _DECODED_BYTES, getsizeof=lambda clip: clip.samples.nbytes
        )
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        left = ("_kept", "_lock")
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def __getitem__(self, index: int) -> Clip:
        """Return one clip: its source, at the common rate."""
        source = self._sources[index]  # in range, or an IndexError
        with self._lock:
            clip = self._kept.get(index)
        if clip is None:
            mix = source.origin.load()
            if mix.channels_rms:  # several channels, not all silent
                self._mixed[index] = audio.rms(mix.samples) / mix.channels_rms
            resampled = audio.resample(mix.samples, mix.sample_rate, self._sample_rate)
            clip = Clip(source.id, resampled, self._sample_rate, source.labels, source.group)
            if self._expression is not None:
                expression = f"{self._expression}.clip({source.id!r})"
                object.__setattr__(clip, "expression", expression)
            if clip.samples.nbytes <= _DECODED_BYTES:
                with self._lock:
                    self._kept[index] = clip
        return clip

    def cancels(self, index: int) -> bool:
        """Tell whether the channels of a clip that was decoded cancel in its mono mix."""
        return self._mixed.get(index, 1.0) < _CANCELLED
