"""Audio files as arrays: by libsndfile, or by FFmpeg's libraries (PyAV) for what it does not read.

No header is believed beyond what the file can hold: a stretch is read in blocks, and where a header
does not tell the length, or cannot know it, the file is decoded once to count its samples.
"""

from __future__ import annotations

import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from cachetools import LRUCache, cached

from pytest_nnrel.corpus.audiofile import (
    EXTRA_SUFFIXES,
    REPLACE,
    Facts,
    Stamp,
    translated,
)
from pytest_nnrel.corpus.ffmpeg import (
    facts_by_ffmpeg,
    ffmpeg_blocks,
    ffmpeg_tracks,
    require_ffmpeg,
)
from pytest_nnrel.corpus.sndfile import facts_by_sndfile, sndfile_blocks
from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.corpus.audiofile import Channels


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
        An audio file in a format of `audiofile.SUFFIXES` or, with PyAV, of
        `audiofile.EXTRA_SUFFIXES`.

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
        raise CorpusError(f"{path} does not exist; {REPLACE}") from error
    except IsADirectoryError as error:
        raise CorpusError(f"{path} is a folder; name the files in it") from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror}); {REPLACE}") from error


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
    return _decoded(path, file, _facts(path, file), start, frames)


def _decoded(path: Path, file: BinaryIO, facts: Facts, start: int, frames: int | None) -> Mix:
    expected = facts.frames - start if frames is None else frames
    blocks = ffmpeg_blocks if facts.by_ffmpeg else sndfile_blocks
    return _mixed(path, blocks(file, start, expected), start, expected, facts.sample_rate)


def probe_bytes(path: Path, content: bytes) -> tuple[int, int]:
    """Return the length of an audio file in memory, as `probe` does; messages call it by a path."""
    with _spooled(content) as file:
        facts = _facts_of(path, file)
    return facts.frames, facts.sample_rate


def decode_bytes(path: Path, content: bytes, *, start: int, frames: int) -> Mix:
    """Decode a stretch of an audio file in memory, as `decode` does."""
    with _spooled(content) as file:
        return _decoded(path, file, _facts_of(path, file), start, frames)


@contextmanager
def _spooled(content: bytes) -> Iterator[BinaryIO]:
    """Give bytes as a file, for a ``with`` block: decoders want one of the system's."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file


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
    require_ffmpeg(path)
    with opened(path) as file:
        return list(translated(path, ffmpeg_tracks(file)))


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
    require_ffmpeg(path)
    with opened(path) as file:
        blocks = ffmpeg_blocks(file, start, frames, track, sample_rate)
        return _mixed(path, blocks, start, frames, sample_rate).samples


def _mixed(
    path: Path, blocks: Iterator[Channels], start: int, expected: int, sample_rate: int
) -> Mix:
    mono: list[Samples] = []
    squares, count, numbers = 0.0, 0, 0
    for block in translated(path, blocks):
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
            f" from sample {start} on; {REPLACE}"
        )
    samples = np.concatenate(mono) if mono else np.zeros(0, np.float32)
    return Mix(samples, sample_rate, (squares / numbers) ** 0.5 if numbers else None)


@cached(LRUCache(2**14), key=lambda path, file: (path, Stamp.of(file)), lock=threading.Lock())
def _facts(path: Path, file: BinaryIO) -> Facts:
    return _facts_of(path, file)


def _facts_of(path: Path, file: BinaryIO) -> Facts:
    if path.suffix.lower() in EXTRA_SUFFIXES:
        return facts_by_ffmpeg(path, file)
    return facts_by_sndfile(path, file)
