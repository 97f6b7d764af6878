"""Rendering of a score's lines through SoundFonts by FluidSynth."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from reference_models.datasets.rendered.score import Line, Note

#: Where Debian puts SoundFonts.
SOUNDFONT_FOLDER = Path("/usr/share/sounds")
#: Frames that FluidSynth computes at a time: what happens within them happens at their beginning.
_BLOCK = 64
_DRUM_BANK, _DRUM_CHANNEL = 128, 9
_PERCUSSIVE = frozenset({"drums", "percussion"})
_GAIN = 0.6
_BEND_RANGE_CENTS, _BEND_MAXIMUM = 200, 8191
_EXPRESSION = 11
#: FluidSynth's level of messages.
_WARNING = 2


@dataclass(frozen=True)
class SoundFont:
    """A SoundFont of General MIDI.

    Attributes
    ----------
    name : str
    package : str
        Of Debian.
    file : str
        Its name.
    """

    name: str
    package: str
    file: str

    def path(self, folder: Path = SOUNDFONT_FOLDER) -> Path:
        """Return where it is.

        Raises
        ------
        DatasetError
            If it is not in the folder or one below it.
        """
        for path in sorted(folder.rglob(self.file)):
            return path
        raise DatasetError(
            f"SoundFont {self.file} is not in {folder}: install it (apt-get install"
            f" {self.package}), or name the folder that it is in (--soundfonts)"
        )


#: Those that clips of training, validation and test are rendered through.
SOUNDFONTS = (
    SoundFont("fluid", "fluid-soundfont-gm", "FluidR3_GM.sf2"),
    SoundFont("musescore", "musescore-general-soundfont-small", "MuseScore_General_Lite.sf3"),
)
#: The one that nothing is trained on.
HELD_OUT = SoundFont("timgm6mb", "timgm6mb-soundfont", "TimGM6mb.sf2")


def fluidsynth() -> Any:  # noqa: ANN401
    """Return the bindings of FluidSynth.

    Raises
    ------
    DatasetError
        If they, or FluidSynth itself, are not installed.
    """
    try:
        import fluidsynth as bindings
    except ModuleNotFoundError as error:
        raise DatasetError(
            "rendering needs pyfluidsynth: pip install 'pytest-nnrel[models]'"
        ) from error
    except ImportError as error:
        raise DatasetError(
            f"rendering needs FluidSynth ({error}): apt-get install libfluidsynth3"
        ) from error
    return bindings


def version() -> str:
    """Return the version of FluidSynth."""
    return str(fluidsynth().cfunc("fluid_version_str", ctypes.c_char_p)().decode())


class Synthesiser:
    """FluidSynth with a SoundFont; a context manager that frees it.

    Parameters
    ----------
    soundfont : Path
    sample_rate : int
        In Hz.

    Raises
    ------
    DatasetError
        If FluidSynth is not installed or cannot read the SoundFont.
    """

    def __init__(self, soundfont: Path, sample_rate: int) -> None:
        self._library = _Library(fluidsynth())
        self._sample_rate = sample_rate
        self._keeper = self._fresh()
        number = self._keeper.sfload(str(soundfont))
        if number < 0:
            self._keeper.delete()
            raise DatasetError(f"{soundfont} is no SoundFont that FluidSynth can read")
        self._font = self._library.font(self._keeper, number)

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
        player = self._fresh()
        number = self._library.lend(self._font, player)
        try:
            percussive = line.role in _PERCUSSIVE
            channel, bank = (_DRUM_CHANNEL, _DRUM_BANK) if percussive else (0, 0)
            player.program_select(channel, number, bank, line.program)
            player.pitch_bend(channel, round(cents / _BEND_RANGE_CENTS * _BEND_MAXIMUM))
            return self._played(player, channel, line, seconds, swells)
        finally:
            self._library.take_back(self._font, player)
            player.delete()

    def _fresh(self) -> Any:  # noqa: ANN401
        return self._library.bindings.Synth(
            gain=_GAIN, samplerate=float(self._sample_rate), channels=16,
            **{"synth.reverb.active": 0, "synth.chorus.active": 0},
        )  # fmt: skip

    def _played(
        self,
        player: Any,  # noqa: ANN401
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
            self._library.write(player, rendered[:, done * _BLOCK : block * _BLOCK])
            done = block
            if event == "on":
                player.noteon(channel, key, value)
            elif event == "off":
                player.noteoff(channel, key)
            else:
                player.cc(channel, _EXPRESSION, value)
        self._library.write(player, rendered[:, done * _BLOCK :])
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


class _Library:
    """Functions of FluidSynth that its bindings do not have."""

    def __init__(self, bindings: Any) -> None:  # noqa: ANN401
        self.bindings = bindings
        handle, number = ctypes.c_void_p, ctypes.c_int
        both = (("synth", handle, 1), ("font", handle, 1))
        function = bindings.cfunc
        self._add = function("fluid_synth_add_sfont", number, *both)
        self._remove = function("fluid_synth_remove_sfont", number, *both)
        self._log = function(
            "fluid_set_log_function", handle,
            ("level", number, 1), ("function", handle, 1), ("data", handle, 1),
        )  # fmt: skip
        self._write = function(
            "fluid_synth_write_float", number, ("synth", handle, 1), ("frames", number, 1),
            ("left", handle, 1), ("left_offset", number, 1), ("left_step", number, 1),
            ("right", handle, 1), ("right_offset", number, 1), ("right_step", number, 1),
        )  # fmt: skip

    def font(self, keeper: Any, number: int) -> Any:  # noqa: ANN401
        """Return a SoundFont that was loaded."""
        return self.bindings.fluid_synth_get_sfont_by_id(keeper.synth, number)

    def lend(self, font: Any, player: Any) -> int:  # noqa: ANN401
        """Give another synthesiser a SoundFont; return its number there."""
        return int(self._add(player.synth, font))

    def take_back(self, font: Any, player: Any) -> None:  # noqa: ANN401
        """Take it away, without the warnings that its channels have no program any more."""
        before = self._log(_WARNING, None, None)
        self._remove(player.synth, font)
        self._log(_WARNING, before, None)

    def write(self, player: Any, into: NDArray[np.float32]) -> None:  # noqa: ANN401
        """Fill two rows with the next samples, as floats: the bindings' are 16-bit, dithered."""
        frames = into.shape[1]
        if frames:
            left, right = (row.ctypes.data for row in into)
            self._write(player.synth, frames, left, 0, 1, right, 0, 1)
