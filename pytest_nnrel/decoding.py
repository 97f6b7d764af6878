"""Audio files as arrays: by libsndfile, or by FFmpeg's libraries (PyAV) for what it does not read.

No header is believed beyond what the file can hold: a stretch is read in blocks, and where a header
does not tell the length, or cannot know it, the file is decoded once to count its samples.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
import soundfile
from cachetools import LRUCache, cached

from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from pytest_nnrel.audio import Samples

    Channels = npt.NDArray[np.float32]  # float32[frames, channels]

T = TypeVar("T")

#: File name endings that libsndfile decodes, as the corpus looks for them.
SUFFIXES = frozenset(
    [
        ".wav",
        ".wave",
        ".bwf",
        ".rf64",
        ".w64",
        ".flac",
        ".ogg",
        ".oga",
        ".mp3",
        ".opus",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
    ]
)
#: Those that the extra ``formats`` adds; of films the first sound track.
EXTRA_SUFFIXES = frozenset(
    {".m4a", ".m4b", ".aac", ".wma", ".ape", ".wv", ".tta", ".ac3", ".amr", ".mp2", ".spx", ".mka"}
    | {".mp4", ".mov", ".3gp", ".wmv", ".asf", ".webm", ".mkv", ".avi", ".flv", ".mpg", ".mpeg"}
    | {".ogv"}
)
EXTRA = 'pip install "pytest-nnrel[formats]"'

_REPLACE = "replace the file, or leave it out"
#: Numbers that are decoded at a time, of all channels.
_BLOCK = 2**20
#: Samples that are counted at a time: few, since libsndfile reads on in the file, past what it
#: returns, for as many as were asked for.
_COUNTED = 4096
#: Samples that a byte of a file can stand for, at most: the longest block of a format over its
#: shortest packet. MP3 has 576 samples in 24 bytes (MPEG-2, 8 kb/s, 24 kHz), FLAC 65,535 in 8,
#: Vorbis 8,192 and Opus 5,760 in 2; the rest is PCM, ADPCM and GSM.
_SAMPLES_PER_BYTE = {"MP3": 32, "FLAC": 8192, "OGG": 4096}
_SAMPLES_PER_BYTE_ELSEWHERE = 16
#: What libsndfile says of a file whose header does not tell: the largest it can count to.
_UNTOLD = 2**63 - 1
#: Marks of the header, in the first frame of an MP3, that tells how many frames follow.
_MP3_HEADERS = (b"Xing", b"Info", b"VBRI")
#: Bytes that are searched for it; a frame has 1,441 at most.
_MP3_FIRST_FRAME = 4096
#: Part and bytes of an MP3 that tags at its end may take. What lies behind more is audio.
_MP3_TAGS_SHARE, _MP3_TAGS_BYTES = 0.01, 4096
_ID3_BYTES = 10
#: Channels that a frame of FFmpeg has room for; PyAV reads past it where there are more.
_MOST_CHANNELS = 8


class Stamp(NamedTuple):
    """What the file system says of a file's state. Whoever writes or replaces it moves this."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, file: BinaryIO) -> Stamp:
        """Return the stamp of an open file."""
        status = os.fstat(file.fileno())
        return cls(
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
        )


@dataclass(frozen=True)
class Mix:
    """A stretch of a file, mixed to mono.

    Attributes
    ----------
    samples : float32[n]
        The mean of the channels.
    sample_rate : int
        The file's own, in Hz.
    channels_rms : float
        Root mean square over all channels: the mix is far below it where they cancel.
    """

    samples: Samples
    sample_rate: int
    channels_rms: float


def probe(path: Path) -> tuple[int, int]:
    """Return the length of an audio file.

    Parameters
    ----------
    path : Path
        An audio file in a format of `SUFFIXES` or, with PyAV, of `EXTRA_SUFFIXES`.

    Returns
    -------
    frames : int
        Samples per channel.
    sample_rate : int
        In Hz.

    Raises
    ------
    CorpusError
        If the file is missing, is no audio file, holds no samples, claims more than it can hold,
        or needs an extra.
    """
    with opened(path) as file:
        facts = _facts(path, file)
    return facts.frames, facts.sample_rate


def decode(path: Path, *, start: int = 0, frames: int | None = None) -> tuple[Samples, int]:
    """Decode a stretch of an audio file to mono, the mean of its channels.

    Parameters
    ----------
    path : Path
        As for `probe`.
    start : int
        First sample, at the file's own rate.
    frames : int, optional
        Number of samples; to the end where omitted.

    Returns
    -------
    samples : float32[frames]
    sample_rate : int
        The file's own, in Hz.

    Raises
    ------
    CorpusError
        If the file cannot be decoded or ends before the stretch does (truncated).
    """
    with opened(path) as file:
        mix = decode_open(path, file, start=start, frames=frames)
    return mix.samples, mix.sample_rate


def opened(path: Path) -> BinaryIO:
    """Open a file to read.

    Raises
    ------
    CorpusError
        If it cannot be opened.
    """
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise CorpusError(f"{path} does not exist; {_REPLACE}") from error
    except IsADirectoryError as error:
        raise CorpusError(f"{path} is a folder; name the files in it") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror}); {_REPLACE}") from error


def decode_open(path: Path, file: BinaryIO, *, start: int = 0, frames: int | None = None) -> Mix:
    """Decode a stretch of an open file, as `decode` does.

    Parameters
    ----------
    path : Path
        What messages call it.
    file : binary file
    start, frames
        As in `decode`.
    """
    facts = _facts(path, file)
    expected = facts.frames - start if frames is None else frames
    mono: list[Samples] = []
    squares, count, numbers = 0.0, 0, 0
    for block in _blocks(path, file, facts.by_av, start, expected):
        mono.append(
            block[:, 0].copy() if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        )
        with np.errstate(over="ignore", invalid="ignore"):  # NaN and infinity are told by name
            squares += float(np.square(block, dtype=np.float64).sum())
        count += len(block)
        numbers += block.size
    if count < expected:
        raise CorpusError(
            f"{path} is truncated: {count} of {expected} samples could be decoded"
            f" from sample {start} on; {_REPLACE}"
        )
    samples = np.concatenate(mono) if mono else np.zeros(0, np.float32)
    return Mix(samples, facts.sample_rate, (squares / numbers) ** 0.5 if numbers else 0.0)


@dataclass(frozen=True)
class _Facts:
    """What is known of a file: its length, and whether PyAV is to read it."""

    frames: int
    sample_rate: int
    by_av: bool


@cached(LRUCache(2**14), key=lambda path, file: (path, Stamp.of(file)), lock=threading.Lock())
def _facts(path: Path, file: BinaryIO) -> _Facts:
    if path.suffix.lower() in EXTRA_SUFFIXES:
        return _counted_by_av(path, file)
    return _told_by_sndfile(path, file)


# -- libsndfile


class _InSequence(soundfile.SoundFile):  # type: ignore[misc]  # untyped
    """A file that is read from one place on: without the seek that soundfile adds to each read,
    which fails at the end of a FLAC that does not know its length.
    """

    def seekable(self) -> bool:
        return False


def _told_by_sndfile(path: Path, file: BinaryIO) -> _Facts:
    try:
        file.seek(0)
        with _InSequence(file) as audio:
            frames, rate, kind = int(audio.frames), int(audio.samplerate), str(audio.format)
    except (soundfile.LibsndfileError, OSError, RuntimeError, TypeError) as error:
        raise CorpusError(f"{path} cannot be read as audio ({_said(error)}); {_REPLACE}") from error
    if frames == _UNTOLD or (kind == "MP3" and not _mp3_tells_its_length(file)):
        return _counted_by_sndfile(path, file, kind)
    size = Stamp.of(file).size
    if frames > size * _SAMPLES_PER_BYTE.get(kind, _SAMPLES_PER_BYTE_ELSEWHERE):
        raise CorpusError(
            f"{path} claims {frames:,} samples in its header, more than its {size:,} bytes can"
            f" hold: it is damaged or truncated; {_REPLACE}"
        )
    return _Facts(_some(path, frames), rate, by_av=False)


def _counted_by_sndfile(path: Path, file: BinaryIO, kind: str) -> _Facts:
    """Return the facts of a file whose header does not tell its length, by decoding it."""
    frames, rate = 0, 0
    try:
        file.seek(0)
        with _InSequence(file) as audio:
            rate = int(audio.samplerate)
            while read := len(audio.read(_COUNTED, dtype="float32")):
                frames += read
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise CorpusError(f"{path} cannot be decoded ({_said(error)}); {_REPLACE}") from error
    size = Stamp.of(file).size
    unread = size - file.tell()
    if kind == "MP3" and unread > max(_MP3_TAGS_SHARE * size, _MP3_TAGS_BYTES):
        # libsndfile takes the first frame's bitrate for that of all, and stops there.
        if reads_extra_formats():
            return _counted_by_av(path, file)
        raise CorpusError(
            f"{path} does not tell its length (an MP3 of variable bitrate without a Xing header):"
            f" libsndfile stops {unread:,} of {size:,} bytes before its end; {EXTRA} reads it, or"
            " encode it anew"
        )
    return _Facts(_some(path, frames), rate, by_av=False)


def _mp3_tells_its_length(file: BinaryIO) -> bool:
    """Whether an MP3 has the header that names its number of frames."""
    file.seek(0)
    head = file.read(_ID3_BYTES)
    behind = 0
    if head[:3] == b"ID3" and len(head) == _ID3_BYTES:
        # Four bytes of seven bits each (ID3v2.4, section 3.1).
        behind = _ID3_BYTES + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:]))
    file.seek(behind)
    first = file.read(_MP3_FIRST_FRAME)
    return any(mark in first for mark in _MP3_HEADERS)


def _sndfile_blocks(file: BinaryIO, start: int, frames: int) -> Iterator[Channels]:
    file.seek(0)
    with _InSequence(file) as audio:
        if start:
            audio.seek(start)
        block = max(1, _BLOCK // audio.channels)
        while frames > 0:
            read = audio.read(min(block, frames), dtype="float32", always_2d=True)
            if not len(read):
                return
            frames -= len(read)
            yield read


# -- FFmpeg's libraries


def reads_extra_formats() -> bool:
    """Tell whether files of `EXTRA_SUFFIXES` can be read here."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def _counted_by_av(path: Path, file: BinaryIO) -> _Facts:
    """Return the facts of a file, by decoding it: containers tell lengths that include padding."""
    if not reads_extra_formats():
        raise CorpusError(
            f"{path} is of a format that libsndfile does not read ({path.suffix}): {EXTRA}"
        )
    frames, rates = 0, set()
    for block, rate in _translated(path, _av_frames(file)):
        frames += len(block)
        rates.add(rate)
        if len(rates) > 1:
            raise CorpusError(
                f"{path} changes its sample rate midway ({', '.join(map(str, sorted(rates)))} Hz);"
                f" {_REPLACE}"
            )
    return _Facts(_some(path, frames), rates.pop(), by_av=True)


def _av_blocks(file: BinaryIO, start: int, frames: int) -> Iterator[Channels]:
    """Yield a stretch, decoded from the file's beginning on, so that it is exact to the sample."""
    at = 0
    for block, _ in _av_frames(file):
        first, last = max(start - at, 0), min(start + frames - at, len(block))
        at += len(block)
        if last > first:
            yield block[first:last]
        if at >= start + frames:
            return


def _av_frames(file: BinaryIO) -> Iterator[tuple[Channels, int]]:
    import av

    # FFmpeg writes what it thinks of a file to the terminal; what matters is raised.
    av.logging.set_level(av.logging.PANIC)
    file.seek(0)
    try:
        with av.open(file, mode="r") as container:
            if not container.streams.audio:
                raise CorpusError("no sound track")
            context = container.streams.audio[0].codec_context
            if context is None:
                raise CorpusError("its codec is not read here")
            if context.layout.nb_channels > _MOST_CHANNELS:
                raise CorpusError(
                    f"{context.layout.nb_channels} channels, not {_MOST_CHANNELS} at most"
                )
            # Of the type only: rate and layout stay what they are.
            resampler: Any = av.AudioResampler(format="fltp")
            for frame in container.decode(container.streams.audio[0]):
                for same in resampler.resample(frame):
                    if same.layout.nb_channels > _MOST_CHANNELS:
                        raise CorpusError("channels that the header does not name")
                    block = np.ascontiguousarray(same.to_ndarray().T, np.float32)
                    yield block, int(same.sample_rate)
    except av.error.FFmpegError as error:
        raise CorpusError(str(error)) from error


def _blocks(path: Path, file: BinaryIO, by_av: bool, start: int, frames: int) -> Iterator[Channels]:
    blocks = _av_blocks if by_av else _sndfile_blocks
    return _translated(path, blocks(file, start, frames))


def _translated(path: Path, items: Iterator[T]) -> Iterator[T]:
    """Yield items; what a decoder raises becomes an error that names the file."""
    try:
        yield from items
    except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError) as error:
        # PyAV's errors are OSErrors or ValueErrors, too.
        raise CorpusError(f"{path} cannot be decoded ({_said(error)}); {_REPLACE}") from error


def _some(path: Path, frames: int) -> int:
    if frames <= 0:
        raise CorpusError(f"{path} holds no samples (zero length); {_REPLACE}")
    return frames


def _said(error: Exception) -> str:
    """Return what a decoder said of a file, without the stand-in that it knows the file by."""
    if isinstance(error, soundfile.LibsndfileError):
        return str(error.error_string)
    return str(error)
