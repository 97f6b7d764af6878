"""Originals that are the same recording twice, and those that sound as if they were.

Two copies of one recording go up and down together, however they were encoded, levelled, equalised
or cut, where other music does not, though it sounds alike. How much it may sound alike is told by
what is hardly audible: others nearer than that moves either are all but told apart by noise. Played
a little faster, a copy is among these.
"""

from __future__ import annotations

import itertools
import operator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.errors import TransformError
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import audio_space
from pytest_nnrel.experiment.study import ORIGINAL, question
from pytest_nnrel.statistics.consistency import as_blocks, exemplars, within_consistency
from pytest_nnrel.transforms import MP3, PinkNoise, Transform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.experiment.study import Study
    from pytest_nnrel.statistics.consistency import Matrix

    Spectrum: TypeAlias = npt.NDArray[np.complex64]

#: What is hardly audible. Of the 134 bundled clips, one pair is nearer than that moves either; of
#: ambient music, many are.
HARDLY_AUDIBLE: tuple[Transform, ...] = (PinkNoise(snr_db=30), MP3(kbps=64))
#: Under which near-twins cost something: the former of these.
COST = HARDLY_AUDIBLE[0]
#: Correlation from which two clips are one recording. Other music: at most 0.29 in all 8,911 pairs
#: of the bundled clips, 99.9 % of 146,000 pairs of other tracks below 0.19. Copies (MP3, Opus,
#: noise, filters, compression, up to 200 ms later): at least 0.6.
SAME = 0.5
#: How many of a clip's nearest others are looked at. A copy that so many others are nearer than is
#: nobody's nearest neighbour.
_NEAREST = 10
#: How far spectra are whitened: 1 is the phase transform, 0 the plain correlation.
_WHITENED = 0.5
#: Up to where they are compared: above, codecs leave too little.
_BAND_HZ = 5_500.0
#: Spectra that are kept, of some 130 kB each.
_KEPT = 1_024
#: Power of what has no waveform.
_NOTHING = 1e-20


@dataclass(frozen=True)
class NearTwins:
    """Two originals that are one recording, or nearer than what is hardly audible moves either.

    Attributes
    ----------
    first, second : str
        Ids.
    distance : float
        DTW of their MFCCs.
    moved : float
        How far noise or a codec moves that of them which it moves less.
    correlation : float or None
        Largest cross-correlation of their waveforms, 0 to 1; of one recording 0.5 or more. None in
        results of versions that did not look.
    """

    first: str
    second: str
    distance: float
    moved: float
    correlation: float | None = None

    @property
    def same_recording(self) -> bool:
        """Whether their waveforms tell that they are one recording."""
        return self.correlation is not None and self.correlation >= SAME

    def __str__(self) -> str:
        alike = "" if self.correlation is None else f", correlation {self.correlation:.2f}"
        return (
            f"{self.first} and {self.second}: {self.distance:.4g} apart, moved by"
            f" {self.moved:.4g}{alike}"
        )


def near_twins(study: Study, windows: Samples) -> tuple[tuple[NearTwins, ...], float, float]:
    """Return near-twins, C_W of the audio, and what it is where copies do not compete.

    Each clip's ten nearest others are looked at, in its window, float32[n, samples].
    """
    corpus = study.corpus
    dtw = resolve_distance("dtw", "audio")
    conditions = []
    for transform in HARDLY_AUDIBLE:
        with suppress(TransformError):  # MP3 does not exist at every sample rate
            conditions.append(transform.condition(corpus.sample_rate))
    spaces = [audio_space(render(question(study, t)), dtw) for t in conditions]
    moved = np.max([_own(list(as_blocks(space.distances))) for space in spaces], axis=0)
    originals = audio_space(render(question(study, ORIGINAL)), dtw)
    _, member = np.unique(corpus.groups, return_inverse=True)
    apart: dict[tuple[int, int], float] = {}  # each pair once, though either is near the other
    rows = itertools.chain.from_iterable(as_blocks(originals.distances))
    for row, distances in enumerate(rows):
        others = np.flatnonzero(member != member[row])
        for other in others[np.argsort(distances[others], kind="stable")[:_NEAREST]].tolist():
            apart[min(row, other), max(row, other)] = float(distances[other])
    alike = Alike(windows, corpus.sample_rate)
    found = []
    for first, pairs in itertools.groupby(sorted(apart), key=operator.itemgetter(0)):
        seconds = [second for _, second in pairs]
        for second, correlation in zip(seconds, alike.of(first, seconds)):
            pair = NearTwins(
                corpus.ids[first],
                corpus.ids[second],
                apart[first, second],
                float(min(moved[first], moved[second])),
                float(correlation),
            )
            if pair.same_recording or pair.distance <= pair.moved:
                found.append(pair)
    twins = tuple(sorted(found, key=lambda pair: (pair.distance, pair.first, pair.second)))
    place = {id_: k for k, id_ in enumerate(corpus.ids)}
    same = [(place[pair.first], place[pair.second]) for pair in twins if pair.same_recording]
    together = _merged(member, same)
    own = np.arange(len(place))
    scores = [
        within_consistency(exemplars(spaces[0].distances, own, groups)) if len(set(groups)) > 1
        else 1.0  # all are copies of each other
        for groups in ([str(m) for m in member], [str(m) for m in together])
    ]  # fmt: skip
    return twins, scores[0], scores[1]


class Alike:
    """How far waveforms go up and down together, at the lag where they do most.

    The generalised cross-correlation (Knapp and Carter 1976) with spectra whitened in part, as
    Donohue, Hannemann and Dietz (2007) do: steady tones have less of a say, and so has what a
    filter takes away. Neither level nor polarity matters.

    Parameters
    ----------
    windows : float32[n, samples]
    sample_rate : int
        In Hz.
    """

    def __init__(self, windows: Samples, sample_rate: int) -> None:
        from cachetools import LRUCache
        from scipy.fft import next_fast_len

        self._windows = windows
        # One may begin as late as in the middle of the other.
        reach = windows.shape[1] // 2
        self._padded = next_fast_len(windows.shape[1] + reach, real=True)
        self._bins = 1 + min(self._padded // 2, round(_BAND_HZ / sample_rate * self._padded))
        self._size = 2 * (self._bins - 1)
        self._reach = reach * self._size // self._padded
        self._known: LRUCache[int, Spectrum] = LRUCache(_KEPT)

    def of(self, clip: int, others: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return the correlations of a clip with others.

        Parameters
        ----------
        clip : int
        others : sequence of int
            m of them.

        Returns
        -------
        float32[m]
            From 0 to 1; 0 of silence.
        """
        from scipy.fft import irfft

        own = self._spectrum(clip)
        found = np.zeros(len(others), np.float32)
        for place, other in enumerate(others):
            lags = irfft(own * np.conj(self._spectrum(other)), self._size)
            found[place] = max(
                np.abs(lags[: self._reach + 1]).max(), np.abs(lags[-self._reach :]).max()
            )
        return found

    def _spectrum(self, clip: int) -> Spectrum:
        """Return a whitened spectrum, of which the correlation with itself is 1."""
        from scipy.fft import rfft

        if clip not in self._known:
            window = self._windows[clip]
            spectrum = rfft(window - window.mean(), self._padded)[: self._bins]
            spectrum[-1] = 0.0  # which counts once in the transform, and all others twice
            spectrum /= np.maximum(np.abs(spectrum), np.finfo(np.float32).tiny) ** _WHITENED
            power = 2.0 * float(np.sum(np.square(np.abs(spectrum))))
            self._known[clip] = spectrum * np.float32(np.sqrt(self._size / max(power, _NOTHING)))
        return self._known[clip]


def _own(blocks: Sequence[Matrix]) -> Matrix:
    rows = np.concatenate(blocks)
    return np.asarray(np.diagonal(rows))


def _merged(member: npt.NDArray[np.intp], pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.intp]:
    """Return groups of clips, those of pairs made one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = [member[[i for pair in pairs for i in pair]][k::2] for k in (0, 1)]
    count = int(member.max()) + 1
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1][member])
