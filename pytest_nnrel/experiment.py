"""The one place where corpus, transformations and spaces are run, and measurements made.

Whatever is computed goes through a store: transformed clips, features, embeddings, distance
matrices and bootstraps each under the digest of all that they depend on. All tests of a run share
it, and through the folder on disk later runs and other processes do.
"""

from __future__ import annotations

import atexit
import math
import secrets
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from operator import index as as_index
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from cachetools import LRUCache

from pytest_nnrel import consistency, ranks, settings
from pytest_nnrel.corpus import Clip, Corpus, as_corpus
from pytest_nnrel.devices import CPU
from pytest_nnrel.distances import (
    audio_features,
    companions,
    distance_recipe,
    pairwise_distances,
    pairwise_together,
    resolve_distance,
)
from pytest_nnrel.encoders import Encoder, as_encoder
from pytest_nnrel.errors import DistanceError, EncoderError, SettingError, TooFewClipsError
from pytest_nnrel.identity import behaviour_of
from pytest_nnrel.keys import key_of
from pytest_nnrel.progress import progress
from pytest_nnrel.recording import Measurement, record_corpus, record_measurement
from pytest_nnrel.store import Store, digest
from pytest_nnrel.tasks import run_tasks
from pytest_nnrel.transforms import Identity, Transform, as_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_nnrel.consistency import Distances, Exemplars, Matrix
    from pytest_nnrel.distances import Distance, Metric
    from pytest_nnrel.identity import Behaviour
    from pytest_nnrel.ranks import Pairs, Ranks, Resampled
    from pytest_nnrel.store import Arrays

    T = TypeVar("T")
    U = TypeVar("U")
    Features = list[npt.NDArray[np.float32]]

#: Clips of a task: the unit of parallel work, of memory, and of what Ctrl-C can lose.
BLOCK = 16
#: Distances of a block of rows, the unit in which they are stored and read.
BLOCK_OF_DISTANCES = 2**22
#: Memory that a run keeps features, embeddings and ranks in, besides the store.
_RECENT_BYTES = 2**28
#: Clips that messages and reports list by name.
WORST = 5
#: Clips that a map of embeddings shows, evenly spread over the corpus.
MAPPED = 200
#: Check of a transformed clip: whether it is the original still.
UNCHANGED = "unchanged"
#: Deviation, against the peak, that a change of gain and back explains in float32.
UNCHANGED_TOLERANCE = 1e-6
#: What originals are transformed by.
ORIGINAL = Identity()
#: Relative deviation that a change of batch or thread count explains.
WITNESS_TOLERANCE = 1e-3
#: Witnesses are so many that a change that moves this share of the clips is missed so rarely.
WITNESS_SHARE = 0.05
WITNESS_MISSED = 0.05
#: Witnesses of further measurements, where state may move within a run.
FURTHER_WITNESSES = 2


# ---------------------------------------------------------------------------------------------
# The public measures


def within_consistency(
    encoder: Any,  # noqa: ANN401
    transform: Any,  # noqa: ANN401
    *,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    seed: int | None = None,
) -> Measurement:
    """Measure C_W in latent space (paper eq. 10): how often the own original is nearest.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    transform : Transform, or anything that `as_transform` takes
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.
    distance : str or callable
        ``"euclidean"``, ``"cosine"``, or one's own.
    seed : int, optional
        The run's where omitted.

    Returns
    -------
    Measurement
        Its `ci` is Wilson's; ``details["bootstrap_ci"]`` is drawn over clips or groups.

    Raises
    ------
    TooFewClipsError
        If the corpus has fewer than two clips.
    NNRelError
        If corpus, transformation or encoder fail.
    """
    experiment = experiment_on(corpus, seed)
    settled = as_transform(transform)
    known = as_encoder(encoder)
    measurement = experiment.within(known, settled, distance)
    reported = settings.active().audio_bound
    if reported:
        measurement.details["map"] = experiment.map_of(known, settled)
    record_measurement(measurement)
    if reported:
        record_measurement(experiment.audio(settled, "dtw"))
    return measurement


def audio_consistency(
    transform: Any,  # noqa: ANN401
    *,
    corpus: Corpus | None = None,
    distance: Metric = "dtw",
    seed: int | None = None,
) -> Measurement:
    """Measure C_W in audio space (paper eq. 10), a weak upper bound of what encoders can reach.

    Parameters
    ----------
    transform : Transform, or anything that `as_transform` takes
    corpus, seed
        As in `within_consistency`.
    distance : str or callable
        ``"dtw"``, ``"simple"``, ``"fastdtw"``, or one's own.

    Returns
    -------
    Measurement
    """
    measurement = experiment_on(corpus, seed).audio(as_transform(transform), distance)
    record_measurement(measurement)
    return measurement


def between_consistency(
    encoder: Any,  # noqa: ANN401
    transform: Any,  # noqa: ANN401
    *,
    corpus: Corpus | None = None,
    measure: str = "rho",
    audio_distance: Metric = "dtw",
    latent_distance: Metric = "euclidean",
    pairs: Pairs = "all",
    seed: int | None = None,
) -> Measurement:
    """Measure how far audio and latent space agree (paper eqs. 11 and 12).

    Parameters
    ----------
    encoder, transform, corpus, seed
        As in `within_consistency`.
    measure : {"rho", "accuracy"}
        Spearman's rho between the distances of both spaces (C_rho), or the share of clips on
        which both make the same exemplar error or none (C_acc).
    audio_distance, latent_distance : str or callable
    pairs : {"all", "own", "distinct"}
        For rho: all N x N pairs of a transformed clip and an original, as the authors' code has
        it; own pairs only; or all but own pairs, which with `Identity` is the paper's Fig. 13.

    Returns
    -------
    Measurement
        ``details["within"]`` holds C_W of both spaces: two spaces that fail together agree too.

    Raises
    ------
    UndefinedMeasureError
        If rho has no value, such as for an encoder that gives one embedding for all clips.
    """
    if measure not in ("rho", "accuracy"):
        raise SettingError(f"measure must be 'rho' or 'accuracy', not {measure!r}")
    if pairs not in ranks.PAIRS:
        raise SettingError(f"pairs must be one of {', '.join(ranks.PAIRS)}, not {pairs!r}")
    measurement = experiment_on(corpus, seed).between(
        as_encoder(encoder),
        as_transform(transform),
        measure,
        audio_distance,
        latent_distance,
        pairs,
    )
    record_measurement(measurement)
    return measurement


def run_corpus() -> Corpus:
    """Return the run's corpus; outside pytest, the bundled one."""
    chosen = settings.active().corpus
    return Corpus.bundled() if chosen is None else as_corpus(chosen())


def experiment_on(corpus: Corpus | None = None, seed: int | None = None) -> Experiment:
    """Return the experiment on a corpus, the run's where omitted, under the active settings."""
    active = settings.active()
    corpus = run_corpus() if corpus is None else as_corpus(corpus)
    chosen = active.seed if seed is None else as_index(seed)
    return Experiment(corpus, chosen, _stores_of(active), active)


# ---------------------------------------------------------------------------------------------
# Stores


class Stores:
    """The store that outlives the run, and the one that does not.

    Parameters
    ----------
    root : Path or None
        Folder of the lasting store; None keeps everything for the run only.
    cap_bytes : float
        Size that either is cut back to.
    """

    def __init__(self, root: Path | None, cap_bytes: float) -> None:
        self._scratch_folder = tempfile.TemporaryDirectory(
            prefix="pytest-nnrel-", ignore_cleanup_errors=True
        )
        self.scratch = Store(Path(self._scratch_folder.name), cap_bytes=cap_bytes)
        self.lasting = self.scratch if root is None else Store(root, cap_bytes=cap_bytes)
        self._distrusted: dict[str, int] = {}
        #: Encoders and corpora of which stored embeddings were found to hold, in this process.
        self.witnessed: set[tuple[str, str]] = set()
        self._recent: LRUCache[object, tuple[Any, int]] = LRUCache(
            _RECENT_BYTES, getsizeof=lambda entry: entry[1]
        )
        self._recent_lock = threading.Lock()

    def recently(self, key: object, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return a value that the store could give too, kept in memory while there is room."""
        with self._recent_lock:
            entry = self._recent.get(key)
        if entry is None:
            value = make()
            entry = value, size(value)
            if entry[1] <= self._recent.maxsize:
                with self._recent_lock:
                    self._recent[key] = entry
        return entry[0]

    def close(self) -> None:
        """Cut the lasting store to its cap, and delete the scratch folder."""
        if self.lasting is not self.scratch:
            self.lasting.prune()
        self._scratch_folder.cleanup()

    def generation(self, identity: str) -> int:
        """Return how often stored embeddings of an encoder were found not to hold any more."""
        return self._distrusted.get(identity, 0)

    def distrust(self, identity: str) -> None:
        """Pass over what is stored of an encoder from now on."""
        self._distrusted[identity] = self.generation(identity) + 1


_OPEN: dict[tuple[object, float], Stores] = {}
_OPENING = threading.Lock()


def _stores_of(active: settings.Settings) -> Stores:
    """Return the stores of a run; marks that change seed or corpus share them."""
    place = (active.cache_dir, active.cache_gib)
    with _OPENING:
        if place not in _OPEN:
            folder = active.cache_dir() if callable(active.cache_dir) else active.cache_dir
            _OPEN[place] = stores = Stores(folder, active.cache_gib * 2**30)
            atexit.register(stores.close)  # outside pytest nobody else does
        return _OPEN[place]


def close_stores(active: settings.Settings) -> None:
    """Prune and close the stores of a run; the next measurement opens new ones."""
    stores = _OPEN.pop((active.cache_dir, active.cache_gib), None)
    if stores is not None:
        atexit.unregister(stores.close)
        stores.close()


@dataclass(frozen=True)
class _Known:
    """What keys call an object by, and whether that holds in later runs."""

    told: object
    lasting: bool


# ---------------------------------------------------------------------------------------------
# The experiment


class Experiment:
    """A corpus under a seed: transforms, embeds and compares it, each thing once.

    One serves one measurement; what measurements share is in the stores.

    Parameters
    ----------
    corpus : Corpus
    seed : int
    stores : Stores
    active : Settings
        Workers, device and progress.

    Raises
    ------
    TooFewClipsError
        If the corpus has fewer than two clips.
    """

    def __init__(
        self, corpus: Corpus, seed: int, stores: Stores, active: settings.Settings
    ) -> None:
        if len(corpus) < 2:
            raise TooFewClipsError(
                f"corpus {corpus.name!r} has {len(corpus)} clip; with fewer than 2 there is no"
                " other original to be nearer to, and no verdict; add clips"
            )
        self.corpus = corpus
        self.seed = seed
        self._stores = stores
        self._active = active
        self._subjects: dict[int, _Subject] = {}
        self._conditions: dict[int, tuple[Transform, Transform]] = {}
        self._known: dict[int, tuple[object, _Known]] = {}
        record_corpus(corpus.fingerprint, self.listing())
        # What headers cannot tell is checked once per corpus, not once per run.
        key = key_of("checked", corpus=corpus.fingerprint)
        checked = stores.lasting.fetch("checked", key, self._checked)
        corpus.warn_cancelled([corpus.ids[int(i)] for i in np.asarray(checked["cancelled"])])

    def _checked(self) -> Arrays:
        cancelled = [self.corpus.index(id_) for id_ in self.corpus.check_audio()]
        return {"cancelled": np.array(cancelled, dtype=np.int64)}

    def listing(self) -> dict[str, Any]:
        """Return the clips that measurements are of, in order, as plain values."""
        corpus = self.corpus
        return {"name": corpus.name, "clips": list(corpus.ids), "groups": list(corpus.groups)}

    # -- measures

    def within(self, encoder: Encoder, transform: Transform, metric: Metric) -> Measurement:
        """Measure C_W in latent space."""
        watch = _Stopwatch()
        condition = self._condition(transform)
        distance = resolve_distance(metric, "latent")
        space = self._latent_space(encoder, condition, distance, watch)
        details = self._details(transform, condition, encoder, latent=distance)
        return self._proportion("within", space, details, watch)

    def audio(self, transform: Transform, metric: Metric) -> Measurement:
        """Measure C_W in audio space."""
        watch = _Stopwatch()
        condition = self._condition(transform)
        distance = resolve_distance(metric, "audio")
        space = self._audio_space(condition, distance, watch)
        details = self._details(transform, condition, audio=distance)
        return self._proportion("audio", space, details, watch)

    def between(
        self,
        encoder: Encoder,
        transform: Transform,
        measure: str,
        audio_metric: Metric,
        latent_metric: Metric,
        pairs: Pairs,
    ) -> Measurement:
        """Measure C_acc or C_rho."""
        watch = _Stopwatch()
        condition = self._condition(transform)
        audio_distance = resolve_distance(audio_metric, "audio")
        latent_distance = resolve_distance(latent_metric, "latent")
        audio = self._audio_space(condition, audio_distance, watch)
        latent = self._latent_space(encoder, condition, latent_distance, watch)
        details = self._details(
            transform, condition, encoder, audio=audio_distance, latent=latent_distance
        )
        with watch("distances"):
            right = self._exemplars(audio), self._exemplars(latent)
        details["within"] = {"audio": _rate_of(right[0]), "latent": _rate_of(right[1])}
        if measure == "accuracy":
            agreed = consistency.agreements(*right)
            measurement = self._measurement(
                "accuracy", agreed, right[1], details, watch, latent.apart
            )
            rates = [details["within"][name]["value"] for name in ("audio", "latent")]
            # What spaces would agree on that have these rates and nothing in common.
            details["chance"] = rates[0] * rates[1] + (1 - rates[0]) * (1 - rates[1])
            return measurement
        details["identity"]["pairs"] = pairs
        details["chance"] = 0.0
        with watch("ranks"):
            ranked = self._ranks(audio, pairs), self._ranks(latent, pairs)
            value = ranks.rank_agreement(*ranked)
        with watch("bootstrap"):
            replicates = self._replicates(audio, latent, ranked)
            ci = consistency.percentile_interval(replicates)
        details["undefined_replicates"] = int(np.isnan(replicates).sum())
        return Measurement(
            "rho",
            value,
            ci,
            len(self.corpus),
            (),
            self._worst(right[1], latent.apart),
            details,
            watch.seconds,
        )

    def map_of(self, encoder: Encoder, transform: Transform) -> dict[str, Any]:
        """Return where clips and originals lie in the plane of the originals' principal axes.

        At most `MAPPED` clips are placed, so that the size does not grow with the corpus.
        """
        condition = self._condition(transform)
        originals, transformed = self._both(encoder, condition)
        plane = self._stores.recently(
            ("plane", self._embeddings_key(self._subject(encoder), ORIGINAL)),
            lambda: consistency.principal_plane(originals),
            lambda found: found.axes.nbytes,
        )
        n = len(self.corpus)
        shown = [i * n // MAPPED for i in range(MAPPED)] if n > MAPPED else list(range(n))
        return {
            "clips": [self.corpus.ids[i] for i in shown],
            "originals": plane.place(originals[shown]).round(3).tolist(),
            "transformed": plane.place(transformed[shown]).round(3).tolist(),
            "explained": plane.explained.round(4).tolist(),
        }

    def rho_replicates(
        self,
        encoder: Encoder,
        transform: Transform,
        audio_metric: Metric,
        latent_metric: Metric,
        pairs: Pairs,
    ) -> Matrix:
        """Return the bootstrap of C_rho, float64[replicates], NaN where a sample has none.

        Samples are those of all other measurements on the corpus: differences are of pairs.
        """
        watch = _Stopwatch()
        condition = self._condition(transform)
        audio = self._audio_space(condition, resolve_distance(audio_metric, "audio"), watch)
        distance = resolve_distance(latent_metric, "latent")
        latent = self._latent_space(encoder, condition, distance, watch)
        ranked = self._ranks(audio, pairs), self._ranks(latent, pairs)
        return self._replicates(audio, latent, ranked)

    def nearest(
        self, encoder: Encoder, transform: Transform, clip_id: str, metric: Metric
    ) -> Measurement:
        """Measure delta of one clip (paper eq. 9); only that clip is transformed."""
        watch = _Stopwatch()
        condition = self._condition(transform)
        distance = resolve_distance(metric, "latent")
        index = self.corpus.index(clip_id)
        with watch("embedding"):
            originals, query = self._both(encoder, condition, [index])
        row = consistency.exemplars_among(
            pairwise_distances(query, originals, distance), np.array([index])
        )
        details = self._details(transform, condition, encoder, latent=distance, indices=[index])
        details["identity"]["clip"] = clip_id
        details |= self._qualities(row)
        value = float(not row.errors[0])

        def apart(first: int, second: int) -> float:
            return float(
                pairwise_distances(originals[[first]], originals[[second]], distance)[0, 0]
            )

        return Measurement(
            "exemplar", value, (value, value), 1, (bool(value),),
            self._worst(row, apart, [index]), details, watch.seconds,
        )  # fmt: skip

    def own_distances(
        self, encoder: Encoder | None, transform: Transform, metric: Metric
    ) -> Matrix:
        """Return how far each transformed clip is from its own original, float64[n].

        In audio space where `encoder` is None.
        """
        watch = _Stopwatch()
        condition = self._condition(transform)
        if encoder is None:
            space = self._audio_space(condition, resolve_distance(metric, "audio"), watch)
        else:
            distance = resolve_distance(metric, "latent")
            space = self._latent_space(encoder, condition, distance, watch)
        return self._exemplars(space).own

    def details_of(
        self, encoder: Encoder, transform: Transform, latent: Metric, audio: Metric
    ) -> dict[str, Any]:
        """Return what identifies a measurement in both spaces, as plain values."""
        return self._details(
            transform,
            self._condition(transform),
            encoder,
            latent=resolve_distance(latent, "latent"),
            audio=resolve_distance(audio, "audio"),
        )

    def _proportion(
        self, measure: str, space: _Space, details: dict[str, Any], watch: _Stopwatch
    ) -> Measurement:
        with watch("distances"):
            rows = self._exemplars(space)
        return self._measurement(measure, ~rows.errors, rows, details, watch, space.apart)

    def _measurement(
        self,
        measure: str,
        outcomes: npt.NDArray[np.bool_],
        rows: Exemplars,
        details: dict[str, Any],
        watch: _Stopwatch,
        apart: Callable[[int, int], float],
    ) -> Measurement:
        n = len(outcomes)
        with watch("bootstrap"):
            replicates = consistency.proportion_replicates(outcomes, self.bootstrap_samples())
        details |= self._qualities(rows)
        details["bootstrap_ci"] = list(consistency.percentile_interval(replicates))
        return Measurement(
            measure,
            float(np.mean(outcomes)),
            consistency.wilson_interval(int(outcomes.sum()), n),
            n,
            tuple(bool(outcome) for outcome in outcomes),
            self._worst(rows, apart),
            details,
            watch.seconds,
        )

    def _qualities(self, rows: consistency.Exemplars) -> dict[str, Any]:
        return {
            "chance": 1.0 / len(self.corpus),
            "margins": rows.margins.tolist(),
            "relative_margins": rows.relative_margins.tolist(),
            "ranks": rows.ranks.tolist(),
            "ties": int(rows.ties.sum()),
            "non_finite": int(rows.non_finite.sum()),
        }

    def _worst(
        self,
        rows: consistency.Exemplars,
        apart: Callable[[int, int], float],
        indices: Sequence[int] | None = None,
    ) -> tuple[dict[str, Any], ...]:
        """Return the clips that are farthest from their original, against the nearest other."""
        with np.errstate(divide="ignore", invalid="ignore"):
            # Relative, so that it means the same for any encoder.
            share = rows.own / rows.nearest
        share = np.where(np.isnan(share), 1.0, share)  # 0 / 0, a tie
        share = np.where(rows.non_finite, np.inf, share)
        order = np.lexsort((np.arange(len(share)), -share))[:WORST]
        ids = self.corpus.ids
        positions = range(len(ids)) if indices is None else indices
        return tuple(
            {
                "id": ids[positions[i]],
                "own_distance": float(rows.own[i]),
                "neighbour": ids[rows.neighbour[i]],
                "neighbour_distance": float(rows.nearest[i]),
                "originals_distance": apart(positions[i], int(rows.neighbour[i])),
            }
            for i in order
        )

    def _details(
        self,
        asked: Transform,
        condition: Transform,
        encoder: Encoder | None = None,
        *,
        audio: Distance | None = None,
        latent: Distance | None = None,
        indices: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        identity: dict[str, Any] = {
            "corpus": self.corpus.fingerprint,
            "transform": condition.name,
            "seed": self.seed,
        }
        details: dict[str, Any] = {
            "identity": identity,
            "corpus": self.corpus.describe(),
            "transform": {
                "name": condition.name,
                "family": type(condition).__name__,
                "symbol": condition.symbol,
                "magnitude": condition.magnitude,
                "unit": condition.unit,
                "identity": condition.identity,
                "severity": condition.severity,
                "asked": asked.name,
                "recipe": condition.recipe(),
                "checks": self._checks(condition, encoder, indices),
            },
        }
        if audio is not None:
            identity["audio_distance"] = audio.name
        if latent is not None:
            identity["latent_distance"] = latent.name
        if encoder is not None:
            identity["encoder"] = encoder.name
            identity["encoder_fingerprint"] = self._subject(encoder).fingerprint
            identity["encoder_sample_rate"] = encoder.sample_rate
            identity["encoder_window_seconds"] = encoder.window_seconds
            details["encoder"] = {
                "name": encoder.name,
                "fingerprint": self._subject(encoder).fingerprint,
                "sample_rate": encoder.sample_rate or self.corpus.sample_rate,
                "window_seconds": encoder.window_seconds or self.corpus.window_seconds,
                "device": encoder.device,
                "assumed": encoder.assumptions(self.corpus.sample_rate),
            }
        # What a name does not pin down is told apart by what was measured: see `measurement_key`.
        identity["named_only"] = (
            condition.recipe() is None
            or any(d is not None and distance_recipe(d) is None for d in (audio, latent))
            or (encoder is not None and identity["encoder_fingerprint"] is None)
        )
        return details

    def _checks(
        self, condition: Transform, encoder: Encoder | None, indices: Sequence[int] | None
    ) -> dict[str, Any]:
        """Return the range of each thing that the transformation verified, and what befell clips.

        That is, how many were padded, and how many came back as they were.
        """
        records = self._rendered(condition, indices)
        ranges: dict[str, Any] = {}
        for name in dict.fromkeys(name for record in records for name in record.checks):
            values = [r.checks[name] for r in records if name in r.checks]
            ranges[name] = {"min": min(values), "max": max(values)}
        unchanged = int(sum(record.checks[UNCHANGED] for record in records))
        del ranges[UNCHANGED]
        if unchanged and not isinstance(condition, Identity):
            ranges[UNCHANGED] = {"clips": unchanged, "of": len(records)}
        window = self.corpus.window_seconds
        if encoder is not None and encoder.window_seconds is not None:
            window = max(window, encoder.window_seconds)
        short = [window - record.seconds for record in records]
        short = [seconds for seconds in short if seconds > 0.5 / self.corpus.sample_rate]
        if short:
            ranges["zero_padding"] = {"clips": len(short), "max_seconds": max(short)}
        return ranges

    # -- distances

    def _audio_space(self, condition: Transform, distance: Distance, watch: _Stopwatch) -> _Space:
        store, key = self._distances_place(condition, distance)

        @cache
        def features() -> tuple[Features, Features]:
            with watch("transformation"):
                return self._features(condition), self._features(ORIGINAL)

        blocks = [
            partial(self._audio_rows, condition, distance, features, rows, watch)
            for rows in self._rows()
        ]

        def apart(first: int, second: int) -> float:
            pair = [record.features for record in self._rendered(ORIGINAL, [first, second])]
            return float(pairwise_distances(pair[:1], pair[1:], distance)[0, 0])

        return _Space("audio", key, store, self._distances(blocks), apart)

    def _distances_place(
        self, condition: Transform, distance: Distance, rows: slice | None = None
    ) -> tuple[Store, str]:
        """Return store and key of distances in audio space: of some rows, or of all that are."""
        transformed, compared = self._transform(condition), self._distance(distance)
        key = key_of(
            "distances",
            corpus=self.corpus.fingerprint,
            window=self.corpus.window_seconds,
            seed=self.seed,
            transform=transformed.told,
            distance=compared.told,
            rows=str(rows),
        )
        return self._store(transformed, compared), key

    def _audio_rows(
        self,
        condition: Transform,
        distance: Distance,
        features: Callable[[], tuple[Features, Features]],
        rows: slice,
        watch: _Stopwatch,
    ) -> Matrix:
        """Return the distances of some transformed clips to all originals."""
        places = {
            other.name: self._distances_place(condition, other, rows)
            for other in companions(distance)
        }
        store, key = places[distance.name]
        stored = store.get("distances", key)
        if stored is None:
            queries, originals = features()
            # One pass serves all companions, and one process at a time makes it.
            with watch("distances"), store.lock(min(key for _, key in places.values())):
                stored = store.get("distances", key)
                if stored is None:
                    together = self._compare(queries[rows], originals, distance, rows.start)
                    for name, matrix in together.items():
                        store, key = places[name]
                        store.put("distances", key, {"distances": matrix})
                    return together[distance.name]
        return np.asarray(stored["distances"], dtype=np.float64)

    def _compare(
        self, queries: Features, originals: Features, distance: Distance, first: int
    ) -> dict[str, Matrix]:
        what = " and ".join(other.name for other in companions(distance))
        try:
            return pairwise_together(
                queries,
                originals,
                distance,
                jobs=self._active.jobs,
                device=self._active.device or CPU,
                progress=partial(progress, what=f"{what} distances"),
            )
        except DistanceError as error:
            at_fault = "" if error.row is None else f"; clip {self.corpus.ids[first + error.row]!r}"
            where = f" (corpus {self.corpus.name!r}{at_fault})"
            raise DistanceError(f"{error}{where}", error.row) from error

    def _latent_space(
        self, encoder: Encoder, condition: Transform, distance: Distance, watch: _Stopwatch
    ) -> _Space:
        with watch("embedding"):
            originals, queries = self._both(encoder, condition)

        def compare(rows: slice) -> Matrix:
            with watch("distances"):
                return pairwise_distances(
                    queries[rows], originals, distance, device=self._active.device or CPU
                )

        def apart(first: int, second: int) -> float:
            return float(
                pairwise_distances(originals[[first]], originals[[second]], distance)[0, 0]
            )

        distances = self._distances([partial(compare, rows) for rows in self._rows()])
        compared = self._distance(distance)
        if not compared.lasting:
            # One's own function may do otherwise the next time: what it gave is what counts.
            key = digest("latent", *consistency.as_blocks(distances))
            return _Space("latent", key, self._stores.scratch, distances, apart)
        key = digest("latent", compared.told, originals, queries)
        return _Space("latent", key, self._stores.lasting, distances, apart)

    def _rows(self) -> list[slice]:
        """Return the blocks of rows in which distances are made and stored."""
        n = len(self.corpus)
        step = max(BLOCK, BLOCK_OF_DISTANCES // n)
        return [slice(first, min(first + step, n)) for first in range(0, n, step)]

    def _distances(self, blocks: Sequence[Callable[[], Matrix]]) -> Distances:
        """Return blocks of rows: one as a matrix, several to be made whenever walked through."""
        n = len(self.corpus)
        return blocks[0]() if len(blocks) == 1 else _RowBlocks(blocks, (n, n))

    def _exemplars(self, space: _Space) -> Exemplars:
        return self._stores.recently(
            ("exemplars", space.key),
            lambda: consistency.exemplars(space.distances),
            lambda rows: 5 * rows.own.nbytes,
        )

    def _ranks(self, space: _Space, pairs: Pairs) -> Ranks:
        return self._stores.recently(
            ("ranks", space.key, pairs),
            lambda: ranks.rank_pairs(
                space.distances, pairs=pairs, space=space.name, folder=self._stores.lasting.folder()
            ),
            lambda ranked: ranked.doubled.nbytes,
        )

    def _replicates(self, audio: _Space, latent: _Space, ranked: tuple[Ranks, Ranks]) -> Matrix:
        lasting = audio.store is latent.store is self._stores.lasting
        key = key_of(
            "bootstrap",
            corpus=self.corpus.fingerprint,
            audio=audio.key,
            latent=latent.key,
            pairs=ranked[0].pairs,
            groups=self.corpus.groups,
            seed=self.seed,
        )
        stored = (self._stores.lasting if lasting else self._stores.scratch).fetch(
            "bootstrap",
            key,
            lambda: {
                "replicates": ranks.rank_agreement_replicates(
                    self._resampled(audio, ranked[0]),
                    self._resampled(latent, ranked[1]),
                    jobs=self._active.jobs,
                    progress=partial(progress, what="bootstrap"),
                )
            },
        )
        return np.asarray(stored["replicates"], dtype=np.float64)

    def _resampled(self, space: _Space, ranked: Ranks) -> Resampled:
        return self._stores.recently(
            ("resampled", space.key, ranked.pairs, self.corpus.groups, self.seed),
            lambda: ranks.resample(
                ranked,
                self.bootstrap_samples(),
                jobs=self._active.jobs,
                progress=partial(progress, what=f"bootstrap, {space.name} space"),
            ),
            lambda resampled: resampled.nbytes,
        )

    def bootstrap_samples(self) -> npt.NDArray[np.int32]:
        """Return how often each clip is drawn, int32[replicates, n].

        The samples are the same for all measurements on a corpus, so that their replicates are
        pairs.
        """
        return self._stores.recently(
            ("drawn", self.corpus.fingerprint, self.corpus.groups, self.seed),
            lambda: consistency.drawn(
                self.corpus.groups, self._rng("bootstrap"), consistency.REPLICATES
            ),
            lambda drawn: drawn.nbytes,
        )

    # -- embeddings

    def embeddings(
        self, encoder: Encoder, condition: Transform, indices: Sequence[int] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the embeddings of clips, all or some, after a transformation, float32[k, d]."""
        seconds = encoder.window_seconds or self.corpus.window_seconds
        self.corpus.require_source(seconds, f"encoder {encoder.name!r}")
        subject = self._subject(encoder)
        if indices is not None:
            return self._embeddings(encoder, subject, condition, indices)
        return self._stores.recently(
            ("embeddings", self._embeddings_key(subject, condition)),
            lambda: self._embeddings(encoder, subject, condition, range(len(self.corpus))),
            lambda rows: rows.nbytes,
        )

    def _both(
        self, encoder: Encoder, condition: Transform, indices: Sequence[int] | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the embeddings of originals and of transformed clips, all or some of these."""
        # Originals first: they bear witness to whatever else is stored of the encoder.
        originals = self.embeddings(encoder, ORIGINAL)
        queries = self.embeddings(encoder, condition, indices)
        if queries.shape[1] != originals.shape[1]:
            raise EncoderError(
                f"encoder {encoder.name!r} returned {originals.shape[1]} numbers for each original"
                f" and {queries.shape[1]} under {condition.name}; it must return embeddings of one"
                " length, whatever it hears"
            )
        return originals, queries

    def _embeddings(
        self, encoder: Encoder, subject: _Subject, condition: Transform, indices: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        store, keys = self._embedding_keys(subject, condition, indices)
        stored: dict[int, Arrays | None] = {
            i: store.get("embeddings", key) for i, key in keys.items()
        }
        missing = [i for i, entry in stored.items() if entry is None]
        if missing and not isinstance(condition, Identity):
            self._rendered(condition, missing)  # all at once, on all workers
        blocks = [missing[i : i + BLOCK * 2] for i in range(0, len(missing), BLOCK * 2)]
        windows = _one_ahead(partial(self._windows, encoder, condition), blocks)
        what = f"{encoder.name} on {condition.name}"
        for block, of_block in progress(zip(blocks, windows), len(blocks), what):
            encoded = self._encode(encoder, condition, block, of_block)
            for i, embedding in zip(block, encoded):
                entry: Arrays = {"embedding": embedding}
                store.put("embeddings", keys[i], entry)
                stored[i] = entry
        rows = [entry["embedding"] for entry in stored.values() if entry is not None]
        widths = {row.shape for row in rows}
        if len(widths) > 1:
            raise EncoderError(
                f"encoder {encoder.name!r} returned embeddings of different lengths:"
                f" {sorted(widths)}; it must return one length, whatever batch it gets"
            )
        return np.asarray(np.stack(rows), dtype=np.float32)

    def _windows(
        self, encoder: Encoder, condition: Transform, indices: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        """Return what an encoder sees of some clips, float32[k, samples], at its own rate."""
        seconds = encoder.window_seconds or self.corpus.window_seconds
        rate = encoder.sample_rate or self.corpus.sample_rate
        clips = self._clips(condition, indices)
        return np.stack([clip.window(seconds, sample_rate=rate) for clip in clips])

    def _encode(
        self,
        encoder: Encoder,
        condition: Transform,
        indices: Sequence[int],
        windows: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.float32]:
        try:
            return encoder.encode(windows, encoder.sample_rate or self.corpus.sample_rate)
        except EncoderError as error:
            at_fault = [self.corpus.ids[indices[row]] for row in error.rows]
            clips = f", clips {', '.join(at_fault[:WORST])}" if at_fault else ""
            where = f"(under {condition.name}, corpus {self.corpus.name!r}{clips})"
            # From what the encoder itself raised, if it did: the message says the rest.
            raise EncoderError(f"{error} {where}", error.rows) from error.__cause__

    def _embedding_keys(
        self, subject: _Subject, condition: Transform, indices: Iterable[int]
    ) -> tuple[Store, dict[int, str]]:
        transformed = self._transform(condition)
        lasting = subject.fingerprint is not None
        store = self._store(transformed, _Known(subject.identity, lasting))
        keys = self.corpus.keys
        return store, {i: self._embedding_key(subject, transformed, keys[i]) for i in indices}

    def _embeddings_key(self, subject: _Subject, condition: Transform) -> str:
        """Return what the embeddings of all clips are known by within the run."""
        return self._embedding_key(subject, self._transform(condition), self.corpus.fingerprint)

    def _embedding_key(self, subject: _Subject, transformed: _Known, clip: str) -> str:
        return key_of(
            "embeddings",
            clip=clip,
            window=self.corpus.window_seconds,
            seed=self.seed,
            transform=transformed.told,
            encoder=subject.identity,
            generation=self._stores.generation(subject.identity),
        )

    def _subject(self, encoder: Encoder) -> _Subject:
        """Return how an encoder is known to the store, after checking that this still holds.

        No look at code and state sees everything: files that are read, libraries' globals. So
        some originals, drawn anew each time, are encoded again, and where they come out
        differently, what is stored of the encoder is passed over. Values of earlier runs get
        many witnesses, once a run; a state that nobody looked into gets a few in each further
        measurement; and what cannot be looked into, without anybody to vouch for it, is known for
        this measurement only.
        """
        known = self._subjects.get(id(encoder))
        if known is not None:
            return known
        found = encoder.identify()
        vouched = found.fingerprint is not None
        subject = _Subject(
            found.fingerprint,
            digest(
                found.fingerprint,
                found.behaviour.digest if found.behaviour.known or vouched else _once(),
                encoder.name,
                encoder.sample_rate,
                encoder.window_seconds,
                encoder.batch_size,
            ),
        )
        self._subjects[id(encoder)] = subject
        witnessed = (subject.identity, self.corpus.fingerprint)
        first = vouched and witnessed not in self._stores.witnessed
        if encoder.tells_its_state and vouched and not first:
            return subject
        number = witnesses_among(len(self.corpus)) if first else FURTHER_WITNESSES
        while stored := self._witnesses(subject, number):
            clips = list(stored)
            windows = self._windows(encoder, ORIGINAL, clips)
            fresh = self._encode(encoder, ORIGINAL, clips, windows)
            if _same_embeddings(fresh, list(stored.values())):
                break
            self._stores.distrust(subject.identity)
        self._stores.witnessed.add(witnessed)
        return subject

    def _witnesses(self, subject: _Subject, number: int) -> dict[int, npt.NDArray[np.generic]]:
        """Return stored embeddings of some originals, drawn at random."""
        store, keys = self._embedding_keys(subject, ORIGINAL, range(len(self.corpus)))
        found: dict[int, npt.NDArray[np.generic]] = {}
        for i in _ANY_CLIPS.permutation(len(keys)).tolist():
            entry = store.get("embeddings", keys[i])
            if entry is not None:
                found[i] = entry["embedding"]
                if len(found) == number:
                    break
        return found

    # -- transformed clips and features

    def _features(self, condition: Transform) -> Features:
        return [record.features for record in self._rendered(condition)]

    def _clips(self, condition: Transform, indices: Sequence[int]) -> Iterator[Clip]:
        """Yield transformed clips from the store, rendered where they are not there."""
        if isinstance(condition, Identity):
            yield from (self.corpus[i] for i in indices)
            return
        store, keys = self._render_keys(condition)
        task = _RenderTask(self.corpus, condition, self.seed, store)
        for i in indices:
            entry: Arrays | None = store.get("clips", keys[i])
            if entry is None:  # evicted, damaged, or the disk is full
                entry = task.render(i, keys[i])[0]
            samples = np.asarray(entry["samples"], np.float32)
            yield Clip(self.corpus.ids[i], samples, self.corpus.sample_rate)

    def _rendered(
        self, condition: Transform, indices: Sequence[int] | None = None
    ) -> list[_Record]:
        """Transform clips, all or some, that are not in the store yet; return their records."""
        if indices is not None:
            return self._render(condition, indices)
        key = self._render_key(self._transform(condition), self.corpus.fingerprint)
        return self._stores.recently(
            ("rendered", key),
            lambda: self._render(condition, range(len(self.corpus))),
            lambda records: sum(record.features.nbytes for record in records),
        )

    def _render(self, condition: Transform, indices: Sequence[int]) -> list[_Record]:
        store, keys = self._render_keys(condition)
        records = {i: _Record.from_entry(store.get("features", keys[i])) for i in indices}
        missing = [i for i, record in records.items() if record is None]
        if missing:
            task = _RenderTask(self.corpus, condition, self.seed, store)
            blocks = [missing[i : i + BLOCK] for i in range(0, len(missing), BLOCK)]
            for done in run_tasks(
                task,
                [[(i, keys[i]) for i in block] for block in blocks],
                jobs=self._active.jobs,
                progress=partial(progress, what=condition.name),
                ordered=False,
            ):
                for i, entry in done:
                    records[i] = _Record.from_entry(entry)
        return [record for record in records.values() if record is not None]

    def _render_keys(self, condition: Transform) -> tuple[Store, list[str]]:
        """Return the store of transformed clips, and the key of each, its features' as well."""
        transformed = self._transform(condition)
        keys = [self._render_key(transformed, key) for key in self.corpus.keys]
        return self._store(transformed), keys

    def _render_key(self, transformed: _Known, clip: str) -> str:
        return key_of(
            "clips",
            clip=clip,
            window=self.corpus.window_seconds,
            seed=self.seed,
            transform=transformed.told,
        )

    # -- what takes part

    def _transform(self, condition: Transform) -> _Known:
        """Return how a transformation is known, as it was when first asked in this measurement."""
        return self._known_as(
            condition, condition.name, condition.recipe, lambda: condition.behaviour()
        )

    def _distance(self, distance: Distance) -> _Known:
        recipe = partial(distance_recipe, distance)
        return self._known_as(
            distance, distance.name, recipe,
            lambda: behaviour_of(distance.subject, state=distance.version is None),
        )  # fmt: skip

    def _known_as(
        self,
        subject: object,
        name: str,
        recipe: Callable[[], object],
        behaviour: Callable[[], Behaviour],
    ) -> _Known:
        if id(subject) not in self._known:
            described, done = recipe(), behaviour()
            lasting = described is not None
            told = digest(name, described, done.digest if done.known or lasting else _once())
            self._known[id(subject)] = subject, _Known(told, lasting)
        return self._known[id(subject)][1]

    def _store(self, *known: _Known) -> Store:
        """Return the store for values of some things: scratch where one is known for now only."""
        lasting = all(one.lasting for one in known)
        return self._stores.lasting if lasting else self._stores.scratch

    def _rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng(int(digest(purpose, self.seed, self.corpus.fingerprint), 16))

    def _condition(self, transform: Transform) -> Transform:
        """Return the condition that a transformation is: one object throughout the measurement."""
        known = self._conditions.get(id(transform))
        if known is None:
            known = transform, transform.condition(self.corpus.sample_rate)
            self._conditions[id(transform)] = known
        return known[1]


@dataclass(frozen=True)
class _Record:
    """What is kept of a transformed clip besides its samples."""

    features: npt.NDArray[np.float32]
    seconds: float
    checks: dict[str, float]

    @classmethod
    def from_entry(cls, entry: Arrays | None) -> _Record | None:
        if entry is None:
            return None
        names = [str(name) for name in entry["names"]]
        values = [float(value) for value in np.asarray(entry["values"], dtype=np.float64)]
        return cls(
            np.asarray(entry["features"], dtype=np.float32),
            float(np.asarray(entry["seconds"], dtype=np.float64)),
            dict(zip(names, values)),
        )


@dataclass(frozen=True)
class _RenderTask:
    """Decodes, transforms and stores a block of clips; runs in a thread, process or cluster."""

    corpus: Corpus
    condition: Transform
    seed: int
    store: Store

    def __call__(self, block: Sequence[tuple[int, str]]) -> list[tuple[int, Arrays]]:
        done: list[tuple[int, Arrays]] = []
        with self.store.lock(block[0][1]):
            for i, key in block:
                entry: Arrays | None = self.store.get("features", key)  # by another process, maybe
                if entry is None:
                    _, entry = self.render(i, key)
                done.append((i, entry))
        return done

    def render(self, index: int, key: str) -> tuple[Arrays, Arrays]:
        """Transform one clip and store its samples and features."""
        original = self.corpus[index]
        transformed = self.condition.apply_checked(original, seed=self.seed)
        clip = transformed.clip
        checks = {**transformed.checks, UNCHANGED: float(_is_same_audio(clip, original))}
        window = clip.with_samples(clip.window(self.corpus.window_seconds))
        samples: Arrays = {"samples": clip.samples}
        features: Arrays = {
            "features": audio_features(window),
            "seconds": np.array(clip.seconds),
            "names": np.array(list(checks), dtype=str),
            "values": np.array(list(checks.values()), dtype=np.float64),
        }
        if not isinstance(self.condition, Identity):
            self.store.put("clips", key, samples)
        self.store.put("features", key, features)
        return samples, features


@dataclass(frozen=True)
class _Space:
    """The distances of a space, and where values derived of them are kept."""

    name: str
    key: str
    store: Store
    distances: Distances
    #: Of two originals, by position.
    apart: Callable[[int, int], float]


@dataclass(frozen=True)
class _RowBlocks:
    """Distances of which a block of rows is read or computed at a time."""

    blocks: Sequence[Callable[[], Matrix]]
    shape: tuple[int, int]

    def __iter__(self) -> Iterator[Matrix]:
        return (block() for block in self.blocks)


@dataclass(frozen=True)
class _Subject:
    """How an encoder is known to the store."""

    fingerprint: str | None
    identity: str


class _Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed


def _is_same_audio(clip: Clip, original: Clip) -> bool:
    """Tell whether a clip came back as it was, but for a gain that loudness restoration undid."""
    if clip.samples.shape != original.samples.shape:
        return False
    tolerance = UNCHANGED_TOLERANCE * float(np.abs(original.samples).max())
    return bool(np.abs(clip.samples - original.samples).max() <= tolerance)


def _one_ahead(load: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Yield what is loaded for each item, while the next is being loaded already."""
    with ThreadPoolExecutor(1) as pool:
        coming: Future[U] | None = None
        for item in items:
            loaded, coming = coming, pool.submit(load, item)
            if loaded is not None:
                yield loaded.result()
        if coming is not None:
            yield coming.result()


#: Draws witnesses, other ones in each run, so that runs together see more than one does.
_ANY_CLIPS = np.random.default_rng()


def witnesses_among(
    clips: int, share: float = WITNESS_SHARE, missed: float = WITNESS_MISSED
) -> int:
    """Return how many clips are encoded again to see that stored embeddings hold.

    Drawn without replacement, they miss a change that moves a share of the clips with a
    probability of at most `missed` (hypergeometric): 59 of very many, 46 of 134, 19 of 20.
    """
    moved = max(1, math.ceil(share * clips))
    passed = 1.0
    for drawn in range(clips):
        passed *= max(0, clips - moved - drawn) / (clips - drawn)
        if passed <= missed:
            return drawn + 1
    return clips


def _once() -> str:
    """Return a name that nothing else has: of what is known for one measurement only."""
    return secrets.token_hex(16)


def _rate_of(rows: Exemplars) -> dict[str, Any]:
    right = int((~rows.errors).sum())
    ci = consistency.wilson_interval(right, len(rows.errors))
    return {"value": right / len(rows.errors), "ci": list(ci)}


def _same_embeddings(
    fresh: npt.NDArray[np.float32], stored: Sequence[npt.NDArray[np.generic]]
) -> bool:
    """Tell whether embeddings are the same but for rounding, against the spread among them."""
    if any(old.shape != fresh.shape[1:] for old in stored):
        return False
    kept = np.stack(stored).astype(np.float64)
    spread = float(np.linalg.norm(kept - kept[0], axis=1).max())
    scale = spread if spread > 0.0 else float(np.linalg.norm(kept[0]))
    return float(np.linalg.norm(fresh - kept, axis=1).max()) <= WITNESS_TOLERANCE * scale
