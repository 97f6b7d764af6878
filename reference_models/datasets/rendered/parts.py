"""What music is rendered with: a synthesiser, SoundFonts and a voice, from wheels or from Debian.

Both have the same programs, FluidSynth and espeak-ng, in other versions, so they sound alike but
not the same: a corpus is of one of them, which its manifest names.
"""

from __future__ import annotations

from ctypes.util import find_library
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from reference_models.errors import DatasetError

#: Where Debian puts SoundFonts.
SOUNDFONT_FOLDER = Path("/usr/share/sounds")
#: What parts come from: Python packages, as extra ``models`` has them, or the Debian system.
SOURCES = ("wheels", "debian")
#: The extra's distributions by what they bring.
_SYNTHESISER, _VOICES, _SOUNDFONTS = "pygame-ce", "espeakng-loader", "pretty_midi"


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


#: Those of Debian that clips of training, validation and test are rendered through.
SOUNDFONTS = (
    SoundFont("fluid", "fluid-soundfont-gm", "FluidR3_GM.sf2"),
    SoundFont("musescore", "musescore-general-soundfont-small", "MuseScore_General_Lite.sf3"),
)
#: The one that nothing is trained on where there are others.
HELD_OUT = SoundFont("timgm6mb", "timgm6mb-soundfont", "TimGM6mb.sf2")


@dataclass(frozen=True)
class Parts:
    """What a corpus is rendered with.

    Attributes
    ----------
    source : {"wheels", "debian"}
    fluidsynth, espeak : str
        Shared libraries: paths, or names that the system's loader knows.
    espeak_data : str
        The folder ``espeak-ng-data``; empty for that which the library was built with.
    soundfonts : dict
        Paths by the names of those to train, validate and test with.
    held_out : dict
        The same of the one for part ``test-font``; empty where there is but one SoundFont.
    packages : dict
        What each SoundFont came in, by its name.
    distributions : tuple of str
        The Python packages that parts are of.
    """

    source: str
    fluidsynth: str
    espeak: str
    espeak_data: str
    soundfonts: dict[str, Path]
    held_out: dict[str, Path]
    packages: dict[str, str]
    distributions: tuple[str, ...] = ()


def find(source: str, *, soundfonts: Path | None = None) -> Parts:
    """Return the parts that are installed.

    Parameters
    ----------
    source : {"wheels", "debian"}
        Of the synthesiser and the voice.
    soundfonts : Path, optional
        The folder that Debian's three SoundFonts are in, or in folders below it. Where omitted,
        that of Debian with ``debian``, and with ``wheels`` the one SoundFont that comes in a
        wheel, which leaves none to hold out.

    Raises
    ------
    DatasetError
        If the source is none of these, or a part is not installed: the message names it, and the
        command that installs it.
    """
    if source not in SOURCES:
        raise DatasetError(f"parts come from {' or '.join(SOURCES)}, not from {source!r}")
    wheels = source == "wheels"
    if wheels and soundfonts is None:
        package = _SOUNDFONTS
        fonts = {HELD_OUT.name: _bundled(package, HELD_OUT.file)}
        held_out = {}
        packages = {HELD_OUT.name: package}
    else:
        folder = soundfonts or SOUNDFONT_FOLDER
        fonts = {font.name: font.path(folder) for font in SOUNDFONTS}
        held_out = {HELD_OUT.name: HELD_OUT.path(folder)}
        packages = {font.name: font.package for font in (*SOUNDFONTS, HELD_OUT)}
    if not wheels:
        return Parts(
            source, _installed("fluidsynth", "libfluidsynth3"),
            _installed("espeak-ng", "espeak-ng"), "", fonts, held_out, packages,
        )  # fmt: skip
    return Parts(
        source, str(_bundled(_SYNTHESISER, "libfluidsynth")),
        str(_bundled(_VOICES, "libespeak-ng")), str(_bundled(_VOICES, "phontab").parent),
        fonts, held_out, packages, (_SYNTHESISER, _VOICES, _SOUNDFONTS),
    )  # fmt: skip


def _installed(library: str, package: str) -> str:
    """Return the name of a library that the system has."""
    found = find_library(library)
    if found is None:
        raise DatasetError(
            f"the system has no library {library}: install it (apt-get install {package}), or"
            " render with what comes in wheels (--parts wheels)"
        )
    return found


def _bundled(distribution: str, beginning: str) -> Path:
    """Return the file of a Python package whose name begins so."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError as error:
        raise DatasetError(
            f"rendering needs {distribution}: pip install 'pytest-nnrel-models[train]', or render"
            " with Debian's packages (--parts debian)"
        ) from error
    for file in sorted(files, key=str):
        path = Path(str(file.locate()))
        if file.name.startswith(beginning) and path.is_file():
            return path
    raise DatasetError(
        f"{distribution} {metadata.version(distribution)} has no {beginning} for this system:"
        " install FluidSynth and espeak-ng, and render with those (--parts debian)"
    )
