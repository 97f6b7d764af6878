"""What a distance is; to define one is to have it by its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from pytest_nnrel.errors import DistanceError
from pytest_nnrel.runtime.registry import Registry, home_of, is_abstract, undeclared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from pytest_nnrel.runtime.tasks import Progress

    Matrix = npt.NDArray[np.float64]

Space = Literal["audio", "latent"]
SPACES: tuple[str, ...] = get_args(Space)


@dataclass(frozen=True)
class Execution:
    """What decides how fast distances are computed, and not their values.

    Attributes
    ----------
    jobs : int or None
        Tasks side by side.
    device : str
        ``"cpu"``, or a torch device, which a distance may use.
    progress : callable or None
        See `run_tasks`.
    folder : Path or None
        Where tasks in other processes find what they have in common.
    own : sequence of int or None
        Of each query, the candidate that others are compared with: where a distance is computed
        coarsely at first, what is as near as that one deserves a second look.
    """

    jobs: int | None
    device: str
    progress: Progress | None
    folder: Path | None = None
    own: Sequence[int] | None = None


class Distance(ABC):
    """A distance that is known by a name.

    A subclass declares `name` and `space`, and has a `between`. The first line of its docstring is
    what the documentation says of it. To define it is to register it: calls take it by its name
    from then on. `register_distance` does the same for a function.

    Raises
    ------
    DistanceError
        When a class is defined that declares something wrongly, or whose name is taken.
    """

    #: What calls name it by.
    name: str
    #: Whether it compares sequences of frames, ``"audio"``, or embeddings, ``"latent"``.
    space: Space
    #: A text, changed whenever it gives other values and its code does not show it. Without one,
    #: results are kept for the run only.
    version: str | None = None
    #: Whether a query is as far from a candidate as that candidate is from that query.
    symmetric: bool = True
    #: Whether it is 0 between equals, and more between all others.
    reflexive: bool = True
    #: Those that one computation gives, itself among them; none where it is computed alone.
    companions: tuple[str, ...] = ()
    #: Euclidean distances of `points` below which it may be 0.
    grain: float = 0.0
    #: Whether it is known to leave what it is given as it is; others are given copies.
    leaves_input: bool = False

    def __init_subclass__(cls, *, registered: bool = True, **options: Any) -> None:  # noqa: ANN401
        super().__init_subclass__(**options)
        if {"between", "together"} & vars(cls).keys():
            # What is known of a distance says nothing of one that is computed otherwise.
            if "points" not in vars(cls):
                cls.points = Distance.points  # type: ignore[method-assign]
            if "leaves_input" not in vars(cls):
                cls.leaves_input = Distance.leaves_input
        if registered and not is_abstract(cls):  # else shared by distances
            _register(cls)

    @abstractmethod
    def between(self, queries: Any, candidates: Any, execution: Execution) -> Any:  # noqa: ANN401
        """Return the distance of every query to every candidate.

        Parameters
        ----------
        queries, candidates : lists of float32[frames, 24], or float64[n, d] and float64[m, d]
            Of audio, or of embeddings. Frames are finite.
        execution : Execution

        Returns
        -------
        float[n, m]
            NaN where it is not defined.
        """

    def together(
        self,
        queries: Any,  # noqa: ANN401
        candidates: Any,  # noqa: ANN401
        execution: Execution,
    ) -> Mapping[str, Any]:
        """Return what one computation gives, float[n, m] by name: `between`, and companions'.

        Parameters
        ----------
        queries, candidates, execution
            As in `between`.
        """
        return {self.name: self.between(queries, candidates, execution)}

    def points(self) -> Callable[[Matrix], Matrix] | None:
        """Return what makes vectors with whose Euclidean distance it grows; None where not known.

        With them the nearest of many originals are found without all distances. A class that
        computes the distance otherwise than the one that it extends has to give its own.

        Returns
        -------
        callable or None
            Of embeddings, float64[n, d], returns float64[n, k]: each row the same, whatever others
            it is asked for with.
        """
        return None

    def missing(self) -> str:
        """Return what must be installed first, and how; empty where nothing must be."""
        return ""

    def recipe(self) -> str | None:
        """Return what decides its values besides its input and code; None where it is not known."""
        return self.version

    @property
    def subject(self) -> object:
        """What is looked at to tell whether it does what it did."""
        return self

    def is_again(self, known: Distance) -> bool:
        """Tell whether this is a known one, defined again as in a notebook."""
        return home_of(self) == home_of(known)


class FunctionDistance(Distance, registered=False):
    """A distance made of a function of queries and candidates.

    Parameters
    ----------
    name : str
    fn : callable
    space : {"audio", "latent"}
    version : str, optional
        Where it has one.
    """

    def __init__(
        self, name: str, fn: Callable[..., Any], space: Space, version: str | None = None
    ) -> None:
        self.name = name
        self.space = space
        self.version = version
        self._fn = fn

    def between(self, queries: Any, candidates: Any, execution: Execution) -> Any:  # noqa: ANN401
        return self._fn(queries, candidates)

    @property
    def subject(self) -> object:
        return self._fn

    def is_again(self, known: Distance) -> bool:
        # As where two conftest files import what registers it.
        return known.subject == self._fn and (known.space, known.version) == (
            self.space,
            self.version,
        )


Metric: TypeAlias = "str | Distance | Callable[..., Any]"

DISTANCES: Registry[Distance] = Registry("distances", "pytest_nnrel.distances", DistanceError)


def distances() -> dict[str, Distance]:
    """Return all distances by name, sorted, those of audio first.

    Raises
    ------
    DistanceError
        If an installed package declares distances that cannot be loaded.
    """
    known = sorted(DISTANCES.all().items(), key=lambda named: (named[1].space, named[0]))
    return dict(known)


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
    if not callable(fn):
        raise DistanceError(f"the distance {name!r} must be callable, not {fn!r}")
    _know(FunctionDistance(name, fn, space, version))


def _register(cls: type[Distance]) -> None:
    where = f"{cls.__module__}.{cls.__qualname__}"
    texts = {"name": "what calls name it by", "space": "'audio' or 'latent'"}
    if problem := undeclared(cls, "a distance", texts):
        raise DistanceError(f"{where}: {problem}")
    try:
        distance = cls()
    except TypeError as error:
        raise DistanceError(
            f"{where}: a distance is made without arguments ({error}); for others, define a class"
            " each, or use register_distance"
        ) from error
    if distance.companions and distance.name not in distance.companions:
        raise DistanceError(f"{where}: companions must list {distance.name!r} itself, too")
    _know(distance)


def _know(distance: Distance) -> None:
    if not isinstance(distance.name, str) or not distance.name.strip():
        raise DistanceError(f"the name of a distance must be a text, not {distance.name!r}")
    if distance.space not in SPACES:
        raise DistanceError(f"space must be 'audio' or 'latent', not {distance.space!r}")
    known = DISTANCES.so_far().get(distance.name)
    if known is not None and not distance.is_again(known):
        raise DistanceError(
            f"a distance named {distance.name!r} is registered already, in {known.space} space,"
            f" version {known.version!r}; take another name"
        )
    DISTANCES.add(distance.name, distance)


def resolve_distance(metric: Metric, space: Space | None = None) -> Distance:
    """Return the distance that a name or callable stands for.

    Raises
    ------
    DistanceError
        If no distance of that name exists, it belongs to the other space, or is a class.
    """
    if isinstance(metric, Distance):
        return metric
    if isinstance(metric, type):
        raise DistanceError(f"{metric.__name__} is a class; pass an instance of it, or its name")
    if callable(metric):
        name = getattr(metric, "__name__", type(metric).__name__)
        return FunctionDistance(name, metric, space or "latent")
    distance = DISTANCES.named(metric) if isinstance(metric, str) else None
    if distance is None or (space is not None and distance.space != space):
        known = sorted(n for n, d in DISTANCES.all().items() if space in (None, d.space))
        kind = f"{space} distance" if space else "distance"
        raise DistanceError(
            f"no {kind} is called {metric!r}; there are {', '.join(known)}, and register_distance"
            " for your own"
        )
    return distance
