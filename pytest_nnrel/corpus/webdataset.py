"""WebDataset shards: tar files in which the members of a sample, audio and labels, share a name.

Members are read where they lie; no shard is unpacked.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import decoding, held
from pytest_nnrel.corpus.audiofile import EXTRA_SUFFIXES, SUFFIXES, Stamp
from pytest_nnrel.corpus.source import as_path, raise_all
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.tasks import run_tasks

if TYPE_CHECKING:
    from typing import BinaryIO

    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.corpus.source import Gathered

#: Name of a sample, and which of its members it is: all behind the first dot of the file's name.
_MEMBER = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")
#: A range of numbers in the names of shards, as in shard-{000..127}.tar.
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
#: Members of plain text that are labels, by their endings.
_TEXTS = ("cls", "txt")
_FIELDS = "json"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a shard: a stretch of bytes.

    Attributes
    ----------
    shard, name : str
    offset, size : int
    """

    shard: str
    name: str
    offset: int
    size: int

    @property
    def key(self) -> str:
        return digest(os.path.abspath(self.shard), self.name, self.offset, self.size)

    def stamp(self) -> Stamp | None:
        return Stamp.at(self.shard)

    def read(self) -> tuple[Path, bytes]:
        with decoding.opened(Path(self.shard)) as file:
            return Path(self.shard) / self.name, self.read_in(file)

    def read_in(self, shard: BinaryIO) -> bytes:
        """Return the bytes, of the open shard."""
        shard.seek(self.offset)
        content = shard.read(self.size)
        if len(content) < self.size:
            raise CorpusError(f"{self.shard} ends within {self.name}: it is truncated; get it anew")
        return content


@dataclass
class _Sample:
    """What a shard has under one name."""

    audio: dict[str, Member] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


def gather(
    shards: str | Path | Iterable[str | Path],
    audio: str | None,
    group: str | None,
    name: str,
    geometry: Geometry,
) -> Gathered:
    """Return a source for each sample; see `Corpus.from_webdataset`.

    Raises
    ------
    CorpusError
        For shards and samples that cannot be used.
    """
    paths = _listed(shards)
    told = partial(progress, what=f"reading shards of {name}", unit="shard")
    jobs = settings.active().jobs
    read = list(run_tasks(_IndexTask(audio), paths, jobs=jobs, progress=told))
    problems = [problem for _, of_shard in read for problem in of_shard]
    raise_all(name, problems)
    keys = Counter(key for samples, _ in read for key in samples)
    if not keys:
        raise CorpusError(
            f"the shards of {name!r} hold no samples; give such as have audio in them"
        )
    unique = keys.most_common(1)[0][1] == 1
    clips = [
        held.HeldClip(
            key if unique else f"{Path(path).stem}/{key}",
            None if group is None else sample.labels.get(group),
            sample.labels,
            next(iter(sample.audio.values())),
        )
        for path, (samples, _) in zip(paths, read)
        for key, sample in samples.items()
    ]
    if group is not None:
        raise_all(name, [f"sample {clip.id} has no {group!r} to be grouped by"
                         for clip in clips if clip.group is None])  # fmt: skip
    return held.gather(name, clips, geometry)


def _listed(shards: str | Path | Iterable[str | Path]) -> list[str]:
    """Return the paths of shards, ranges of numbers written out.

    Raises
    ------
    CorpusError
        If there are none, or one twice.
    """
    what = "Corpus.from_webdataset takes paths of tar files"
    if isinstance(shards, str | bytes | Path) or not isinstance(shards, Iterable):
        shards = [shards]
    paths = [path for shard in shards for path in _written_out(str(as_path(shard, what)))]
    if not paths:
        raise CorpusError("Corpus.from_webdataset got no shards; give paths of tar files")
    twice = [path for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise CorpusError(f"Corpus.from_webdataset got {a_few(twice)} twice")
    return paths


def _written_out(path: str) -> list[str]:
    found = _RANGE.search(path)
    if found is None:
        return [path]
    first, last = found.groups()
    numbers = (f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1))
    before, behind = path[: found.start()], path[found.end() :]
    return [one for number in numbers for one in _written_out(f"{before}{number}{behind}")]


@dataclass(frozen=True)
class _IndexTask:
    """Reads where in a shard its samples lie; runs in a thread, process or cluster."""

    audio: str | None

    def __call__(self, shard: str) -> tuple[dict[str, _Sample], list[str]]:
        """Return samples by name, and what is wrong with them."""
        try:
            with decoding.opened(Path(shard)) as file:
                samples = self._samples(shard, file)
        except CorpusError as error:
            return {}, [str(error)]
        problems = []
        for key, sample in samples.items():
            if len(sample.audio) != 1:
                problems.append(f"{shard}: sample {key} has {self._told(sample)}")
        return samples, problems

    def _told(self, sample: _Sample) -> str:
        if sample.audio:
            endings = list(sample.audio)
            return f"several members of audio, {', '.join(endings)}; audio={endings[0]!r} takes one"
        return "no audio" if self.audio is None else f"no member .{self.audio}"

    def _samples(self, shard: str, file: BinaryIO) -> dict[str, _Sample]:
        samples: dict[str, _Sample] = {}
        seen: set[str] = set()
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                while (info := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # which it would keep
                    parts = _MEMBER.fullmatch(info.name)
                    if not info.isreg() or parts is None or _is_hidden(info.name):
                        continue
                    if info.name in seen:
                        raise CorpusError(f"{shard} holds {info.name} twice; give each its own")
                    seen.add(info.name)
                    key, ending = parts.groups()
                    member = Member(shard, info.name, info.offset_data, info.size)
                    self._add(samples.setdefault(key, _Sample()), ending, member, file)
                # A header that is damaged or missing reads as the end, which is a block of zeros.
                file.seek(tar.offset)
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise CorpusError(
                        f"{shard} is damaged or cut at byte {tar.offset:,}: neither a member nor"
                        " the end of the archive is there; write or copy it anew"
                    )
        except tarfile.TarError as error:
            raise CorpusError(
                f"{shard} cannot be read as a tar file ({error}); one that is compressed cannot be"
                " read in places: unpack it to .tar"
            ) from error
        return samples

    def _add(self, sample: _Sample, ending: str, member: Member, file: BinaryIO) -> None:
        suffix = Path(f"a.{ending}").suffix.lower()
        if ending == self.audio or (self.audio is None and suffix in SUFFIXES | EXTRA_SUFFIXES):
            sample.audio[ending] = member
        elif ending in _TEXTS:
            sample.labels[ending] = member.read_in(file).decode(errors="replace").strip()
        elif ending == _FIELDS:
            sample.labels.update(_fields(member, file))


def _is_hidden(name: str) -> bool:
    # What macOS and tools of datasets put beside samples.
    return name.rpartition("/")[2].startswith((".", "__"))


def _fields(member: Member, file: BinaryIO) -> dict[str, str]:
    """Return the fields of a member that are text or numbers."""
    try:
        fields = json.loads(member.read_in(file))
    except ValueError as error:
        raise CorpusError(f"{member.shard}: {member.name} is no JSON ({error})") from error
    if not isinstance(fields, dict):
        return {}
    return {name: str(value) for name, value in fields.items() if isinstance(value, str | int)}
