"""Corpora: which originals a verdict rests on.

A corpus is immutable, sorted by clip id and identified by its content. Audio is decoded when it is
asked for; building a corpus reads file headers, and samples only to pass over silent stretches.
"""

from __future__ import annotations

import operator
import warnings
from dataclasses import replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.corpus import selection, soundness
from pytest_nnrel.corpus.clip import Clip
from pytest_nnrel.corpus.decoded import DecodedClips
from pytest_nnrel.corpus.expression import expression_of
from pytest_nnrel.corpus.geometry import SOURCE_SECONDS, WINDOW_SECONDS
from pytest_nnrel.corpus.labels import by_name
from pytest_nnrel.corpus.made import Made
from pytest_nnrel.corpus.selection import ClipFacts
from pytest_nnrel.corpus.source import raise_all
from pytest_nnrel.errors import CorpusError, CorpusWarning
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.corpus.clip import ClipTransform
    from pytest_nnrel.corpus.selection import Selection
    from pytest_nnrel.corpus.soundness import Heard
    from pytest_nnrel.corpus.source import Gathered
    from pytest_nnrel.measurement import CorpusFacts


class Corpus(Made):
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

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self.name = gathered.name
        self.origin = gathered.origin
        self.segments = gathered.segments
        self.grouping = gathered.grouping
        self.passed_over = gathered.passed_over
        self.sample_rate = gathered.geometry.sample_rate
        self.source_seconds = gathered.geometry.source_seconds
        self.window_seconds = gathered.geometry.window_seconds
        self._sources = tuple(sorted(gathered.sources, key=lambda source: source.id))
        raise_all(self.name, soundness.name_problems(self._sources))
        raise_all(self.name, soundness.length_problems(self._sources, self.window_seconds))
        raise_all(self.name, soundness.twin_problems(self._sources))
        self._clips = DecodedClips(self._sources, self.sample_rate, self.expression)

    def __getstate__(self) -> dict[str, Any]:
        # Read-only mappings are not pickled.
        return {name: value for name, value in vars(self).items() if name != "facts"}

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Clip]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Clip:
        """Return one clip: its source, at the corpus's rate.

        What was decoded lately is kept, up to half a gibibyte: each transformation asks for it.

        Raises
        ------
        CorpusError
            If `index` is no position.
        IndexError
            If there is none at it.
        """
        try:
            position = operator.index(index)
        except TypeError:
            raise CorpusError(
                f"a corpus has a clip at each position, such as corpus[0], not {index!r};"
                " corpus.clip(ID) is the one of an id, corpus.subset(...) a part"
            ) from None
        return self._clips[position]

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self)} clips, {self.sample_rate} Hz)"

    @cached_property
    def expression(self) -> str | None:
        """Python for a corpus that has these clips; None where it has no `origin`.

        Of a `subset`, it gives the whole.
        """
        return expression_of(self.origin, self.segments, self.grouping, self._gathered.geometry)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Clip ids in the order of the corpus."""
        return tuple(source.id for source in self._sources)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Group of each clip; a clip without one is its own."""
        named = {s.group for s in self._sources if s.group is not None}
        taken = named | set(self.ids)

        def alone(name: str) -> str:  # under a name that nothing else has
            return alone(f"{name} alone") if name in taken else name

        return tuple(
            s.group if s.group is not None else alone(s.id) if s.id in named else s.id
            for s in self._sources
        )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Digest of each clip: id, content and rate."""
        return tuple(digest(s.id, s.content, self.sample_rate) for s in self._sources)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the clips, their order, groups and the window."""
        return digest(self.keys, self.groups, self.window_seconds)

    def index(self, clip: Clip | str) -> int:
        """Return the position of a clip.

        Parameters
        ----------
        clip : Clip or str
            Of this corpus, or its id.

        Raises
        ------
        CorpusError
            If no clip has that id; the message proposes close ones. If a clip of that id is
            another one, of another corpus.
        """
        if not isinstance(clip, Clip):
            return selection.position_of(clip, self.ids, self.name)
        position = selection.position_of(clip.id, self.ids, self.name)
        ours = self[position]
        if ours.sample_rate != clip.sample_rate or not np.array_equal(ours.samples, clip.samples):
            raise CorpusError(
                f"clip {clip.id!r} of corpus {self.name!r} is another one than the clip of that id"
                " that was given; pass the corpus that it is of: corpus=..."
            )
        return position

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

    @cached_property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Each label's value of each clip, in the order of the corpus; empty where it has none."""
        return by_name([source.labels for source in self._sources])

    def subset(self, clips: Selection, *, name: str | None = None) -> Corpus:
        """Return a part of the corpus, in its order. Nothing is decoded.

        Parameters
        ----------
        clips : int, iterable of str, or callable
            So many clips, evenly spread over the order of the corpus; those of these ids; or those
            of which a predicate holds, such as ``lambda clip: clip.labels["genre"] == "rock"``. It
            is given a `ClipFacts`: id, labels, group and seconds.
        name : str, optional
            Of the part; the whole's where omitted.

        Raises
        ------
        CorpusError
            If there are not as many, an id is unknown or there twice, or the predicate holds of no
            clip.
        """
        picked = selection.picked(clips, self.facts, self.name)
        sources = [self._sources[i] for i in picked]
        return Corpus(replace(self._gathered, sources=sources, name=name or self.name))

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

        Raises
        ------
        CorpusError
            If it is no transformation of ours, or there is no such length or rate.
        """
        if transform is not None and (
            isinstance(transform, type) or not hasattr(transform, "apply")
        ):
            raise CorpusError(
                "Corpus.windows takes a transformation such as PitchShift(2), not"
                f" {transform!r}; as_transform(...) makes one of a function or an effect"
            )
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
                f" {self.name!r} holds {held:g} s; measure it on longer audio,"
                " Corpus.from_directory(FOLDER,"
                f" source_seconds={seconds * SOURCE_SECONDS / WINDOW_SECONDS:g}), of which a"
                " speed-up leaves enough, or give it windows as short as the corpus's:"
                f" as_encoder(..., window_seconds={self.window_seconds:g})"
            )

    def hear(self, index: int) -> Heard:
        """Decode a clip, and tell what headers cannot."""
        return soundness.hear(
            self._sources[index].id,
            partial(self._clips.__getitem__, index),
            self.window_seconds,
            partial(self._clips.cancels, index),
        )

    def check_audio(self, heard: Sequence[Heard] | None = None) -> tuple[str, ...]:
        """Decode every clip and check what headers cannot tell.

        Parameters
        ----------
        heard : sequence of Heard, optional
            What `hear` tells of each clip, where that is known.

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
        if heard is None:
            heard = [self.hear(i) for i in range(len(self))]
        raise_all(self.name, soundness.audio_problems(self.ids, heard))
        return tuple(id_ for id_, found in zip(self.ids, heard) if found.cancels)

    def warn_cancelled(self, ids: Sequence[str]) -> None:
        """Warn of clips whose mono mix is not what one hears, as `check_audio` returns them."""
        if ids:
            text = soundness.cancelled_text(ids)
            warnings.warn(f"corpus {self.name!r}: {text}", CorpusWarning, stacklevel=2)

    def describe(self) -> CorpusFacts:
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
