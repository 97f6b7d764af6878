"""MUSDB18: songs with the stems that they were mixed of, for vocal separation.

Rafii et al. (2017), https://doi.org/10.5281/zenodo.1117372. The paper (section 4.3) splits its
training set of 100 songs into training and validation, 7:3; 50 songs are for testing.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel import audio, decoding
from pytest_nnrel.corpus import SAMPLE_RATE
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.store import digest
from reference_models.datasets.audiofiles import Provenance, split_by_group
from reference_models.datasets.examples import Example
from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from reference_models.datasets.examples import TaskData

MUSDB18 = Provenance("MUSDB18", ("vs",), "https://doi.org/10.5281/zenodo.1117372")
#: Songs by the subset, which is also the folder, that they are in.
SONGS = {"train": 100, "test": 50}
#: Of the songs of the subset "train" (paper section 4.3).
SHARES = {"train": 0.7, "validation": 0.3}
#: As long as the clips that are transformed.
CLIP_SECONDS = 4
_STEMS = ".stem.mp4"
_MIXTURE, _VOICE = "mixture.wav", "vocals.wav"


@dataclass
class SongClips:
    """Stretches of songs, decoded when they are asked for: a `TaskData`.

    Attributes
    ----------
    ids, groups, labels, fingerprint
        As in `TaskData`. Of the audio, the fingerprint holds the songs' numbers of samples alone.
    tracks : sequence of musdb.MultiTrack
        Of the clips.
    starts : sequence of float
        Of the clips in their songs, in seconds.
    """

    ids: Sequence[str]
    groups: Sequence[str]
    labels: Sequence[str]
    fingerprint: str
    tracks: Sequence[Any]
    starts: Sequence[float]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Example:
        track, start = self.tracks[index], self.starts[index]
        mixture, voice = (_stretch(track, of, start) for of in (track, track.sources["vocals"]))
        return Example(mixture, voice)


def load(
    root: Path, task: str, part: str, *, clips_per_song: int = 32, complete: bool = True
) -> TaskData:
    """Return clips of a part of MUSDB18, 4 s each, and the voice in them.

    Parameters
    ----------
    root : Path
        The folder that holds ``train`` and ``test``, with either a file ``NAME.stem.mp4`` or a
        folder of WAV files for each song. Of the two, the second is the one to train on: decoding
        a clip takes milliseconds. ``musdbconvert`` makes it of the first.
    task : {"vs"}
    part : {"train", "validation", "test"}
    clips_per_song : int
        They are spread evenly over a song and never overlap; a short song has fewer.
    complete : bool
        Whether all songs must be there. With songs missing, others may change between training
        and validation.

    Raises
    ------
    DatasetError
        If musdb or ffmpeg is not installed, files are missing or damaged, or MUSDB18 does not have
        such a part or serve such a task.
    """
    MUSDB18.check_request(task, part)
    if clips_per_song < 1:
        raise DatasetError(f"clips_per_song is 1 or more, not {clips_per_song}")
    subset = "test" if part == "test" else "train"
    songs, is_wav = _songs(root, subset, complete=complete)
    if subset == "train":
        part_of = split_by_group(songs, [subset] * len(songs), SHARES)
        songs = [song for song in songs if part_of[song] == part]
    if not songs:
        raise DatasetError(f"{root} has too few songs in {subset} for the part {part!r}")
    track_of = {track.name: track for track in _tracks(root, subset, is_wav)}
    starts = {song: _starts(track_of[song], clips_per_song) for song in songs}
    clips = [(song, start) for song in songs for start in starts[song]]
    return SongClips(
        ids=[f"{song} at {start:.3f} s" for song, start in clips],
        groups=[song for song, _ in clips],
        labels=(),
        fingerprint=digest(clips, [track_of[song].samples for song in songs], is_wav),
        tracks=[track_of[song] for song, _ in clips],
        starts=[start for _, start in clips],
    )


def _songs(root: Path, subset: str, *, complete: bool) -> tuple[list[str], bool]:
    """Return the songs of which all files that are needed are there, and whether these are WAV."""
    folder = root / subset
    is_wav = any(folder.glob(f"*/{_MIXTURE}"))
    if is_wav:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir())
        needed = [(name, folder / name / file) for name in names for file in (_MIXTURE, _VOICE)]
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
            f" NAME/{_MIXTURE}; MUSDB18 is to be had from {MUSDB18.source}"
            + ("; complete=False goes on with those that are there" if found else "")
        )
    return found, is_wav


def _tracks(root: Path, subset: str, is_wav: bool) -> Sequence[Any]:
    """Return musdb's tracks of a subset."""
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        raise DatasetError(
            "MUSDB18 is read by musdb through ffmpeg and ffprobe, which are not installed:"
            " apt-get install ffmpeg, or https://ffmpeg.org/download.html"
        )
    try:
        import ffmpeg
        import musdb
    except ImportError as error:
        raise DatasetError(
            'MUSDB18 is read by musdb: pip install "pytest-nnrel[models]"'
        ) from error
    try:
        tracks: Sequence[Any] = musdb.DB(str(root), subsets=subset, is_wav=is_wav).tracks
    except ffmpeg.Error as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise DatasetError(
            f"musdb cannot read a song of {root / subset}: {last[0]}; get the file again"
        ) from error
    return tracks


def _starts(track: Any, count: int) -> list[float]:  # noqa: ANN401
    """Return where clips begin in a song, in seconds: in the middle of stretches of one length."""
    stems = [track.stem_id, track.sources["vocals"].stem_id]
    if not track.is_wav and track.info.nb_audio_streams <= max(stems):
        raise DatasetError(
            f"{track.path} has {track.info.nb_audio_streams} streams of audio, not the mixture"
            " and four stems; get the file again"
        )
    fitting = int(track.duration // CLIP_SECONDS)
    if not fitting:
        raise DatasetError(
            f"{track.path} is of {track.duration:.2f} s, and clips are of {CLIP_SECONDS} s; get"
            " the file again"
        )
    stretch = track.duration / min(count, fitting)
    middles = [(i + 0.5) * stretch for i in range(min(count, fitting))]
    # Whole milliseconds, which names can show, and never past the last that fits.
    return [math.floor(1000 * (middle - CLIP_SECONDS / 2)) / 1000 for middle in middles]


def _stretch(track: Any, of: Any, start: float) -> NDArray[np.float32]:  # noqa: ANN401
    """Return a clip of the mixture or of a stem of it, float32[samples] at 22,050 Hz."""
    frames = CLIP_SECONDS * track.rate
    if track.is_wav:
        # musdb starts two processes for a stretch, which takes 300 times as long.
        try:
            mono, _ = decoding.decode(Path(of.path), start=round(start * track.rate), frames=frames)
        except CorpusError as error:
            raise DatasetError(str(error)) from error
    else:
        channels = track.load_audio(of.path, of.stem_id, start, CLIP_SECONDS)
        if len(channels) < frames:
            raise DatasetError(
                f"{of.path} is truncated: {len(channels)} of {frames} samples could be decoded"
                f" from {start:.3f} s on; get the file again"
            )
        mono = channels[:frames].reshape(frames, -1).mean(axis=1).astype(np.float32)
    return audio.resample(mono, track.rate, SAMPLE_RATE)
