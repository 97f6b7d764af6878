"""By what stored results of the reference encoders are known again."""

from __future__ import annotations

import json

from reference_models import checkpoint


def weights_of(name: str) -> str | None:
    """Return the digest of a reference encoder's weights; None where it has none."""
    if name == checkpoint.BASELINE:
        return None
    card = checkpoint.path_of(name).with_suffix(".json")
    return str(json.loads(card.read_text(encoding="utf-8"))["sha256"])
