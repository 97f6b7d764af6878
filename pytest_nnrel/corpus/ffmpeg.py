"""Audio files by FFmpeg's libraries, through PyAV: what libsndfile does not read."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from pytest_nnrel.corpus.audiofile import EXTRA, REPLACE, Facts, counted, translated
from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_nnrel.corpus.audiofile import Channels

#: Channels that a frame of FFmpeg has room for; PyAV reads past it where there are more.
_MOST_CHANNELS = 8
#: How much earlier than a stretch decoding begins after a jump: a block of AAC is added to the end
#: of the one before it, so that the first that is decoded is wrong. Blocks are of 23 ms.
_LEAD_SECONDS = 0.1


def reads_extra_formats() -> bool:
    """Tell whether files of `EXTRA_SUFFIXES` can be read here."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def require_ffmpeg(path: Path) -> None:
    if not reads_extra_formats():
        raise CorpusError(
            f"{path} is of a format that libsndfile does not read ({path.suffix}): {EXTRA}"
        )


def facts_by_ffmpeg(path: Path, file: BinaryIO) -> Facts:
    """Return the facts of a file, by decoding it: containers tell lengths that include padding."""
    require_ffmpeg(path)
    frames, rates = 0, set()
    for block in translated(path, _decoded(file)):
        frames += len(block.channels)
        rates.add(block.sample_rate)
        if len(rates) > 1:
            raise CorpusError(
                f"{path} changes its sample rate midway ({', '.join(map(str, sorted(rates)))} Hz);"
                f" {REPLACE}"
            )
    return Facts(counted(path, frames), rates.pop(), by_ffmpeg=True)


def ffmpeg_blocks(
    file: BinaryIO, start: int, frames: int, track: int = 0, jump_rate: int | None = None
) -> Iterator[Channels]:
    """Yield a stretch, decoded from the file's beginning on, so that it is exact to the sample.

    With the rate that the track is to have, what lies before the stretch is jumped over.
    """
    since = None if jump_rate is None else start / jump_rate - _LEAD_SECONDS
    for block in _decoded(file, track, since):
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
def _opened(file: BinaryIO) -> Iterator[Any]:
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


def ffmpeg_tracks(file: BinaryIO) -> Iterator[tuple[int, int]]:
    with _opened(file) as container:
        for stream in container.streams.audio:
            rate = int(stream.sample_rate)
            yield int((stream.duration or 0) * stream.time_base * rate), rate


def _decoded(file: BinaryIO, track: int = 0, since: float | None = None) -> Iterator[_Decoded]:
    """Yield a track's blocks, of all channels; those before `since` seconds are jumped over."""
    import av

    with _opened(file) as container:
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
