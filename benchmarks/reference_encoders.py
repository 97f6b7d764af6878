"""The reference encoders, and by what stored results of them are known again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from reference_models import checkpoint
from reference_models.paper.results import PAPER_TASKS

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nnrel import Corpus

#: All, the networks trained briefly and longer.
ENCODERS = (
    checkpoint.BASELINE,
    *(f"{task}{extent}" for task in PAPER_TASKS for extent in ("", "-long")),
)


def stored_on(corpus: Corpus, path: Path) -> dict[str, Any]:
    """Return what is stored of a corpus; nothing of encoders where it is of another one."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    told = {
        "corpus": corpus.fingerprint,
        "clips": len(corpus),
        "groups": len(set(corpus.groups)),
    }
    if {key: known.get(key) for key in told} == told:
        return dict(known)
    return {**told, "weights": {}, "encoders": {}}


def results_of(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of an encoder, to be added to; nothing of other weights."""
    weights = None
    if name != checkpoint.BASELINE:
        card = checkpoint.path_of(name).with_suffix(".json")
        weights = json.loads(card.read_text(encoding="utf-8"))["sha256"]
    if name not in known["encoders"] or known["weights"][name] != weights:
        known["weights"][name], known["encoders"][name] = weights, {}
    found: dict[str, Any] = known["encoders"][name]
    return found
