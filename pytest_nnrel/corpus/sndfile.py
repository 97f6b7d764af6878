"""Audio files by libsndfile."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import soundfile

from pytest_nnrel.corpus.audiofile import EXTRA, REPLACE, Facts, Stamp, counted, said
from pytest_nnrel.corpus.ffmpeg import facts_by_ffmpeg, reads_extra_formats
from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_nnrel.corpus.audiofile import Channels

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


class _InSequence(soundfile.SoundFile):  # type: ignore[misc]  # untyped
    """A file that is read from one place on: without the seek that soundfile adds to each read,
    which fails at the end of a FLAC that does not know its length.
    """

    def seekable(self) -> bool:
        return False


def facts_by_sndfile(path: Path, file: BinaryIO) -> Facts:
    try:
        file.seek(0)
        with _InSequence(file) as audio:
            frames, rate, kind = int(audio.frames), int(audio.samplerate), str(audio.format)
    except (soundfile.LibsndfileError, OSError, RuntimeError, TypeError) as error:
        raise CorpusError(f"{path} cannot be read as audio ({said(error)}); {REPLACE}") from error
    if frames == _UNTOLD or (kind == "MP3" and not _mp3_tells_its_length(file)):
        return _facts_by_decoding(path, file, kind)
    size = Stamp.of(file).size
    if frames > size * _SAMPLES_PER_BYTE.get(kind, _SAMPLES_PER_BYTE_ELSEWHERE):
        raise CorpusError(
            f"{path} claims {frames:,} samples in its header, more than its {size:,} bytes can"
            f" hold: it is damaged or truncated; {REPLACE}"
        )
    return Facts(counted(path, frames), rate, by_ffmpeg=False)


def _facts_by_decoding(path: Path, file: BinaryIO, kind: str) -> Facts:
    """Return the facts of a file whose header does not tell its length, by decoding it."""
    frames, rate = 0, 0
    try:
        file.seek(0)
        with _InSequence(file) as audio:
            rate = int(audio.samplerate)
            while read := len(audio.read(_COUNTED, dtype="float32")):
                frames += read
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise CorpusError(f"{path} cannot be decoded ({said(error)}); {REPLACE}") from error
    size = Stamp.of(file).size
    unread = size - file.tell()
    if kind == "MP3" and unread > max(_MP3_TAGS_SHARE * size, _MP3_TAGS_BYTES):
        # libsndfile takes the first frame's bitrate for that of all, and stops there.
        if reads_extra_formats():
            return facts_by_ffmpeg(path, file)
        raise CorpusError(
            f"{path} does not tell its length (an MP3 of variable bitrate without a Xing header):"
            f" libsndfile stops {unread:,} of {size:,} bytes before its end; {EXTRA} reads it, or"
            " encode it anew"
        )
    return Facts(counted(path, frames), rate, by_ffmpeg=False)


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


def sndfile_blocks(file: BinaryIO, start: int, frames: int) -> Iterator[Channels]:
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
