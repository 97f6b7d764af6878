"""Audio files as arrays: by libsndfile, or by FFmpeg's libraries (PyAV) for what it does not read.

No header is believed beyond what the file can hold: a stretch is read in blocks, and where a header
does not tell the length, or cannot know it, the file is decoded once to count its samples.
"""

from __future__ import annotations

import math
import os
import threading
from contextlib import contextmanager
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

    from pytest_nnrel.corpus.audio import Samples

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
#: How much earlier than a stretch decoding begins after a jump: a block of AAC is added to the end
#: of the one before it, so that the first that is decoded is wrong. Blocks are of 23 ms.
_LEAD_SECONDS = 0.1


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
    channels_rms : float or None
        Root mean square over all channels: the mix is far below it where they cancel. None where
        there is one channel.
    """

    samples: Samples
    sample_rate: int
    channels_rms: float | None


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
        return probe_open(path, file)


def probe_open(path: Path, file: BinaryIO) -> tuple[int, int]:
    """Return the length of an open audio file, as `probe` does; messages call it by its path."""
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
    blocks = _av_blocks if facts.by_av else _sndfile_blocks
    return _mixed(path, blocks(file, start, expected), start, expected, facts.sample_rate)


def probe_tracks(path: Path) -> list[tuple[int, int]]:
    """Return what a container tells of its sound tracks. Nothing is decoded, so it may be wrong.

    Parameters
    ----------
    path : Path
        Of a format that PyAV reads.

    Returns
    -------
    list of (int, int)
        Samples per channel, 0 where they are not told, and sample rate in Hz.

    Raises
    ------
    CorpusError
        If the file cannot be opened as one, or needs the extra.
    """
    _require_av(path)
    with opened(path) as file:
        return list(_translated(path, _av_tracks(file)))


def decode_track(path: Path, track: int, *, start: int, frames: int, sample_rate: int) -> Samples:
    """Decode a stretch of one sound track of a container to mono, without what lies before it.

    After a jump, codecs that draw noise or look back are not exact to the last bit; `decode` is.

    Parameters
    ----------
    path : Path
        As for `probe_tracks`.
    track : int
        Its number among the sound tracks.
    start, frames : int
        In samples, at the track's own rate.
    sample_rate : int
        That rate, in Hz.

    Returns
    -------
    float32[frames]

    Raises
    ------
    CorpusError
        If it cannot be decoded, has another rate, or ends before the stretch does (truncated).
    """
    _require_av(path)
    with opened(path) as file:
        blocks = _av_blocks(file, start, frames, track, sample_rate)
        return _mixed(path, blocks, start, frames, sample_rate).samples


def _mixed(
    path: Path, blocks: Iterator[Channels], start: int, expected: int, sample_rate: int
) -> Mix:
    mono: list[Samples] = []
    squares, count, numbers = 0.0, 0, 0
    for block in _translated(path, blocks):
        count += len(block)
        if block.shape[1] == 1:
            mono.append(block[:, 0].copy())
            continue
        mono.append(block.mean(axis=1, dtype=np.float32))
        numbers += block.size
        with np.errstate(over="ignore", invalid="ignore"):  # NaN and infinity are told by name
            squares += float(np.square(block, dtype=np.float64).sum())
    if count < expected:
        raise CorpusError(
            f"{path} is truncated: {count} of {expected} samples could be decoded"
            f" from sample {start} on; {_REPLACE}"
        )
    samples = np.concatenate(mono) if mono else np.zeros(0, np.float32)
    return Mix(samples, sample_rate, (squares / numbers) ** 0.5 if numbers else None)


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


def _require_av(path: Path) -> None:
    if not reads_extra_formats():
        raise CorpusError(
            f"{path} is of a format that libsndfile does not read ({path.suffix}): {EXTRA}"
        )


def _counted_by_av(path: Path, file: BinaryIO) -> _Facts:
    """Return the facts of a file, by decoding it: containers tell lengths that include padding."""
    _require_av(path)
    frames, rates = 0, set()
    for block in _translated(path, _av_decoded(file)):
        frames += len(block.channels)
        rates.add(block.sample_rate)
        if len(rates) > 1:
            raise CorpusError(
                f"{path} changes its sample rate midway ({', '.join(map(str, sorted(rates)))} Hz);"
                f" {_REPLACE}"
            )
    return _Facts(_some(path, frames), rates.pop(), by_av=True)


def _av_blocks(
    file: BinaryIO, start: int, frames: int, track: int = 0, jump_rate: int | None = None
) -> Iterator[Channels]:
    """Yield a stretch, decoded from the file's beginning on, so that it is exact to the sample.

    With the rate that the track is to have, what lies before the stretch is jumped over.
    """
    since = None if jump_rate is None else start / jump_rate - _LEAD_SECONDS
    for block in _av_decoded(file, track, since):
        if jump_rate not in (None, block.sample_rate):
            raise CorpusError(f"it is of {block.sample_rate} Hz, not {jump_rate}")
        at, length = block.start, len(block.channels)
        first, last = max(start - at, 0), min(start + frames - at, length)
        if last > first:
            yield block.channels[first:last]
        if at + length >= start + frames:
            return


class _Decoded(NamedTuple):
    """A block of a track: its first sample, counted on from the first block's."""

    start: int
    channels: Channels
    sample_rate: int


@contextmanager
def _av_opened(file: BinaryIO) -> Iterator[Any]:
    """Open a container."""
    import av

    # FFmpeg writes what it thinks of a file to the terminal; what matters is raised.
    av.logging.set_level(av.logging.PANIC)
    file.seek(0)
    try:
        with av.open(file, mode="r") as container:
            if not container.streams.audio:
                raise CorpusError("no sound track")
            yield container
    except av.error.FFmpegError as error:
        raise CorpusError(str(error)) from error


def _av_tracks(file: BinaryIO) -> Iterator[tuple[int, int]]:
    with _av_opened(file) as container:
        for stream in container.streams.audio:
            rate = int(stream.sample_rate)
            yield int((stream.duration or 0) * stream.time_base * rate), rate


def _av_decoded(file: BinaryIO, track: int = 0, since: float | None = None) -> Iterator[_Decoded]:
    """Yield a track's blocks, of all channels; those before `since` seconds are jumped over."""
    import av

    with _av_opened(file) as container:
        stream = container.streams.audio[track]
        context = stream.codec_context
        if context is None:
            raise CorpusError("its codec is not read here")
        if context.layout.nb_channels > _MOST_CHANNELS:
            raise CorpusError(
                f"{context.layout.nb_channels} channels, not {_MOST_CHANNELS} at most"
            )
        begin = stream.start_time or 0
        if since is not None:
            # Below zero it is the encoder's delay that is sought, which comes before the first
            # sample.
            container.seek(begin + math.floor(since / stream.time_base), stream=stream)
        # Of the type only: rate and layout stay what they are.
        resampler: Any = av.AudioResampler(format="fltp")
        at = 0 if since is None else None
        for frame in container.decode(stream):
            if at is None:
                if frame.pts is None:
                    raise CorpusError("its blocks do not tell when they are")
                at = round((frame.pts - begin) * stream.time_base * stream.sample_rate)
            for same in resampler.resample(frame):
                if same.layout.nb_channels > _MOST_CHANNELS:
                    raise CorpusError("channels that the header does not name")
                block = np.ascontiguousarray(same.to_ndarray().T, np.float32)
                yield _Decoded(at, block, int(same.sample_rate))
                at += len(block)


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
