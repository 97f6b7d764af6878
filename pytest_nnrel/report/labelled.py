"""What was measured, by the labels of the clips: a small table for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_nnrel.report.namesakes import shared_places
from pytest_nnrel.report.results import kind_of, subject_of
from pytest_nnrel.statistics.intervals import proportion_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nnrel.measurement import PlainMeasurement

#: Tables and encoders that the page shows.
MAX_TABLES, MAX_COLUMNS = 8, 6
#: Measures that are proportions of clips and of interest apart.
_OF_CLIPS = ("within", "accuracy")


class Share(NamedTuple):
    """A mean over conditions of the clips of one value, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Table:
    """One measure on one corpus, by one label.

    Attributes
    ----------
    label, title : str
    subjects : list of (str, int)
        Encoders, and over how many conditions each one's mean is.
    rows : list of (str, int, list of Share)
        The label's value, how many clips have it, and the share of each encoder.
    left_out : int
        Encoders for which there is no room, and those that share a name and differ.
    """

    label: str
    title: str
    subjects: list[tuple[str, int]]
    rows: list[tuple[str, int, list[Share]]]
    left_out: int


def tables_of(
    measurements: Mapping[str, PlainMeasurement], corpora: Mapping[str, dict[str, Any]]
) -> list[Table]:
    """Return a table for each corpus, measure and label that was recorded with the corpus."""
    groups: dict[tuple[str, int, str], dict[str, list[PlainMeasurement]]] = {}
    for measured in measurements.values():
        fingerprint = measured["details"]["identity"]["corpus"]
        if measured["measure"] in _OF_CLIPS and corpora.get(fingerprint, {}).get("labels"):
            place = fingerprint, _OF_CLIPS.index(measured["measure"]), kind_of(measured)
            groups.setdefault(place, {}).setdefault(subject_of(measured), []).append(measured)
    return [
        _table(label, values, kind, corpora[fingerprint], of_subjects)
        for (fingerprint, _, kind), of_subjects in sorted(groups.items())
        if not all(map(_is_shared, of_subjects.values()))
        for label, values in corpora[fingerprint]["labels"].items()
    ]


def _is_shared(measured: Sequence[PlainMeasurement]) -> bool:
    """Tell whether it is of several encoders of one name, whose conditions none can part."""
    return bool(shared_places(measured))


def _table(
    label: str,
    values: Sequence[str],
    kind: str,
    corpus: Mapping[str, Any],
    of_subjects: Mapping[str, list[PlainMeasurement]],
) -> Table:
    told = (subject for subject, measured in of_subjects.items() if not _is_shared(measured))
    subjects = sorted(told)[:MAX_COLUMNS]
    kept = {
        subject: np.mean(
            [[outcome == "1" for outcome in m["outcomes"]] for m in of_subjects[subject]], axis=0
        )
        for subject in subjects
    }
    rows = []
    for value in sorted(set(values)):
        clips = [i for i, of_clip in enumerate(values) if of_clip == value]
        groups = [corpus["groups"][i] for i in clips]
        shares = [
            Share(float(kept[subject][clips].mean()),
                  *proportion_interval(kept[subject][clips], groups))
            for subject in subjects
        ]  # fmt: skip
        rows.append((value, len(clips), shares))
    return Table(
        label,
        f"{kind} by {label}, {len(values)} clips of {corpus['name']}",
        [(subject, len(of_subjects[subject])) for subject in subjects],
        rows,
        len(of_subjects) - len(subjects),
    )
