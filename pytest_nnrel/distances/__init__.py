"""Distances by name: between sequences of MFCC frames (audio space), and between embeddings.

One call takes N queries and M candidates and returns an (N, M) matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pytest_nnrel.distances.mfcc import audio_features
from pytest_nnrel.errors import DistanceError
from pytest_nnrel.versions import library_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]

__all__ = [
    "SIMPLE_WINDOW",
    "Distance",
    "audio_features",
    "distance_recipe",
    "pairwise_distances",
    "register_distance",
    "resolve_distance",
]

Space = Literal["audio", "latent"]
Metric: TypeAlias = "str | Distance | Callable[..., Any]"

#: Window of SiMPle in frames (Silva et al. 2016; the paper's section 3.2): 1.16 s.
SIMPLE_WINDOW = 50
#: FastDTW's neighbourhood as the paper's authors call it.
_FASTDTW_RADIUS = 1
#: Squared chords of unit vectors below this are rounding: the vectors are collinear.
_COLLINEAR = 1e-24


@dataclass(frozen=True)
class Distance:
    """A named distance.

    Parameters
    ----------
    name : str
    space : {"audio", "latent"}
        Whether it compares sequences of frames or embeddings.
    fn : callable
        ``fn(queries, candidates, jobs) -> float64[n, m]``.
    version : str or None
        Part of cache keys; None where behaviour cannot be told from a name.
    subject : object
        The user's function, by which a run knows a distance without a version again.
    """

    name: str
    space: Space
    fn: Callable[[Any, Any, int | None], Any]
    version: str | None
    subject: object = None


_REGISTRY: dict[str, Distance] = {}


def register_distance(
    name: str,
    fn: Callable[[Any, Any], Any],
    *,
    space: Space,
    version: str | None = None,
) -> None:
    """Make a distance known by a name.

    Parameters
    ----------
    name : str
    fn : callable
        ``fn(queries, candidates) -> float[n, m]``. Audio distances get two lists of
        ``float32[frames, 24]``, latent ones ``float64[n, d]`` and ``float64[m, d]``.
    space : {"audio", "latent"}
    version : str, optional
        Changed whenever `fn` does what it did not do before. Without it, results are kept for the
        run only.

    Raises
    ------
    DistanceError
        If the name is taken, the space unknown, or `fn` not callable.
    """
    if name in _REGISTRY:
        raise DistanceError(f"a distance named {name!r} is registered already; take another name")
    if space not in ("audio", "latent"):
        raise DistanceError(f"space must be 'audio' or 'latent', not {space!r}")
    if not callable(fn):
        raise DistanceError(f"the distance {name!r} must be callable, not {fn!r}")
    _REGISTRY[name] = Distance(name, space, _without_jobs(fn), version, fn)


def resolve_distance(metric: Metric, space: Space | None = None) -> Distance:
    """Return the distance that a name or callable stands for.

    Raises
    ------
    DistanceError
        If no distance of that name exists, or it belongs to the other space.
    """
    if isinstance(metric, Distance):
        return metric
    if callable(metric):
        name = getattr(metric, "__name__", type(metric).__name__)
        return Distance(name, space or "latent", _without_jobs(metric), None, metric)
    distance = _REGISTRY.get(metric)
    if distance is None or (space is not None and distance.space != space):
        known = sorted(n for n, d in _REGISTRY.items() if space in (None, d.space))
        kind = f"{space} distance" if space else "distance"
        raise DistanceError(
            f"no {kind} is called {metric!r}; there are {', '.join(known)}, and register_distance"
            " for your own"
        )
    return distance


def pairwise_distances(
    queries: Sequence[npt.NDArray[Any]] | npt.NDArray[Any],
    candidates: Sequence[npt.NDArray[Any]] | npt.NDArray[Any],
    metric: Metric = "dtw",
    *,
    jobs: int | None = None,
    device: str = "cpu",
) -> Matrix:
    """Return the distance of every query to every candidate.

    Parameters
    ----------
    queries, candidates : sequences of float32[frames, d], or float[n, d]
        For audio distances, sequences of any length; for latent ones, embeddings.
    metric : str or callable
        ``"dtw"`` (exact), ``"simple"`` (of query to candidate; asymmetric), ``"fastdtw"`` (the
        package, as the paper called it), ``"euclidean"``, ``"cosine"``, a registered name, or a
        callable as `register_distance` takes it.
    jobs : int, optional
        Threads; the run's where omitted.
    device : str
        ``"cpu"``; no other back end exists yet.

    Returns
    -------
    float64[n, m]

    Raises
    ------
    DistanceError
        For empty sets, wrong shapes, NaN frames, sequences too short for SiMPle (named by
        position), an unknown metric or device, or a callable that returns no (n, m) matrix.
    """
    if device != "cpu":
        raise DistanceError(f"distances run on the CPU; device={device!r} is not supported")
    distance = resolve_distance(metric)
    if callable(metric) and not _is_matrix(queries):
        distance = replace(distance, space="audio")
    prepare = _as_sequences if distance.space == "audio" else _as_vectors
    left, right = prepare(queries, "queries"), prepare(candidates, "candidates")
    out = np.asarray(distance.fn(left, right, jobs))
    if out.shape != (len(left), len(right)) or out.dtype.kind not in "fiu":
        raise DistanceError(
            f"distance {distance.name!r} must return a float matrix of shape"
            f" ({len(left)}, {len(right)}), not {out.dtype}{list(out.shape)}"
        )
    return out.astype(np.float64)


def _without_jobs(fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any, int | None], Any]:
    return lambda queries, candidates, jobs: fn(queries, candidates)


def _is_matrix(values: Any) -> bool:  # noqa: ANN401
    return isinstance(values, np.ndarray) and values.ndim == 2


def _as_sequences(values: Any, what: str) -> list[npt.NDArray[np.float32]]:  # noqa: ANN401
    sequences = [np.asarray(value, dtype=np.float32) for value in values]
    if not sequences:
        raise DistanceError(f"{what} are empty; a distance needs at least one sequence")
    width = sequences[0].shape[-1] if sequences[0].ndim else 0
    for i, sequence in enumerate(sequences):
        if sequence.ndim != 2 or sequence.shape[0] == 0 or sequence.shape[1] != width:
            raise DistanceError(
                f"{what}[{i}] must be frames of shape (frames, {width}), at least one, not"
                f" {list(sequence.shape)}"
            )
        if not np.isfinite(sequence).all():
            raise DistanceError(f"{what}[{i}] holds NaN or infinite frames")
    return sequences


def _as_vectors(values: Any, what: str) -> Matrix:  # noqa: ANN401
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DistanceError(
            f"{what} must be embeddings of shape (n, d), not empty, not {list(matrix.shape)}"
        )
    return matrix


def _by_rows(
    kernel: Callable[..., None],
    queries: list[npt.NDArray[np.float32]],
    candidates: list[npt.NDArray[np.float32]],
    jobs: int | None,
    *parameters: int,
) -> Matrix:
    """Run a kernel of `alignment` for every query, in threads: the kernels release the GIL."""
    from joblib import Parallel, delayed

    from pytest_nnrel import settings

    if queries[0].shape[1] != candidates[0].shape[1]:
        raise DistanceError(
            f"queries have {queries[0].shape[1]} dimensions, candidates {candidates[0].shape[1]}"
        )
    first = np.cumsum([0, *(len(candidate) for candidate in candidates)], dtype=np.int64)
    packed = np.ascontiguousarray(np.concatenate(candidates).T, dtype=np.float64)
    out = np.empty((len(queries), len(candidates)))

    def run(i: int) -> None:
        query = np.ascontiguousarray(queries[i].T, dtype=np.float64)
        kernel(query, packed, first, *parameters, out[i])

    n_jobs = settings.active().jobs if jobs is None else jobs
    Parallel(n_jobs=n_jobs, backend="threading")(delayed(run)(i) for i in range(len(queries)))
    return out


def _dtw(queries: Any, candidates: Any, jobs: int | None) -> Matrix:  # noqa: ANN401
    from pytest_nnrel.distances.alignment import dtw_row

    return _by_rows(dtw_row, queries, candidates, jobs)


def _simple(queries: Any, candidates: Any, jobs: int | None) -> Matrix:  # noqa: ANN401
    from pytest_nnrel.distances.alignment import simple_row

    for what, sequences in (("queries", queries), ("candidates", candidates)):
        for i, sequence in enumerate(sequences):
            if len(sequence) < SIMPLE_WINDOW:
                raise DistanceError(
                    f"{what}[{i}] has {len(sequence)} frames, fewer than SiMPle's window of"
                    f" {SIMPLE_WINDOW} (1.2 s); use longer windows, or 'dtw'"
                )
    return _by_rows(simple_row, queries, candidates, jobs, SIMPLE_WINDOW)


def _fastdtw(queries: Any, candidates: Any, jobs: int | None) -> Matrix:  # noqa: ANN401
    try:
        import fastdtw  # noqa: F401
    except ImportError as error:
        raise DistanceError(
            'the distance "fastdtw" needs the fastdtw package: pip install "pytest-nnrel[paper]"'
        ) from error
    from joblib import Parallel, delayed

    from pytest_nnrel import settings

    n_jobs = settings.active().jobs if jobs is None else jobs
    rows = Parallel(n_jobs=n_jobs)(delayed(_fastdtw_row)(query, candidates) for query in queries)
    return np.array(rows, dtype=np.float64)


def _fastdtw_row(
    query: npt.NDArray[np.float32], candidates: list[npt.NDArray[np.float32]]
) -> list[float]:
    from fastdtw import fastdtw
    from scipy.spatial.distance import euclidean

    return [
        float(fastdtw(query, candidate, radius=_FASTDTW_RADIUS, dist=euclidean)[0])
        for candidate in candidates
    ]


def _euclidean(queries: Matrix, candidates: Matrix, jobs: int | None) -> Matrix:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(queries, candidates, "euclidean"), dtype=np.float64)


def _cosine(queries: Matrix, candidates: Matrix, jobs: int | None) -> Matrix:
    """Return 1 - cos, as half the squared chord of the unit vectors, which does not cancel.

    NaN for zero vectors, which have no direction.
    """
    from scipy.spatial.distance import cdist

    with np.errstate(invalid="ignore"):
        left = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        right = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    chords = cdist(left, right, "sqeuclidean")
    return np.asarray(np.where(chords < _COLLINEAR, 0.0, 0.5 * chords), dtype=np.float64)


def distance_recipe(distance: Distance) -> str | None:
    """Return what decides a distance's values besides its input; None where it is not known."""
    if distance.name == "fastdtw" and distance.version is not None:
        return f"{distance.version} {library_version('fastdtw')}"
    return distance.version


for _name, _space, _fn in (
    ("dtw", "audio", _dtw),
    ("simple", "audio", _simple),
    ("fastdtw", "audio", _fastdtw),
    ("euclidean", "latent", _euclidean),
    ("cosine", "latent", _cosine),
):
    _REGISTRY[_name] = Distance(_name, _space, _fn, "1")  # type: ignore[arg-type]
