"""N queries and M candidates to an (N, M) matrix, by whatever distance."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.distances.distance import Execution, resolve_distance
from pytest_nnrel.errors import DistanceError, NNRelError, SettingError
from pytest_nnrel.runtime.devices import CPU, torch_device
from pytest_nnrel.runtime.tensors import to_numpy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized
    from pathlib import Path

    import numpy.typing as npt

    from pytest_nnrel.distances.distance import Distance, Matrix, Metric
    from pytest_nnrel.runtime.tasks import Progress


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
        package, as the paper called it), ``"euclidean"``, ``"cosine"``, another name of the table
        above, a registered one, or a callable as `register_distance` takes it.
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
        position), an unknown metric or device, a package that is missing, or a callable that
        raises, or returns no (n, m) matrix.
    """
    if callable(metric):
        distance = resolve_distance(metric, "latent" if _is_matrix(queries) else "audio")
    else:
        distance = resolve_distance(metric)
    return pairwise_together(queries, candidates, distance, jobs=jobs, device=device)[distance.name]


def pairwise_together(
    queries: Sequence[npt.NDArray[Any]] | npt.NDArray[Any],
    candidates: Sequence[npt.NDArray[Any]] | npt.NDArray[Any],
    distance: Distance,
    *,
    jobs: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    folder: Path | None = None,
    own: Sequence[int] | None = None,
) -> dict[str, Matrix]:
    """Return a distance, and those that its computation yields besides, by name.

    Parameters
    ----------
    queries, candidates, jobs, device
        As in `pairwise_distances`.
    distance : Distance
    progress : callable, optional
        See `run_tasks`.
    folder : Path, optional
        Where tasks in other processes find the candidates; sent with each task where omitted.
    own : sequence of int, optional
        Of each query, the candidate that others are compared with.

    Returns
    -------
    dict of str to float64[n, m]
        Of `companions`, those that the sequences are long enough for.
    """
    from pytest_nnrel.runtime import settings

    if missing := distance.missing():
        raise DistanceError(f"the distance {distance.name!r} needs {missing}")
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
    if not distance.leaves_input:  # and others go on with it, and store what they make of it
        left, right = copy.deepcopy((left, right))
    jobs = settings.active().jobs if jobs is None else jobs
    execution = Execution(jobs, device, progress, folder, own)
    with raising_told(distance, left, right):
        computed = distance.together(left, right, execution)
    together = {}
    for name, values in computed.items():
        wanted = (
            f"distance {name!r} must return a float matrix of shape ({len(left)}, {len(right)})"
        )
        out = to_numpy(values, wanted, DistanceError)
        if out.shape != (len(left), len(right)) or out.dtype.kind not in "fiu":
            raise DistanceError(f"{wanted}, not {out.dtype}{list(out.shape)}")
        together[name] = out.astype(np.float64, copy=False)
    return together


@contextmanager
def raising_told(distance: Distance, queries: Sized, candidates: Sized) -> Iterator[None]:
    """Tell which distance it was that raised, and on what.

    Raises
    ------
    DistanceError
        Of what is not raised by this package.
    """
    try:
        yield
    except NNRelError:
        raise
    except Exception as error:
        raise DistanceError(
            f"distance {distance.name!r} raised {type(error).__name__} on {len(queries)} queries"
            f" and {len(candidates)} candidates: {error}"
        ) from error


def companions(distance: Distance) -> tuple[Distance, ...]:
    """Return the distances that are computed in one pass with this one, itself among them."""
    return tuple(resolve_distance(name) for name in distance.companions) or (distance,)


def _is_matrix(values: Any) -> bool:  # noqa: ANN401
    return isinstance(values, np.ndarray) and values.ndim == 2


def _listed(values: Any, what: str) -> list[Any]:  # noqa: ANN401
    try:
        return list(values)
    except TypeError:
        raise DistanceError(
            f"{what} must be a list of sequences float32[frames, d], not {values!r}"
        ) from None


def _numbers(value: Any, what: str, dtype: type[np.floating[Any]] = np.float32) -> Any:  # noqa: ANN401
    try:
        return np.asarray(value, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise DistanceError(f"{what} must hold numbers, as many in each row: {error}") from error


def _as_sequences(values: Any, what: str) -> list[npt.NDArray[np.float32]]:  # noqa: ANN401
    sequences = [_numbers(v, f"{what}[{i}]") for i, v in enumerate(_listed(values, what))]
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
    matrix: Matrix = _numbers(values, what, np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DistanceError(
            f"{what} must be embeddings of shape (n, d), not empty, not {list(matrix.shape)}"
        )
    return matrix
