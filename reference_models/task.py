"""What a task is; to define one is to have it: its networks are trained, scored and drawn.

Without torch, so that data can be read and built without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np

from pytest_nnrel.runtime.registry import ClassRegistry, import_modules
from pytest_nnrel.runtime.scalars import is_one_of
from reference_models.errors import CheckpointError, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_nnrel import Transform
    from reference_models.datasets.examples import Target, TaskData
    from reference_models.datasets.opencorpus import Entry, Stored
    from reference_models.evaluation import Score, Truth
    from reference_models.networks import AudioEmbedding, TaskNetwork

    Windows = NDArray[np.float32]

Network = TypeVar("Network", bound="TaskNetwork")

#: What a task's network is made on: the paper's encoder, or its baseline.
ENCODERS = ("vgg", "mfcc")


class Task(ABC, Generic[Network]):
    """What an encoder is trained for: network, loss, score, truth, and how it is drawn.

    A subclass declares the texts below, and has the abstract methods. The first line of its
    docstring says what it is. To define it is to register it: networks are built, trained and
    scored by its name from then on.

    Raises
    ------
    TaskError
        When a class is defined that declares something wrongly, or whose name is taken.
    """

    #: What commands and cards name it by.
    name: ClassVar[str]
    #: How readers know it.
    label: ClassVar[str]
    #: Of its curves, as ``#rrggbb``; on a dark page; and the marks on them, as matplotlib's.
    colour: ClassVar[str]
    colour_on_dark: ClassVar[str]
    marker: ClassVar[str]
    #: What its score is called, and how an axis has it.
    measure: ClassVar[str]
    axis: ClassVar[str]
    #: What a dataset must tell of its clips; see `reference_models.datasets.audiofiles.Provenance`.
    truth: ClassVar[str]
    #: Place among tasks, the smallest first.
    order: ClassVar[float] = 1000.0
    #: Whether the smaller score is the better one.
    smaller_is_better: ClassVar[bool] = False
    #: Whether its truth is transformed with the audio, which takes as long again.
    transforms_truth: ClassVar[bool] = False
    #: Arguments that `network` takes besides the embedding.
    of_head: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401
        super().__init_subclass__(**options)
        TASKS.define(cls)

    @abstractmethod
    def network(self, embedding: AudioEmbedding) -> Network:
        """Return an untrained network; what `of_head` names may be given besides.

        Parameters
        ----------
        embedding : AudioEmbedding
        """

    @abstractmethod
    def loss(self, network: Network, audio: Tensor, target: Tensor) -> Tensor:
        """Return what training makes small.

        Parameters
        ----------
        network : TaskNetwork
        audio : float[n, samples]
        target : Tensor
            Of the clips, one a row.

        Returns
        -------
        float[]
        """

    @abstractmethod
    def score(self, network: Network, audio: Windows, of_audio: Truth) -> Score:
        """Return how well a network does it.

        Parameters
        ----------
        network : TaskNetwork
            In evaluation mode.
        audio : float32[n, 44100]
        of_audio : Truth

        Raises
        ------
        UndefinedMeasureError
            If the measure is defined for none of the clips, or the network's output is not finite.
        """

    def score_without(self, network: Network, audio: Windows, of_audio: Truth) -> float | None:
        """Return the score that is got without a network; None where chance is known.

        Parameters
        ----------
        network, audio, of_audio
            As in `score`.
        """
        return None

    def true_of(
        self, data: TaskData, transform: Transform, indices: Sequence[int], *, seed: int = 0
    ) -> Truth:
        """Return what is true of `reference_models.evaluation.windows` of the same arguments.

        Parameters
        ----------
        data : TaskData
        transform : Transform
        indices : sequence of int
            Of the clips.
        seed : int
            Of the noise.
        """
        from reference_models.evaluation import Truth

        return Truth(np.stack([data[i].target for i in indices]))

    # Of the open corpus

    def labels(self) -> Sequence[str]:
        """Return the names of what it tells apart, in the order of targets; none by default."""
        return ()

    def serves(self, entry: Entry) -> bool:
        """Tell whether a clip of the open corpus is of use; by default rendered ones are."""
        return entry.instrument is not None

    @abstractmethod
    def target(self, entry: Entry, read: Callable[[Stored], Windows]) -> Target:
        """Return what is true of a clip of the open corpus.

        Parameters
        ----------
        entry : Entry
        read : callable
            Gives the samples of one of the clip's files, float32[samples].
        """


TASKS: ClassRegistry[Task[Any]] = ClassRegistry(
    "a task",
    "tasks",
    "pytest_nnrel_models.tasks",
    TaskError,
    texts={
        "name": "what commands and cards name it by",
        "label": "how readers know it",
        "colour": "of its curves",
        "colour_on_dark": "of its curves on a dark page",
        "marker": "of the points on its curves",
        "measure": "what its score is called",
        "axis": "how an axis has its score",
        "truth": "what a dataset must tell of its clips",
    },
)


def tasks() -> dict[str, Task[Any]]:
    """Return all tasks by name, in their order.

    Raises
    ------
    TaskError
        If an installed package declares tasks that cannot be loaded.
    """
    _find_own()
    return {name: task() for name, task in TASKS.in_order().items()}


@cache
def _find_own() -> None:
    from reference_models import tasks as own

    import_modules(own.__name__, own.__path__)


def task_named(name: str) -> Task[Any]:
    """Return the task of a name.

    Raises
    ------
    TaskError
        If there is none.
    """
    known = tasks()
    if not is_one_of(name, known):
        raise TaskError(f"there is no task {name!r}; there are {', '.join(known)}")
    return known[name]


def build(task: str, encoder: str = "vgg", **arguments: Any) -> TaskNetwork:  # noqa: ANN401
    """Return an untrained network.

    Parameters
    ----------
    task : str
        By name.
    encoder : {"vgg", "mfcc"}
    **arguments
        Of `VGGEncoder` or `MFCCEmbedding`, and those that the task's `Task.of_head` names.

    Raises
    ------
    CheckpointError
        If there is no such task or encoder, or they do not take these arguments.
    """
    from reference_models.networks import MFCCEmbedding, VGGEmbedding, VGGEncoder

    try:
        of_task = task_named(task)
    except TaskError as error:
        raise CheckpointError(str(error)) from error
    if encoder not in ENCODERS:
        raise CheckpointError(f"there is no encoder {encoder!r}; there are {', '.join(ENCODERS)}")
    of_head = {name: arguments.pop(name) for name in of_task.of_head if name in arguments}
    try:
        embedding: AudioEmbedding
        if encoder == "vgg":
            embedding = VGGEmbedding(VGGEncoder(**arguments))
        else:
            embedding = MFCCEmbedding(**arguments)
        network: TaskNetwork = of_task.network(embedding, **of_head)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"task {task!r}, encoder {encoder!r}: {error}") from error
    return network
