"""What identifies and qualifies a measurement, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.experiment.blocks import spread
from pytest_nnrel.experiment.damage import damage_of
from pytest_nnrel.experiment.rendering import checks_of, padding_of, unchanged_of
from pytest_nnrel.statistics import consistency

if TYPE_CHECKING:
    from pytest_nnrel.distances import Distance
    from pytest_nnrel.experiment.embedding import Embedded
    from pytest_nnrel.experiment.encoding import Listener
    from pytest_nnrel.experiment.rendering import Rendered
    from pytest_nnrel.experiment.spaces import Space
    from pytest_nnrel.measurement import Details, EncoderFacts, IdentityFacts, Map, WorstClip
    from pytest_nnrel.statistics.consistency import Exemplars

#: Clips that messages and reports list by name.
WORST = 5
#: Clips that a map of embeddings shows, evenly spread over the corpus.
MAPPED = 200


def facts_of(
    rendered: Rendered,
    embedded: Embedded | None = None,
    *,
    audio: Distance | None = None,
    latent: Distance | None = None,
) -> Details:
    """Return what identifies a measurement, beside corpus, transformation and encoder."""
    question = rendered.question
    corpus, condition = question.study.corpus, question.condition
    window = corpus.window_seconds
    index = None if embedded is None else embedded.index
    if embedded is not None:
        window = max(window, embedded.listener.window_seconds)
    identity: IdentityFacts = {
        "corpus": corpus.fingerprint,
        "transform": condition.name,
        "seed": question.study.seed,
        # What a name does not pin down is told apart by what was measured: see `measurement_key`.
        "named_only": (
            condition.recipe() is None
            or not all(aim.lasting for aim in condition.aims)
            or any(d is not None and d.recipe() is None for d in (audio, latent))
            or (embedded is not None and embedded.listener.fingerprint is None)
            or (index is not None and index.fingerprint is None)
        ),
    }
    if aims := condition.aims:
        identity["attacked"] = aims[0].name
        identity["attacked_as"] = " ".join(dict.fromkeys(aim.told for aim in aims))
    details: Details = {
        "identity": identity,
        "corpus": corpus.describe(),
        "transform": {
            "name": condition.name,
            "family": type(condition).__name__,
            "symbol": condition.symbol,
            "magnitude": condition.magnitude,
            "unit": condition.unit,
            "identity": condition.identity,
            "severity": condition.severity,
            "asked": question.asked.name,
            "recipe": condition.recipe(),
            "checks": checks_of(rendered),
        },
    }
    if (unchanged := unchanged_of(rendered)) is not None:
        details["transform"]["unchanged"] = unchanged
    if (padding := padding_of(rendered, window)) is not None:
        details["transform"]["zero_padding"] = padding
    if len(rendered.indices) == len(corpus):
        scales = dict.fromkeys(("audio", question.study.scale))
        with question.watch("damage"):
            details["damage"] = {scale: damage_of(rendered, scale) for scale in scales}
    if question.study.competing_groups is None and question.study.is_grouped:
        identity["neighbours"] = "all"
    if audio is not None:
        identity["audio_distance"] = audio.name
    if latent is not None:
        identity["latent_distance"] = latent.name
    if embedded is not None:
        encoder, fingerprint = embedded.listener.encoder, embedded.listener.fingerprint
        identity["encoder"] = encoder.name
        identity["encoder_fingerprint"] = fingerprint
        identity["encoder_sample_rate"] = encoder.sample_rate
        identity["encoder_window_seconds"] = encoder.window_seconds
        details["encoder"] = _encoder_facts(embedded.listener)
    if index is not None:
        identity["index"] = index.encoder.name
        identity["index_fingerprint"] = index.fingerprint
        details["index"] = _encoder_facts(index)
    return details


def _encoder_facts(listener: Listener) -> EncoderFacts:
    encoder = listener.encoder
    return {
        "name": encoder.name,
        "fingerprint": listener.fingerprint,
        "sample_rate": listener.sample_rate,
        "window_seconds": listener.window_seconds,
        "device": encoder.device,
        "assumed": encoder.assumptions(listener.study.corpus.sample_rate),
        "kind": f"{type(encoder).__module__}.{type(encoder).__qualname__}",
    }


def add_qualities(details: Details, space: Space, rows: Exemplars) -> None:
    """Add what qualifies a value of C_W or C_acc."""
    details["chance"] = float(np.mean(1.0 / (1.0 + rows.others)))
    details["margins"] = rows.margins.tolist()
    details["relative_margins"] = rows.relative_margins.tolist()
    details["ranks"] = rows.ranks.tolist()
    if space.study.is_grouped:
        details["others"] = rows.others.tolist()
        details["relative_nearer"] = int(rows.relative_nearer.sum())
    details["ties"] = int(rows.ties.sum())
    details["non_finite"] = int(rows.non_finite.sum())
    if 2 * details["non_finite"] > len(rows.own):
        # An original that is at no distance from anything makes errors of all clips.
        ids = space.study.corpus.ids
        blamed = [name for i, name in enumerate(ids) if not np.isfinite(space.apart(i, i))]
        if blamed:
            details["undefined_originals"] = blamed


def worst_of(space: Space, rows: Exemplars) -> tuple[WorstClip, ...]:
    """Return the clips that are farthest from their original, against the nearest other."""
    # Relative, so that it means the same for any encoder.
    order = np.lexsort((np.arange(len(rows.own)), rows.relative_margins))[:WORST]
    ids = space.study.corpus.ids
    return tuple(
        {
            "id": ids[space.indices[i]],
            "own_distance": float(rows.own[i]),
            "neighbour": ids[rows.neighbour[i]],
            "neighbour_distance": float(rows.nearest[i]),
            "originals_distance": space.apart(space.indices[i], int(rows.neighbour[i])),
        }
        for i in order
    )


def map_of(embedded: Embedded) -> Map:
    """Return where clips and originals lie in the plane of the originals' principal axes.

    At most `MAPPED` clips are placed, so that the size does not grow with the corpus.
    """
    study = embedded.rendered.question.study
    plane = study.stores.recently(
        ("plane", embedded.originals_key),
        lambda: consistency.principal_plane(embedded.originals),
        lambda found: found.axes.nbytes,
    )
    shown = spread(len(study.corpus), MAPPED)
    return {
        "clips": [study.corpus.ids[i] for i in shown],
        "originals": plane.place(embedded.originals[shown]).round(3).tolist(),
        "transformed": plane.place(embedded.queries[shown]).round(3).tolist(),
        "explained": plane.explained.round(4).tolist(),
    }
