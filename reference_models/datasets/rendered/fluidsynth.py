"""FluidSynth's functions, of a library that is named.

pyfluidsynth takes the first library that the system's loader knows; this one may be anywhere, such
as in a wheel, and its samples are floats (pyfluidsynth's are 16-bit, dithered).
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_double, c_int, c_void_p
from typing import TYPE_CHECKING, Any

from reference_models.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GAIN = 0.6
_CHANNELS = 16
#: FluidSynth's level of messages.
_WARNING = 2
_BEND_CENTRE = 8192
#: Results and arguments, as in FluidSynth's headers.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "fluid_version_str": (c_char_p,),
    "fluid_set_log_function": (c_void_p, c_int, c_void_p, c_void_p),
    "new_fluid_settings": (c_void_p,),
    "delete_fluid_settings": (None, c_void_p),
    "fluid_settings_setint": (c_int, c_void_p, c_char_p, c_int),
    "fluid_settings_setnum": (c_int, c_void_p, c_char_p, c_double),
    "new_fluid_synth": (c_void_p, c_void_p),
    "delete_fluid_synth": (None, c_void_p),
    "fluid_synth_sfload": (c_int, c_void_p, c_char_p, c_int),
    "fluid_synth_get_sfont_by_id": (c_void_p, c_void_p, c_int),
    "fluid_synth_add_sfont": (c_int, c_void_p, c_void_p),
    "fluid_synth_remove_sfont": (c_int, c_void_p, c_void_p),
    "fluid_synth_program_select": (c_int, c_void_p, c_int, c_int, c_int, c_int),
    "fluid_synth_pitch_bend": (c_int, c_void_p, c_int, c_int),
    "fluid_synth_cc": (c_int, c_void_p, c_int, c_int, c_int),
    "fluid_synth_noteon": (c_int, c_void_p, c_int, c_int, c_int),
    "fluid_synth_noteoff": (c_int, c_void_p, c_int, c_int),
    "fluid_synth_write_float": (
        c_int, c_void_p, c_int, c_void_p, c_int, c_int, c_void_p, c_int, c_int,
    ),
}  # fmt: skip


class FluidSynth:
    """The library.

    Parameters
    ----------
    path : str
        Of the shared library, or a name that the system's loader knows.

    Raises
    ------
    DatasetError
        If it cannot be loaded.
    """

    def __init__(self, path: str) -> None:
        try:
            library = ctypes.CDLL(path)
            for name, (result, *arguments) in _FUNCTIONS.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise DatasetError(f"{path} is no FluidSynth that can be loaded: {error}") from error
        self._library: Any = library

    @property
    def version(self) -> str:
        """The version of FluidSynth."""
        return str(self._library.fluid_version_str().decode())

    def player(self, sample_rate: int) -> Player:
        """Return a synthesiser without a SoundFont, dry."""
        return Player(self._library, sample_rate)


class Player:
    """A synthesiser; `delete` frees it.

    Parameters
    ----------
    library : ctypes.CDLL
    sample_rate : int
        In Hz.
    """

    def __init__(self, library: Any, sample_rate: int) -> None:  # noqa: ANN401
        self._library = library
        self._settings = library.new_fluid_settings()
        library.fluid_settings_setnum(self._settings, b"synth.gain", _GAIN)
        library.fluid_settings_setnum(self._settings, b"synth.sample-rate", float(sample_rate))
        library.fluid_settings_setint(self._settings, b"synth.midi-channels", _CHANNELS)
        library.fluid_settings_setint(self._settings, b"synth.reverb.active", 0)
        library.fluid_settings_setint(self._settings, b"synth.chorus.active", 0)
        self._synth = library.new_fluid_synth(self._settings)

    def delete(self) -> None:
        """Free the synthesiser, and the SoundFont that it has loaded."""
        self._library.delete_fluid_synth(self._synth)
        self._library.delete_fluid_settings(self._settings)

    def load(self, soundfont: str) -> Any:  # noqa: ANN401
        """Return a SoundFont that is loaded; None where it is none."""
        number = self._library.fluid_synth_sfload(self._synth, soundfont.encode(), 0)
        return (
            None if number < 0 else self._library.fluid_synth_get_sfont_by_id(self._synth, number)
        )

    def borrow(self, font: Any) -> int:  # noqa: ANN401
        """Take another synthesiser's SoundFont; return its number here."""
        return int(self._library.fluid_synth_add_sfont(self._synth, font))

    def give_back(self, font: Any) -> None:  # noqa: ANN401
        """Let go of it, without the warnings that its channels have no program any more."""
        before = self._library.fluid_set_log_function(_WARNING, None, None)
        self._library.fluid_synth_remove_sfont(self._synth, font)
        self._library.fluid_set_log_function(_WARNING, before, None)

    def program(self, channel: int, font: int, bank: int, program: int) -> None:
        """Select an instrument."""
        self._library.fluid_synth_program_select(self._synth, channel, font, bank, program)

    def bend(self, channel: int, value: int) -> None:
        """Bend the pitch: of 8191, the part of two semitones."""
        self._library.fluid_synth_pitch_bend(self._synth, channel, _BEND_CENTRE + value)

    def control(self, channel: int, controller: int, value: int) -> None:
        """Set a MIDI controller."""
        self._library.fluid_synth_cc(self._synth, channel, controller, value)

    def note_on(self, channel: int, key: int, velocity: int) -> None:
        """Begin a tone."""
        self._library.fluid_synth_noteon(self._synth, channel, key, velocity)

    def note_off(self, channel: int, key: int) -> None:
        """End a tone."""
        self._library.fluid_synth_noteoff(self._synth, channel, key)

    def write(self, into: NDArray[np.float32]) -> None:
        """Fill two rows, the channels, with the next samples."""
        frames = into.shape[1]
        if frames:
            left, right = (row.ctypes.data for row in into)
            self._library.fluid_synth_write_float(self._synth, frames, left, 0, 1, right, 0, 1)
