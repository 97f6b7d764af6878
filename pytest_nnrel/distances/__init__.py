"""Distances by name: between sequences of MFCC frames (audio space), and between embeddings.

One call takes N queries and M candidates and returns an (N, M) matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from pytest_nnrel.distances.alignment import SIMPLE_WINDOW, align
from pytest_nnrel.distances.mfcc import audio_features
from pytest_nnrel.errors import DistanceError, SettingError
from pytest_nnrel.runtime.devices import CPU, torch_device
from pytest_nnrel.runtime.versions import library_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.runtime.tasks import Progress

    Matrix = npt.NDArray[np.float64]

__all__ = [
    "SIMPLE_WINDOW",
    "Distance",
    "audio_features",
    "companions",
    "distance_recipe",
    "pairwise_distances",
    "pairwise_together",
    "register_distance",
    "resolve_distance",
]

Space = Literal["audio", "latent"]
Metric: TypeAlias = "str | Distance | Callable[..., Any]"

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
        ``fn(queries, candidates, how) -> {name: float64[n, m]}``: the distance, and those that
        come with it.
    version : str or None
        Part of cache keys; None where behaviour cannot be told from a name.
    subject : object
        The user's function, by which a run knows a distance without a version again.
    family : str or None
        Distances of one family are computed in one pass.
    """

    name: str
    space: Space
    fn: Callable[[Any, Any, _How], dict[str, Any]]
    version: str | None
    subject: object = None
    family: str | None = None


@dataclass(frozen=True)
class _How:
    """How distances are computed: what decides their speed, and not their values."""

    jobs: int | None
    device: str
    progress: Progress | None


_REGISTRY: dict[str, Distance] = {}


def register_distance(
    name: str,
    fn: Callable[[Any, Any], Any],
    *,
    space: Space,
    version: str | None = None,
) -> None:
    """Make a distance known by a name. Again in the same words, it stays as it is.

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
        If the name is that of another distance, the space unknown, or `fn` not callable.
    """
    if space not in ("audio", "latent"):
        raise DistanceError(f"space must be 'audio' or 'latent', not {space!r}")
    if not callable(fn):
        raise DistanceError(f"the distance {name!r} must be callable, not {fn!r}")
    known = _REGISTRY.get(name)
    if known is not None:
        # As where two conftest files import what registers it.
        if known.subject == fn and (known.space, known.version) == (space, version):
            return
        raise DistanceError(
            f"a distance named {name!r} is registered already, in {known.space} space, version"
            f" {known.version!r}; take another name"
        )
    _REGISTRY[name] = Distance(name, space, _alone(name, fn), version, fn)


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
        return Distance(name, space or "latent", _alone(name, metric), None, metric)
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
        ``"cpu"``, or a torch device such as ``"cuda"`` for the built-in distances but
        ``"fastdtw"``: the same numbers to 1e-5, and the same nearest candidates.

    Returns
    -------
    float64[n, m]

    Raises
    ------
    DistanceError
        For empty sets, wrong shapes, NaN frames, sequences too short for SiMPle (named by
        position), an unknown metric or device, or a callable that returns no (n, m) matrix.
    """
    distance = resolve_distance(metric)
    if callable(metric) and not _is_matrix(queries):
        distance = replace(distance, space="audio")
    return pairwise_together(queries, candidates, distance, jobs=jobs, device=device)[distance.name]


def pairwise_together(
    queries: Sequence[npt.NDArray[Any]] | npt.NDArray[Any],
    candidates: Sequence[npt.NDArray[Any]] | npt.NDArray[Any],
    distance: Distance,
    *,
    jobs: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Matrix]:
    """Return a distance, and those that its computation yields besides, by name.

    Parameters
    ----------
    queries, candidates, jobs, device
        As in `pairwise_distances`.
    distance : Distance
    progress : callable, optional
        See `run_tasks`.

    Returns
    -------
    dict of str to float64[n, m]
        Of `companions`, those that the sequences are long enough for.
    """
    from pytest_nnrel.runtime import settings

    if device != CPU:
        try:
            torch_device(device)
        except SettingError as error:
            raise DistanceError(str(error)) from error
    prepare = _as_sequences if distance.space == "audio" else _as_vectors
    left, right = prepare(queries, "queries"), prepare(candidates, "candidates")
    widths = left[0].shape[-1], right[0].shape[-1]
    if widths[0] != widths[1]:
        raise DistanceError(
            f"queries have {widths[0]} dimensions, candidates {widths[1]}; give both of one space"
        )
    how = _How(settings.active().jobs if jobs is None else jobs, device, progress)
    together = {}
    for name, values in distance.fn(left, right, how).items():
        out = np.asarray(values)
        if out.shape != (len(left), len(right)) or out.dtype.kind not in "fiu":
            raise DistanceError(
                f"distance {name!r} must return a float matrix of shape"
                f" ({len(left)}, {len(right)}), not {out.dtype}{list(out.shape)}"
            )
        together[name] = out.astype(np.float64, copy=False)
    if distance.name not in together:
        _raise_too_short(left, right)
    return together


def companions(distance: Distance) -> tuple[Distance, ...]:
    """Return the distances that are computed in one pass with this one, itself among them."""
    if distance.family is None:
        return (distance,)
    return tuple(other for other in _REGISTRY.values() if other.family == distance.family)


def _alone(name: str, fn: Callable[[Any, Any], Any]) -> Callable[[Any, Any, _How], dict[str, Any]]:
    return lambda queries, candidates, how: {name: fn(queries, candidates)}


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
            raise DistanceError(f"{what}[{i}] holds NaN or infinite frames; give finite ones")
    return sequences


def _as_vectors(values: Any, what: str) -> Matrix:  # noqa: ANN401
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DistanceError(
            f"{what} must be embeddings of shape (n, d), not empty, not {list(matrix.shape)}"
        )
    return matrix


def _aligned(queries: Any, candidates: Any, how: _How) -> dict[str, Matrix]:  # noqa: ANN401
    return align(queries, candidates, jobs=how.jobs, device=how.device, progress=how.progress)


def _raise_too_short(queries: Any, candidates: Any) -> None:  # noqa: ANN401
    for what, sequences in (("queries", queries), ("candidates", candidates)):
        for i, sequence in enumerate(sequences):
            if len(sequence) < SIMPLE_WINDOW:
                raise DistanceError(
                    f"{what}[{i}] has {len(sequence)} frames, fewer than SiMPle's window of"
                    f" {SIMPLE_WINDOW} (1.2 s); use longer windows, or 'dtw'",
                    i,
                )


def _fastdtw(queries: Any, candidates: Any, how: _How) -> dict[str, Matrix]:  # noqa: ANN401
    try:
        import fastdtw  # noqa: F401
    except ImportError as error:
        raise DistanceError(
            'the distance "fastdtw" needs the fastdtw package: pip install "pytest-nnrel[paper]"'
        ) from error
    from joblib import Parallel, delayed

    # Python alone: threads would wait for each other.
    rows = Parallel(n_jobs=how.jobs, return_as="generator")(
        delayed(_fastdtw_row)(query, candidates) for query in queries
    )
    shown = rows if how.progress is None else how.progress(rows, len(queries))
    return {"fastdtw": np.array(list(shown), dtype=np.float64)}


def _fastdtw_row(
    query: npt.NDArray[np.float32], candidates: list[npt.NDArray[np.float32]]
) -> list[float]:
    from fastdtw import fastdtw
    from scipy.spatial.distance import euclidean

    return [
        float(fastdtw(query, candidate, radius=_FASTDTW_RADIUS, dist=euclidean)[0])
        for candidate in candidates
    ]


def _euclidean(queries: Matrix, candidates: Matrix, how: _How) -> dict[str, Matrix]:
    return {"euclidean": _straight(queries, candidates, how)}


def _cosine(queries: Matrix, candidates: Matrix, how: _How) -> dict[str, Matrix]:
    """Return 1 - cos, as half the squared chord of the unit vectors, which does not cancel.

    NaN for zero vectors, which have no direction.
    """
    with np.errstate(invalid="ignore"):
        left, right = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, candidates))
    chords = np.square(_straight(left, right, how))
    return {"cosine": np.where(chords < _COLLINEAR, 0.0, 0.5 * chords)}


def _straight(queries: Matrix, candidates: Matrix, how: _How) -> Matrix:
    """Return Euclidean distances in float64, from differences."""
    if how.device != CPU:
        from pytest_nnrel.distances.on_device import euclidean

        return euclidean(queries, candidates, torch_device(how.device))
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(queries, candidates, "euclidean"), dtype=np.float64)


def distance_recipe(distance: Distance) -> str | None:
    """Return what decides a distance's values besides its input; None where it is not known."""
    if distance.name == "fastdtw" and distance.version is not None:
        return f"{distance.version} {library_version('fastdtw')}"
    return distance.version


for _distance in (
    Distance("dtw", "audio", _aligned, "2", family="alignment"),
    Distance("simple", "audio", _aligned, "2", family="alignment"),
    Distance("fastdtw", "audio", _fastdtw, "1"),
    Distance("euclidean", "latent", _euclidean, "1"),
    Distance("cosine", "latent", _cosine, "2"),
):
    _REGISTRY[_distance.name] = _distance
