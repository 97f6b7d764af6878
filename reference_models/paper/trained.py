"""The trained networks of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_nnrel.runtime.listing import a_few
from reference_models import checkpoint
from reference_models.errors import ReproductionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reference_models.networks import TaskNetwork


@dataclass(frozen=True)
class Trained:
    """A trained network with what its card tells."""

    task: str
    encoder: str
    trial: int
    network: TaskNetwork
    card: dict[str, Any]

    @property
    def name(self) -> str:
        """The paper's name of its encoder, ``"at"``; ``"mfcc"`` where that is not trained."""
        return self.task if self.encoder == "vgg" else self.encoder

    def check_labels(self, labels: Sequence[str]) -> None:
        """Refuse to be scored by other labels than it was trained for.

        As many would be taken for those, such as the 50 tags of another dataset.

        Raises
        ------
        ReproductionError
            If its card tells of others.
        """
        learnt = list((self.card.get("data") or {}).get("labels", labels))
        if learnt != list(labels):
            raise ReproductionError(
                f"{self.task}, {self.encoder}, trial {self.trial} was trained for other labels"
                f" ({a_few(learnt, 3)}) than those of the test clips ({a_few(labels, 3)}); leave it"
                " out, or the part that scores it (--parts)"
            )


def trained_networks(folder: Path) -> list[Trained]:
    """Return the networks of all checkpoints in a folder and below, by task, encoder and trial.

    Raises
    ------
    ReproductionError
        If there are none, two of the same trial, or one whose card tells no trial.
    CheckpointError
        As in `reference_models.checkpoint.load_network`.
    """
    found: dict[tuple[str, str, int], Trained] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        network, card = checkpoint.load_network(path)
        try:
            key = card["task"], card["encoder"], int(card["recipe"]["trial"])
        except (KeyError, TypeError, ValueError) as error:
            raise ReproductionError(
                f"the card of {path} does not tell its trial, as that of a training does; train it"
                " again, or leave it out"
            ) from error
        if key in found:
            raise ReproductionError(
                f"{folder} has two checkpoints of {key[0]}, {key[1]}, trial {key[2]}, such as"
                f" {path}; name a folder with one of each"
            )
        found[key] = Trained(*key, network, card)
    if not found:
        raise ReproductionError(
            f"{folder} has no checkpoints; train some with python -m reference_models train"
        )
    return [found[key] for key in sorted(found)]
