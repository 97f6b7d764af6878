"""MUSDB18: songs with the stems that they were mixed of, for vocal separation.

Rafii et al. (2017), https://doi.org/10.5281/zenodo.1117372. The paper (section 4.3) splits its
training set of 100 songs into training and validation, 7:3; 50 songs are for testing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import SAMPLE_RATE, audio, decoding
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.store import digest
from reference_models.datasets.audiofiles import Provenance, split_by_group
from reference_models.datasets.examples import Example
from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from reference_models.datasets.examples import TaskData

MUSDB18 = Provenance("MUSDB18", ("voice",), "https://doi.org/10.5281/zenodo.1117372")
#: Songs by the subset, which is also the folder, that they are in.
SONGS = {"train": 100, "test": 50}
#: Of the songs of the subset "train" (paper section 4.3).
SHARES = {"train": 0.7, "validation": 0.3}
#: As long as the clips that are transformed.
CLIP_SECONDS = 4
_STEMS = ".stem.mp4"
#: The files of a song that are needed, and their streams in a stem file
#: (https://github.com/sigsep/sigsep-mus-db, ``configs/mus.yaml``).
_FILES = {"mixture": "mixture.wav", "vocals": "vocals.wav"}
_STREAMS = {"mixture": 0, "vocals": 4}


@dataclass(frozen=True)
class Song(ABC):
    """A song as its files tell of it.

    Attributes
    ----------
    name : str
    path : Path
        Of the stem file, or of the folder of WAV files.
    samples, rate : int
        Of the mixture, at its own rate in Hz.
    """

    name: str
    path: Path
    samples: int
    rate: int

    @abstractmethod
    def decode(self, of: str, start: int, frames: int) -> NDArray[np.float32]:
        """Return a stretch of the mixture or of a stem of it, mono, at the song's own rate.

        Parameters
        ----------
        of : {"mixture", "vocals"}
        start, frames : int
            In samples.

        Returns
        -------
        float32[frames]

        Raises
        ------
        DatasetError
            If a file is missing or damaged, or ends before the stretch does.
        """

    def starts(self, count: int) -> list[float]:
        """Return where clips begin, in seconds: in the middle of stretches of one length."""
        duration = self.samples / self.rate
        fitting = int(duration // CLIP_SECONDS)
        if not fitting:
            raise DatasetError(
                f"{self.path} is of {duration:.2f} s, and clips are of {CLIP_SECONDS} s; get the"
                " song again"
            )
        stretch = duration / min(count, fitting)
        middles = [(i + 0.5) * stretch for i in range(min(count, fitting))]
        # Whole milliseconds, which names can show, and never past the last that fits.
        return [math.floor(1000 * (middle - CLIP_SECONDS / 2)) / 1000 for middle in middles]


class WavSong(Song):
    """A song as MUSDB18-HQ has it: a folder of WAV files."""

    @classmethod
    def open(cls, folder: Path) -> WavSong:
        """Return a song of a folder."""
        try:
            samples, rate = decoding.probe(folder / _FILES["mixture"])
        except CorpusError as error:
            raise DatasetError(str(error)) from error
        return cls(folder.name, folder, samples, rate)

    def decode(self, of: str, start: int, frames: int) -> NDArray[np.float32]:
        """Read a file from the sample on."""
        try:
            return decoding.decode(self.path / _FILES[of], start=start, frames=frames)[0]
        except CorpusError as error:
            raise DatasetError(str(error)) from error


class StemSong(Song):
    """A song as MUSDB18 has it: streams of AAC in one MP4 file, which PyAV decodes."""

    @classmethod
    def open(cls, path: Path) -> StemSong:
        """Return the song of a stem file."""
        try:
            tracks = decoding.probe_tracks(path)
        except CorpusError as error:
            raise DatasetError(str(error)) from error
        if len(tracks) <= max(_STREAMS.values()):
            raise DatasetError(
                f"{path} has {len(tracks)} streams of audio, not the mixture and four stems; get"
                " the file again"
            )
        samples, rate = tracks[_STREAMS["mixture"]]
        return cls(path.name.removesuffix(_STEMS), path, samples, rate)

    def decode(self, of: str, start: int, frames: int) -> NDArray[np.float32]:
        """Jump to a stretch of a stream and decode it."""
        try:
            return decoding.decode_track(
                self.path, _STREAMS[of], start=start, frames=frames, sample_rate=self.rate
            )
        except CorpusError as error:
            raise DatasetError(f"{of} of {error}") from error


@dataclass
class SongClips:
    """Stretches of songs, decoded when they are asked for: a `TaskData`.

    Attributes
    ----------
    ids, groups, labels, fingerprint
        As in `TaskData`. Of the audio, the fingerprint holds the songs' numbers of samples alone.
    songs : sequence of Song
        Of the clips.
    starts : sequence of float
        Of the clips in their songs, in seconds.
    """

    ids: Sequence[str]
    groups: Sequence[str]
    labels: Sequence[str]
    fingerprint: str
    songs: Sequence[Song]
    starts: Sequence[float]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Example:
        song = self.songs[index]
        start, frames = round(self.starts[index] * song.rate), CLIP_SECONDS * song.rate
        mixture, voice = (
            audio.resample(song.decode(of, start, frames), song.rate, SAMPLE_RATE)
            for of in ("mixture", "vocals")
        )
        return Example(mixture, voice)


def load(
    root: Path, task: str, part: str, *, clips_per_song: int = 32, complete: bool = True
) -> TaskData:
    """Return clips of a part of MUSDB18, 4 s each, and the voice in them.

    Parameters
    ----------
    root : Path
        The folder that holds ``train`` and ``test``, with either a file ``NAME.stem.mp4`` or a
        folder of WAV files for each song.
    task : str
        By name; one that asks for the voice.
    part : {"train", "validation", "test"}
    clips_per_song : int
        They are spread evenly over a song and never overlap; a short song has fewer.
    complete : bool
        Whether all songs must be there. With songs missing, others may change between training
        and validation.

    Raises
    ------
    DatasetError
        If files are missing or damaged, MUSDB18 does not have such a part or serve such a task, or
        there are stem files and PyAV is not installed.
    """
    MUSDB18.truth_for(task, part)
    if clips_per_song < 1:
        raise DatasetError(f"clips_per_song is 1 or more, not {clips_per_song}")
    subset = "test" if part == "test" else "train"
    names, is_wav = _names(root, subset, complete=complete)
    if subset == "train":
        part_of = split_by_group(names, [subset] * len(names), SHARES)
        names = [name for name in names if part_of[name] == part]
    if not names:
        raise DatasetError(f"{root} has too few songs in {subset} for the part {part!r}")
    folder = root / subset
    songs: list[Song] = [
        WavSong.open(folder / name) if is_wav else StemSong.open(folder / f"{name}{_STEMS}")
        for name in names
    ]
    clips = [(song, start) for song in songs for start in song.starts(clips_per_song)]
    places = [(song.name, start) for song, start in clips]
    return SongClips(
        ids=[f"{name} at {start:.3f} s" for name, start in places],
        groups=[name for name, _ in places],
        labels=(),
        fingerprint=digest(places, [song.samples for song in songs], is_wav),
        songs=[song for song, _ in clips],
        starts=[start for _, start in clips],
    )


def _names(root: Path, subset: str, *, complete: bool) -> tuple[list[str], bool]:
    """Return the songs of which all files that are needed are there, and whether these are WAV."""
    folder = root / subset
    is_wav = any(folder.glob(f"*/{_FILES['mixture']}"))
    if is_wav:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir())
        needed = [(name, folder / name / file) for name in names for file in _FILES.values()]
        missing = {path: name for name, path in needed if not path.is_file()}
        gone = [str(path.relative_to(root)) for path in missing]
        MUSDB18.check_files(root, gone, len(needed), complete=complete)
        found = sorted(set(names) - set(missing.values()))
    else:
        found = sorted(path.name.removesuffix(_STEMS) for path in folder.glob(f"*{_STEMS}"))
    expected = SONGS[subset]
    if not found or (complete and len(found) < expected):
        raise DatasetError(
            f"{folder} has {len(found)} of MUSDB18's {expected} songs, as NAME{_STEMS} or"
            f" NAME/{_FILES['mixture']}; MUSDB18 is to be had from {MUSDB18.source}"
            + ("; complete=False goes on with those that are there" if found else "")
        )
    return found, is_wav
