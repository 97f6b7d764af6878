"""Corpora: which originals a verdict rests on.

A corpus is immutable, sorted by clip id and identified by its content. Audio is decoded when it is
asked for; building a corpus reads file headers, and samples only to pass over silent stretches.
"""

from __future__ import annotations

import csv
import math
import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from importlib import resources
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from cachetools import LRUCache

from pytest_nnrel import audio
from pytest_nnrel.corpus import folder, grouping, mirdata, selection
from pytest_nnrel.corpus.clip import Clip
from pytest_nnrel.corpus.files import distinct_names, segments_of
from pytest_nnrel.corpus.selection import ClipFacts
from pytest_nnrel.corpus.source import InMemory, Source, raise_all
from pytest_nnrel.errors import CorpusError, CorpusWarning, SettingError
from pytest_nnrel.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from pytest_nnrel.audio import Samples
    from pytest_nnrel.corpus.clip import ClipTransform
    from pytest_nnrel.corpus.grouping import GroupRule
    from pytest_nnrel.corpus.selection import Selection

#: Rate at which the paper transforms and compares (section 4).
SAMPLE_RATE = 22_050
#: Length that is transformed, and length of its centre that is compared (paper section 4.3).
SOURCE_SECONDS = 4.0
WINDOW_SECONDS = 2.0
#: What the bundled corpus and mirdata's are called on command lines.
BUNDLED = "bundled"
#: Decoded clips that a corpus keeps in memory.
_DECODED_BYTES = 2**29
#: Level of a mono mix against its channels below which they are said to cancel (-20 dB). Channels
#: that have nothing in common lose 3 dB.
_CANCELLED = 0.1
_OPPOSITE = "the channels cancel in the mono mix (opposite phase)"
_ONE_CHANNEL = "take one channel of them (soundfile.read(path)[0][:, 0], Corpus.from_arrays)"
#: Clips that a warning names.
_NAMED = 5


class Corpus:
    """Originals in a fixed order. Build one with a ``from_...`` method.

    Attributes
    ----------
    name : str
        How reports call it.
    sample_rate : int
        Rate at which clips are transformed and compared, in Hz.
    source_seconds : float
        Longest stretch of a clip that is transformed.
    window_seconds : float
        Centre of it that distances and, unless they ask otherwise, encoders see.
    origin : str or None
        What `open_corpus` makes it from again; None where it was made of arrays or single files,
        or grouped by a function.
    segments : int
        Segments asked of each file.
    grouping : str or None
        ``"folder"`` or the pattern that files were grouped by.
    passed_over : dict of str to int
        Files of a folder that are in no clip, by reason.
    """

    def __init__(
        self,
        name: str,
        sources: Iterable[Source],
        *,
        sample_rate: int,
        source_seconds: float,
        window_seconds: float,
        origin: str | None = None,
        segments: int = 1,
        grouping: str | None = None,
    ) -> None:
        _check_geometry(sample_rate, source_seconds, window_seconds)
        self.name = name
        self.origin = origin
        self.segments = segments
        self.grouping = grouping
        self.passed_over: dict[str, int] = {}
        #: Level of the mono mix against its channels, of the clips that were decoded.
        self._mixed: dict[int, float] = {}
        self.sample_rate = sample_rate
        self.source_seconds = source_seconds
        self.window_seconds = window_seconds
        self._sources = tuple(sorted(sources, key=lambda source: source.id))
        repeated = [id_ for id_, n in Counter(s.id for s in self._sources).items() if n > 1]
        if repeated:
            raise CorpusError(
                f"corpus {name!r}: clip ids must be unique; repeated: {repeated[:5]}; give each"
                " its own"
            )
        self._check_lengths()
        self._check_twins()
        self._forget_decoded()

    def _forget_decoded(self) -> None:
        self._decoded: LRUCache[int, Clip] = LRUCache(
            _DECODED_BYTES, getsizeof=lambda clip: clip.samples.nbytes
        )
        self._decoded_lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # Workers elsewhere decode what they need.
        left = ("_decoded", "_decoded_lock", "facts")  # read-only mappings are not pickled
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget_decoded()

    @classmethod
    def bundled(cls) -> Corpus:
        """Return the 134 clips of recorded music that come with the package.

        Four seconds each from 134 tracks of game soundtracks (orchestral, ambient, metal,
        electronic, folk), 22,050 Hz mono, under free licences: see ``ATTRIBUTION.md`` beside them.
        """
        return _bundled()

    @classmethod
    def from_directory(
        cls,
        path: str | Path,
        *,
        segments: int = 1,
        groups: GroupRule | None = None,
        name: str | None = None,
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Corpus:
        """Return the audio files below a folder, in any rate, channel count and nesting.

        Parameters
        ----------
        path : path-like
            Searched recursively for WAV, FLAC, OGG, MP3, Opus, AIFF, AU, CAF and W64 and, with the
            extra ``formats``, for M4A, AAC, WMA, WebM, MP4 and other films. Links are followed,
            once each. A `CorpusWarning` names what else looks like audio and is passed over;
            `passed_over` counts by reason.
        segments : int
            Source segments per file, evenly spread and not overlapping. Silent stretches are passed
            over. Segments of a file are one group. A file that is too short for as many gives
            fewer, which a `CorpusWarning` tells.
        groups : "folder", str or callable, optional
            Which files are of one track: those of one folder; those in whose path below `path`,
            with forward slashes, a regular expression with one group finds the same; or those for
            which a function of that path gives the same. Each file for itself where omitted, or
            where the function gives None.
        name : str, optional
            The folder's name where omitted.
        sample_rate, source_seconds, window_seconds
            See `Corpus`.

        Raises
        ------
        CorpusError
            If the folder is missing or holds no audio, or for any file that cannot be used or is
            in no group; one error names them all.
        """
        if not isinstance(path, str | PathLike):
            raise CorpusError(f"Corpus.from_directory takes the path of a folder, not {path!r}")
        root = Path(path)
        if not root.exists():
            raise CorpusError(f"corpus folder {root} does not exist; check the path")
        if not root.is_dir():
            raise CorpusError(f"{root} is a file; pass its folder, or use Corpus.from_files([...])")
        files, passed = folder.audio_files(root)
        corpus = cls._from_named_files(
            files, name or root.resolve().name, segments, sample_rate, source_seconds,
            window_seconds, groups=groups, relative={id_: id_ for id_ in files}, origin=str(root),
        )  # fmt: skip
        corpus.passed_over = passed.reasons()
        if left_out := passed.warning():
            warnings.warn(
                f"corpus {corpus.name!r}: passed over {left_out}", CorpusWarning, stacklevel=2
            )
        return corpus

    @classmethod
    def from_files(
        cls,
        paths: Iterable[str | Path] | Mapping[str, str | Path],
        *,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        segments: int = 1,
        groups: GroupRule | None = None,
        name: str = "files",
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Corpus:
        """Return a corpus of the files given.

        Parameters
        ----------
        paths : iterable of path-like, or mapping of clip id to path-like
            Without ids, file names serve, with as much of the folder as tells them apart.
        labels : mapping of clip id to mapping, optional
        segments, groups, name, sample_rate, source_seconds, window_seconds
            As in `from_directory`; groups are by the paths below the deepest folder that holds all
            of the files.

        Raises
        ------
        CorpusError
            As `from_directory` does.
        """
        if isinstance(paths, str | Path):
            raise CorpusError(
                f"Corpus.from_files takes a list of files, not {str(paths)!r}; for a folder there"
                " is Corpus.from_directory"
            )
        if isinstance(paths, Mapping):
            named = {id_: Path(path) for id_, path in paths.items()}
        else:
            listed = [Path(path) for path in paths]
            named = dict(zip(distinct_names(listed), listed))
        if not named:
            raise CorpusError("Corpus.from_files got an empty list of files; give two or more")
        return cls._from_named_files(
            named, name, segments, sample_rate, source_seconds, window_seconds, labels, groups
        )

    @classmethod
    def from_arrays(
        cls,
        samples: npt.NDArray[np.floating[Any]] | Sequence[npt.NDArray[np.floating[Any]]],
        *,
        sample_rate: int,
        ids: Sequence[str] | None = None,
        groups: Sequence[str | None] | None = None,
        name: str = "arrays",
        window_seconds: float = WINDOW_SECONDS,
    ) -> Corpus:
        """Return a corpus of signals in memory.

        Parameters
        ----------
        samples : float32[n, samples], or n float arrays of any length
            Full scale at ±1. Each is a source as a whole.
        sample_rate : int
            Their rate, at which they are also transformed and compared, in Hz.
        ids, groups : sequence of str, optional
            One per row; ``clip-000`` and so on, and no groups, where omitted.
        name, window_seconds
            See `Corpus`.

        Raises
        ------
        CorpusError
            For rows that are no finite mono signal, too short, silent or alike.
        """
        rows = list(samples)
        if not rows:
            raise CorpusError("Corpus.from_arrays got no signals; give two or more")
        if ids is None:
            digits = max(3, len(str(len(rows) - 1)))
            ids = [f"clip-{i:0{digits}d}" for i in range(len(rows))]
        if len(ids) != len(rows) or (groups is not None and len(groups) != len(rows)):
            raise CorpusError(
                f"Corpus.from_arrays got {len(rows)} signals, but {len(ids)} ids"
                + (f" and {len(groups)} groups" if groups is not None else "")
                + "; give one for each signal"
            )
        clips = [Clip(id_, row, sample_rate) for id_, row in zip(ids, rows)]
        sources = [
            Source(
                id=clip.id,
                group=None if groups is None else groups[i],
                labels={},
                seconds=clip.seconds,
                own_rate=sample_rate,
                content=digest("array", clip.samples, sample_rate),
                origin=InMemory(clip.samples, sample_rate),
            )
            for i, clip in enumerate(clips)
        ]
        longest = max(clip.seconds for clip in clips)
        corpus = cls(
            name,
            sources,
            sample_rate=sample_rate,
            source_seconds=max(longest, window_seconds),
            window_seconds=window_seconds,
        )
        corpus.check_audio()
        return corpus

    @classmethod
    def from_mirdata(
        cls,
        name: str,
        data_home: str | Path | None = None,
        *,
        version: str = "default",
        segments: int = 1,
        groups: GroupRule | None = None,
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Corpus:
        """Return the tracks of a dataset that mirdata knows and that lies on disk.

        Parameters
        ----------
        name : str
            A name of ``mirdata.list_datasets()``.
        data_home : path-like, optional
            Where the dataset lies; mirdata's own default where omitted.
        version : str
            The dataset's version, in mirdata's words.
        segments, groups, sample_rate, source_seconds, window_seconds
            As in `from_files`. Labels are the track's attributes that are plain text.

        Raises
        ------
        CorpusError
            If mirdata is not installed, does not know the dataset, or files are missing.
        """
        paths, labels = mirdata.tracks(name, data_home, version)
        return cls._from_named_files(
            paths, f"mirdata:{name}", segments, sample_rate, source_seconds, window_seconds, labels,
            groups, origin=mirdata.PREFIX
            + (name if version == "default" else f"{name}:{version}")
            + ("" if data_home is None else f"@{data_home}"),
        )  # fmt: skip

    @classmethod
    def _from_named_files(
        cls,
        files: Mapping[str, Path],
        name: str,
        segments: int,
        sample_rate: int,
        source_seconds: float,
        window_seconds: float,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        groups: GroupRule | None = None,
        relative: Mapping[str, str] | None = None,
        origin: str | None = None,
    ) -> Corpus:
        """Return a corpus of files by id; `relative` has the paths that groups are told by."""
        _check_geometry(sample_rate, source_seconds, window_seconds)
        if not isinstance(segments, Integral) or isinstance(segments, bool) or segments < 1:
            raise CorpusError(f"segments must be a whole number of 1 or more, not {segments!r}")
        group_of: Mapping[str, str | None] = {}
        if groups is not None:
            paths = relative or grouping.below_common_folder(files)
            group_of = grouping.group_of_each(paths, groups, name)
        sources: list[Source] = []
        problems: list[str] = []
        short: list[str] = []
        for id_, path in files.items():
            try:
                found = segments_of(
                    id_, path, segments, source_seconds, window_seconds,
                    (labels or {}).get(id_, {}), group_of.get(id_),
                )  # fmt: skip
            except CorpusError as error:
                problems.append(str(error))
                continue
            sources += found
            if len(found) < segments:
                short.append(id_)
        raise_all(name, problems)
        corpus = cls(
            name,
            sources,
            sample_rate=sample_rate,
            source_seconds=source_seconds,
            window_seconds=window_seconds,
            # Words cannot repeat a function: opened again, the groups would be others.
            origin=None if callable(groups) else origin,
            segments=segments,
            grouping=grouping.named(groups),
        )
        corpus._warn_upsampled()
        if short:
            more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
            warnings.warn(
                f"corpus {name!r}: fewer than {segments} segments of {source_seconds:g} s come from"
                f" {len(short)} of {len(files)} files, which are too short or silent in part"
                f" ({', '.join(short[:_NAMED])}{more}); the corpus has {len(corpus)} clips",
                CorpusWarning,
                stacklevel=3,
            )
        return corpus

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Clip]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Clip:
        """Return one clip: its source, at the corpus's rate.

        What was decoded lately is kept, up to half a gibibyte: each transformation asks for it.
        """
        source = self._sources[index]  # in range, or an IndexError
        with self._decoded_lock:
            clip = self._decoded.get(index)
        if clip is None:
            mix = source.origin.load()
            if mix.channels_rms:  # several channels, not all silent
                self._mixed[index] = audio.rms(mix.samples) / mix.channels_rms
            resampled = audio.resample(mix.samples, mix.sample_rate, self.sample_rate)
            clip = Clip(source.id, resampled, self.sample_rate, source.labels, source.group)
            if self.expression is not None:
                expression = f"{self.expression}.clip({source.id!r})"
                object.__setattr__(clip, "expression", expression)
            if clip.samples.nbytes <= _DECODED_BYTES:
                with self._decoded_lock:
                    self._decoded[index] = clip
        return clip

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self)} clips, {self.sample_rate} Hz)"

    @cached_property
    def expression(self) -> str | None:
        """Python for a corpus that has these clips; None where it has no `origin`.

        Of a `subset`, it gives the whole.
        """
        if self.origin is None:
            return None
        if self.origin == BUNDLED:
            return "Corpus.bundled()"
        options: dict[str, tuple[object, object]] = {
            "segments": (self.segments, 1),
            "groups": (self.grouping, None),
            "sample_rate": (self.sample_rate, SAMPLE_RATE),
            "source_seconds": (self.source_seconds, SOURCE_SECONDS),
            "window_seconds": (self.window_seconds, WINDOW_SECONDS),
        }
        method, places = "from_directory", [self.origin]
        if self.origin.startswith(mirdata.PREFIX):
            name, version, home = mirdata.parsed(self.origin)
            method, places = "from_mirdata", [name] if home is None else [name, home]
            options = {"version": (version, "default"), **options}
        arguments = [repr(place) for place in places]
        arguments += [
            f"{k}={value!r}" for k, (value, default) in options.items() if value != default
        ]
        return f"Corpus.{method}({', '.join(arguments)})"

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Clip ids in the order of the corpus."""
        return tuple(source.id for source in self._sources)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Group of each clip; a clip without one is its own."""
        return tuple(s.id if s.group is None else s.group for s in self._sources)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Digest of each clip: id, content and rate."""
        return tuple(digest(s.id, s.content, self.sample_rate) for s in self._sources)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the clips, their order, groups and the window."""
        return digest(self.keys, self.groups, self.window_seconds)

    def index(self, clip_id: str) -> int:
        """Return the position of a clip.

        Raises
        ------
        CorpusError
            If no clip has that id; the message proposes close ones.
        """
        try:
            return self.ids.index(clip_id)
        except ValueError:
            import difflib

            close = difflib.get_close_matches(str(clip_id), self.ids, n=3, cutoff=0.3)
            raise CorpusError(
                f"corpus {self.name!r} has no clip {clip_id!r}"
                + (f"; did you mean {', '.join(close)}?" if close else "")
            ) from None

    def clip(self, clip_id: str) -> Clip:
        """Return the clip of an id.

        Raises
        ------
        CorpusError
            As `index` does.
        """
        return self[self.index(clip_id)]

    @cached_property
    def facts(self) -> tuple[ClipFacts, ...]:
        """What is known of each clip without decoding it."""
        return tuple(
            ClipFacts(s.id, MappingProxyType(dict(s.labels)), s.group, s.seconds)
            for s in self._sources
        )

    def subset(self, clips: Selection) -> Corpus:
        """Return a part of the corpus, in its order. Nothing is decoded.

        Parameters
        ----------
        clips : int, iterable of str, or callable
            So many clips, evenly spread over the order of the corpus; those of these ids; or those
            of which a predicate holds, such as ``lambda clip: clip.labels["genre"] == "rock"``. It
            is given a `ClipFacts`: id, labels, group and seconds.

        Raises
        ------
        CorpusError
            If there are not as many, an id is unknown or there twice, or the predicate holds of no
            clip.
        """
        part = Corpus(
            self.name,
            [self._sources[i] for i in self._picked(clips)],
            sample_rate=self.sample_rate,
            source_seconds=self.source_seconds,
            window_seconds=self.window_seconds,
            origin=self.origin,
            segments=self.segments,
            grouping=self.grouping,
        )
        part.passed_over = self.passed_over
        return part

    def _picked(self, clips: Selection) -> list[int]:
        if isinstance(clips, Integral) and not isinstance(clips, bool):
            return selection.spread(int(clips), len(self), self.name)
        if callable(clips):
            return selection.meeting(clips, self.facts, self.name)
        if isinstance(clips, str) or not isinstance(clips, Iterable):
            raise CorpusError(
                f"Corpus.subset takes a number of clips, a list of ids or a predicate, not"
                f" {clips!r}"
            )
        picked = [self.index(id_) for id_ in clips]
        if not picked:
            raise CorpusError(
                f"no clip asked of corpus {self.name!r}, which holds {len(self)}; give ids of some"
            )
        repeated = [self.ids[i] for i, times in Counter(picked).items() if times > 1]
        if repeated:
            raise CorpusError(
                f"corpus {self.name!r}: {repeated[:_NAMED]} asked for more than once; give each id"
                " once"
            )
        return picked

    def windows(
        self,
        transform: ClipTransform | None = None,
        *,
        sample_rate: int | None = None,
        window_seconds: float | None = None,
        seed: int | None = None,
    ) -> Samples:
        """Return the centre window of every clip, after a transformation if one is given.

        Parameters
        ----------
        transform : Transform, optional
            Applied to each source before its window is cut.
        sample_rate : int, optional
            In Hz; the corpus's where omitted.
        window_seconds : float, optional
            The corpus's where omitted.
        seed : int, optional
            The run's where omitted.

        Returns
        -------
        float32[n, samples]
        """
        seconds = self.window_seconds if window_seconds is None else window_seconds
        return np.stack(
            [
                (clip if transform is None else transform.apply(clip, seed=seed)).window(
                    seconds, sample_rate=sample_rate
                )
                for clip in self
            ]
        )

    def require_source(self, seconds: float, purpose: str) -> None:
        """Check that every clip holds a window of some length.

        Raises
        ------
        CorpusError
            Naming the shortest clip, what is needed and how to get it.
        """
        shortest = min(self._sources, key=lambda source: source.seconds)
        held = min(shortest.seconds, self.source_seconds)
        if held < seconds - 0.5 / self.sample_rate:
            raise CorpusError(
                f"{purpose} needs {seconds:g} s of every clip, but {shortest.id!r} of corpus"
                f" {self.name!r} holds {held:g} s; build the corpus from longer audio with"
                f" source_seconds={seconds * SOURCE_SECONDS / WINDOW_SECONDS:g} (a speed-up"
                " shortens what is left) or give the encoder a shorter window_seconds"
            )

    def check_audio(self) -> tuple[str, ...]:
        """Decode every clip and check what headers cannot tell.

        Returns
        -------
        tuple of str
            Ids of the clips whose channels nearly cancel in their mono mix, 20 dB or more; see
            `warn_cancelled`.

        Raises
        ------
        CorpusError
            For NaN, truncated or silent clips (no 0.4-s block of the window above -70 LUFS), and
            for clips whose windows are equal sample by sample: they tie, so neither could be
            nearest.
        """
        problems: list[str] = []
        first_with: dict[str, str] = {}
        for i, source in enumerate(self._sources):
            try:
                clip = self[i]
            except CorpusError as error:
                problems.append(str(error))
                continue
            window = clip.window(self.window_seconds)
            if not math.isfinite(audio.loudness(window, self.sample_rate)):
                problems.append(
                    f"clip {source.id!r} is silent: nothing in its centre"
                    f" {self.window_seconds:g} s exceeds -70 LUFS; "
                    + (f"{_OPPOSITE}: {_ONE_CHANNEL}" if self._cancels(i) else "leave it out")
                )
                continue
            twin = first_with.setdefault(digest(window), source.id)
            if twin != source.id:
                problems.append(_twin_problem(twin, source.id))
        raise_all(self.name, problems)
        return tuple(s.id for i, s in enumerate(self._sources) if self._cancels(i))

    def _cancels(self, index: int) -> bool:
        """Whether the channels of a clip that was decoded cancel in its mono mix."""
        return self._mixed.get(index, 1.0) < _CANCELLED

    def warn_cancelled(self, ids: Sequence[str]) -> None:
        """Warn of clips whose mono mix is not what one hears, as `check_audio` returns them."""
        if ids:
            more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
            warnings.warn(
                f"corpus {self.name!r}: {_OPPOSITE} of {', '.join(ids[:_NAMED])}{more}, so that"
                f" little is left of them; {_ONE_CHANNEL}",
                CorpusWarning,
                stacklevel=2,
            )

    def describe(self) -> dict[str, object]:
        """Return what reports say of the corpus, as plain values."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "clips": len(self),
            "groups": len(set(self.groups)),
            "sample_rate": self.sample_rate,
            "source_seconds": self.source_seconds,
            "window_seconds": self.window_seconds,
            "origin": self.origin,
            "segments": self.segments,
            "grouping": self.grouping,
            "passed_over": self.passed_over,
        }

    def _check_lengths(self) -> None:
        problems = [
            f"clip {s.id!r} is {s.seconds:.3g} s long, shorter than the window of"
            f" {self.window_seconds:g} s (window_seconds=)"
            for s in self._sources
            if s.seconds < self.window_seconds - 0.5 / s.own_rate
        ]
        raise_all(self.name, problems)

    def _check_twins(self) -> None:
        first_with: dict[str, str] = {}
        problems = []
        for source in self._sources:
            twin = first_with.setdefault(source.content, source.id)
            if twin != source.id:
                problems.append(_twin_problem(twin, source.id))
        raise_all(self.name, problems)

    def _warn_upsampled(self) -> None:
        low = [s for s in self._sources if s.own_rate < self.sample_rate]
        if low:
            lowest = min(s.own_rate for s in low)
            warnings.warn(
                f"corpus {self.name!r}: {len(low)} of {len(self)} clips have a lower rate than the"
                f" corpus's {self.sample_rate} Hz and hold nothing above half of their own, which"
                f" sets them apart; sample_rate={lowest} would compare all alike",
                CorpusWarning,
                stacklevel=4,
            )


def as_corpus(given: object) -> Corpus:
    """Return a corpus that was given as one.

    Raises
    ------
    SettingError
        If it is none.
    """
    if not isinstance(given, Corpus):
        raise SettingError(f"corpus must be a Corpus, not {type(given).__name__}")
    return given


def _twin_problem(first: str, second: str) -> str:
    return (
        f"clips {first!r} and {second!r} have the same content: they tie, and neither can be"
        " nearest; remove one"
    )


def _check_geometry(sample_rate: int, source_seconds: float, window_seconds: float) -> None:
    if problem := audio.rate_problem(sample_rate):
        raise CorpusError(problem)
    if not _is_positive(window_seconds) or not _is_positive(source_seconds):
        raise CorpusError(
            f"window_seconds and source_seconds must be positive, not {window_seconds!r} and"
            f" {source_seconds!r}"
        )
    if source_seconds < window_seconds:
        raise CorpusError(
            f"source_seconds={source_seconds:g} is shorter than window_seconds={window_seconds:g};"
            " the window is cut from the source"
        )


def _is_positive(value: Any) -> bool:  # noqa: ANN401
    """Tell whether something is a number above 0, and finite."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 < value < math.inf


@lru_cache(maxsize=1)
def _bundled() -> Corpus:
    root = Path(str(resources.files("pytest_nnrel"))) / "data" / "corpus"
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as file:
        labels = {row["clip"]: row for row in csv.DictReader(file)}
    return Corpus._from_named_files(
        {id_: root / f"{id_}.ogg" for id_ in labels}, BUNDLED, 1, SAMPLE_RATE, SOURCE_SECONDS,
        WINDOW_SECONDS, labels, origin=BUNDLED,
    )  # fmt: skip
