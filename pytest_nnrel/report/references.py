"""Curves of the reference encoders, to see an encoder's own against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_nnrel.errors import ResultsError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@dataclass(frozen=True)
class References:
    """C_W of reference encoders on one corpus.

    Attributes
    ----------
    corpus : str
    clips : int
    fingerprint : str
        Of the corpus: C_W depends on the clips, so that curves are of use on no others.
    points : dict of str to dict of str to list
        By family, then by the encoder's label: severity, magnitude, value, low and high.
    """

    corpus: str
    clips: int
    fingerprint: str
    points: dict[str, dict[str, list[tuple[float, float, float, float, float]]]]

    def of(self, fingerprint: str, family: str) -> dict[str, list[tuple[float, ...]]]:
        """Return the curves of a family, by label; none for another corpus."""
        if fingerprint != self.fingerprint:
            return {}
        return {label: list(points) for label, points in self.points.get(family, {}).items()}


def bundled_curves() -> Traversable:
    """Return where the package has the curves of the reference encoders, if it has them."""
    return resources.files("pytest_nnrel").joinpath("data", "reference_curves.json")


def load_references(file: Traversable) -> References | None:
    """Read curves of reference encoders.

    Parameters
    ----------
    file : Path or Traversable

    Returns
    -------
    References or None
        None where there is no such file.

    Raises
    ------
    ResultsError
        If the file holds something else.
    """
    if not file.is_file():
        return None
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        corpus = plain["corpus"]
        return References(
            corpus["name"], corpus["n"], corpus["fingerprint"], _by_family(plain["encoders"])
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(
            f"{file} holds no curves of reference encoders ({type(error).__name__}: {error});"
            " install the package again"
        ) from error


def _by_family(encoders: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {}
    for encoder in encoders.values():
        for point in encoder["points"]:
            found.setdefault(point["family"], {}).setdefault(encoder["label"], []).append(
                tuple(
                    float(point[name])
                    for name in ("severity", "magnitude", "within", "low", "high")
                )
            )
    return found
