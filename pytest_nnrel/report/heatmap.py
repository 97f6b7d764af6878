"""Encoders against transformations: a table of values, coloured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_nnrel.report.curves import DRAWN
from pytest_nnrel.report.findings import judgements
from pytest_nnrel.report.namesakes import Place, shared_places
from pytest_nnrel.report.results import describe_value, kind_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pytest_nnrel.measurement import PlainMeasurement, TransformFacts
    from pytest_nnrel.report.findings import Row

#: Rows and columns that the page shows of one table.
MAX_ROWS, MAX_COLUMNS = 40, 100
#: Stands for values of several encoders that nothing tells apart.
UNTOLD = "?"


class Cell(NamedTuple):
    """A value, how strong its colour is, from 0 to 1, and what became of it."""

    text: str
    loss: float
    outcome: str
    title: str


class Column(NamedTuple):
    """A transformation: its family, and its magnitude as a short name."""

    family: str
    label: str
    name: str


@dataclass(frozen=True)
class HeatMap:
    """A table of one measure on one corpus.

    Attributes
    ----------
    title : str
    families : list of (str, int)
        Names over the columns, and how many columns each has.
    columns : list of Column
    rows : list of (str, list of Cell or None)
        By encoder.
    left_out : int
        Encoders and transformations for which there is no room.
    untold : bool
        Whether cells stand for several encoders of one name.
    """

    title: str
    families: list[tuple[str, int]]
    columns: list[Column]
    rows: list[tuple[str, list[Cell | None]]]
    left_out: int
    untold: bool


def heat_maps(measurements: Mapping[str, PlainMeasurement], rows: Iterable[Row]) -> list[HeatMap]:
    """Return a table for each corpus and measure that has more than one transformation."""
    outcomes = {key: judged.outcome for key, judged in judgements(rows).items()}
    groups: dict[tuple[int, str, str], list[tuple[str, PlainMeasurement]]] = {}
    for key, measured in measurements.items():
        if measured["measure"] in DRAWN:
            place = (
                DRAWN.index(measured["measure"]),
                measured["details"]["corpus"]["fingerprint"],
                kind_of(measured),
            )
            groups.setdefault(place, []).append((key, measured))
    maps = [_heat_map(kind, group, outcomes) for (_, _, kind), group in sorted(groups.items())]
    return [found for found in maps if len(found.columns) > 1]


def _heat_map(
    kind: str, group: Sequence[tuple[str, PlainMeasurement]], outcomes: Mapping[str, str]
) -> HeatMap:
    corpus = group[0][1]["details"]["corpus"]
    placed: dict[tuple[str, tuple[object, ...]], tuple[str, PlainMeasurement]] = {}
    columns: dict[tuple[object, ...], Column] = {}
    shared = shared_places(measured for _, measured in group)
    for key, measured in group:
        transform = measured["details"]["transform"]
        severity = transform["severity"]
        order: tuple[object, ...] = (
            transform["family"],
            severity is None,
            severity or 0.0,
            transform["name"],
        )
        columns[order] = _column(transform)
        placed[subject_of(measured), order] = key, measured
    shown = sorted(columns)[:MAX_COLUMNS]
    subjects = sorted({subject for subject, _ in placed})
    rows = [
        (subject, [_cell(placed.get((subject, order)), outcomes, shared) for order in shown])
        for subject in subjects[:MAX_ROWS]
    ]
    families: dict[str, int] = {}
    for order in shown:
        family = columns[order].family
        families[family] = families.get(family, 0) + 1
    return HeatMap(
        f"{kind}, {corpus['clips']} clips of {corpus['name']}",
        list(families.items()),
        [columns[order] for order in shown],
        rows,
        max(0, len(columns) - MAX_COLUMNS) + max(0, len(subjects) - MAX_ROWS),
        any(cell is not None and cell.text == UNTOLD for _, cells in rows for cell in cells),
    )


def _column(transform: TransformFacts) -> Column:
    ladder, magnitude = transform["severity"] is not None, transform["magnitude"]
    label = f"{magnitude:g}" if ladder and magnitude is not None else transform["name"]
    return Column(transform["family"], label, transform["name"])


def _cell(
    entry: tuple[str, PlainMeasurement] | None,
    outcomes: Mapping[str, str],
    shared: Collection[Place],
) -> Cell | None:
    if entry is None:
        return None
    key, measured = entry
    if (place := Place.of(measured)) in shared:
        told = f"{place.transform}: encoders called {place.subject} differ, name them apart"
        return Cell(UNTOLD, 0.0, "", told)
    value = measured["value"]
    outcome = outcomes.get(key, "")
    words = f"{measured['details']['transform']['name']}: {describe_value(measured)}"
    text = f"{value:.2f}".removeprefix("0") if 0.0 <= value < 0.995 else f"{value:.2f}"
    return Cell(
        text,
        round(min(max(1.0 - value, 0.0), 1.0), 3),
        outcome,
        words + (f", {outcome}" if outcome else ""),
    )
