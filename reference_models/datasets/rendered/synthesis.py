"""Rendering of a score's lines through SoundFonts by FluidSynth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reference_models.datasets.rendered.fluidsynth import FluidSynth, Player
from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from reference_models.datasets.rendered.score import Line, Note

#: Frames that FluidSynth computes at a time: what happens within them happens at their beginning.
_BLOCK = 64
_DRUM_BANK, _DRUM_CHANNEL = 128, 9
_PERCUSSIVE = frozenset({"drums", "percussion"})
_BEND_RANGE_CENTS, _BEND_MAXIMUM = 200, 8191
_EXPRESSION = 11


class Synthesiser:
    """FluidSynth with a SoundFont; a context manager that frees it.

    Parameters
    ----------
    soundfont : Path
    library : str
        FluidSynth's shared library, see `parts.Parts`.
    sample_rate : int
        In Hz.

    Raises
    ------
    DatasetError
        If FluidSynth cannot be loaded or cannot read the SoundFont.
    """

    def __init__(self, soundfont: Path, library: str, sample_rate: int) -> None:
        self._fluidsynth = FluidSynth(library)
        self._sample_rate = sample_rate
        self._keeper = self._fluidsynth.player(sample_rate)
        self._font = self._keeper.load(str(soundfont))
        if self._font is None:
            self._keeper.delete()
            raise DatasetError(f"{soundfont} is no SoundFont that FluidSynth can read")

    def __enter__(self) -> Synthesiser:
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.delete()

    def render(
        self, line: Line, seconds: float, *, cents: float = 0.0, swells: tuple[float, ...] = ()
    ) -> NDArray[np.float32]:
        """Render a line, dry.

        Parameters
        ----------
        line : Line
        seconds : float
        cents : float
            That it is tuned up by.
        swells : tuple of float
            Loudness through the piece, in equal steps: MIDI expression as parts of its maximum.

        Returns
        -------
        float32[samples]
            The mean of both channels.

        Notes
        -----
        Each line is played by a synthesiser of its own, which borrows the SoundFont: voices that
        have sounded before keep a trace of it in their filters, and a clip would depend on those
        rendered before it.
        """
        player = self._fluidsynth.player(self._sample_rate)
        number = player.borrow(self._font)
        try:
            percussive = line.role in _PERCUSSIVE
            channel, bank = (_DRUM_CHANNEL, _DRUM_BANK) if percussive else (0, 0)
            player.program(channel, number, bank, line.program or 0)
            player.bend(channel, round(cents / _BEND_RANGE_CENTS * _BEND_MAXIMUM))
            return self._played(player, channel, line, seconds, swells)
        finally:
            player.give_back(self._font)
            player.delete()

    def _played(
        self,
        player: Player,
        channel: int,
        line: Line,
        seconds: float,
        swells: tuple[float, ...],
    ) -> NDArray[np.float32]:
        samples = round(seconds * self._sample_rate)
        blocks = -(-samples // _BLOCK)
        rendered = np.zeros((2, blocks * _BLOCK), dtype=np.float32)
        done = 0
        for block, event, key, value in _events(line.notes, swells, blocks, self._sample_rate):
            player.write(rendered[:, done * _BLOCK : block * _BLOCK])
            done = block
            if event == "on":
                player.note_on(channel, key, value)
            elif event == "off":
                player.note_off(channel, key)
            else:
                player.control(channel, _EXPRESSION, value)
        player.write(rendered[:, done * _BLOCK :])
        return np.asarray(rendered[:, :samples].mean(axis=0), dtype=np.float32)


def _events(
    notes: tuple[Note, ...], swells: tuple[float, ...], blocks: int, sample_rate: int
) -> Iterator[tuple[int, str, int, int]]:
    """Yield block, kind, key and value of what happens before the end, in order."""
    events = [
        (index * blocks // len(swells), "expression", 0, round(127 * swell))
        for index, swell in enumerate(swells)
    ]
    for note in notes:
        begins = int(note.start * sample_rate) // _BLOCK
        ends = max(begins + 1, int(note.end * sample_rate) // _BLOCK)
        events += [(ends, "off", note.key, 0), (begins, "on", note.key, note.velocity)]
    # By kind too: a tone that is struck again ends ("off") before it begins ("on").
    yield from (event for event in sorted(events) if event[0] < blocks)
