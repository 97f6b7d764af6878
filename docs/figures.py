"""Curves of the measures over magnitude, as in the paper's figures, on the bundled corpus.

``python docs/figures.py`` measures and writes ``docs/figures.json``; the documentation's build
draws the figures from that file.
"""

from __future__ import annotations

import io
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pytest_nnrel import Measurement

RESULTS = Path(__file__).with_name("figures.json")
#: Units by family, as axes name them.
AXES = {
    "PitchShift": "pitch shift, semitones",
    "TempoShift": "tempo, rate",
    "PinkNoise": "pink noise, SNR in dB",
    "EnvironmentalNoise": "environmental noise, SNR in dB",
    "MP3": "MP3, kb/s",
}
#: Of the paper's Table 1, enough for the shape of each curve.
MAGNITUDES = {
    "PitchShift": (-4, -2, -1, -0.25, 0.25, 1, 2, 4),
    "TempoShift": (0.5, 0.7, 0.9, 1.1, 1.3, 1.5),
    "PinkNoise": (30, 24, 18, 12, 6, -3, -10, -15),
    "EnvironmentalNoise": (30, 24, 18, 12, 6, -3, -10, -15),
    "MP3": (160, 128, 96, 64, 48, 32, 24, 16, 8),
}
#: What the colours stand for: Okabe and Ito's, told apart by the colour-blind.
COLOURS = {"mfcc": "#0072B2", "audio": "#7f7f7f"}
#: Panels a row, and the size of each in inches.
_COLUMNS, _PANEL = 3, (3.0, 2.3)


class Curve(NamedTuple):
    """What a line of a figure shows: a measure of the results, its colour and its name."""

    measure: str
    colour: str
    label: str


#: Lines of each figure, by its name, with the name of its vertical axis.
FIGURES = {
    "within": (
        "C_W",
        (
            Curve("audio", COLOURS["audio"], "audio space, DTW"),
            Curve("within", COLOURS["mfcc"], "MFCC encoder, Euclidean"),
        ),
    ),
    "accuracy": ("C_acc", (Curve("accuracy", COLOURS["mfcc"], "MFCC encoder against audio"),)),
    "rho": ("C_rho", (Curve("rho", COLOURS["mfcc"], "MFCC encoder against audio"),)),
}


def measure() -> dict[str, Any]:
    """Measure `MAGNITUDES` with the MFCC encoder; return plain values."""
    import pytest_nnrel as nnrel
    from pytest_nnrel.progress import progress

    corpus, encoder = nnrel.Corpus.bundled(), nnrel.MFCCEncoder()
    grid = [getattr(nnrel, family)(at) for family, ats in MAGNITUDES.items() for at in ats]
    rows = []
    for transform in progress(grid, len(grid), "figures", "condition"):
        measured = {
            "within": nnrel.within_consistency(encoder, transform, corpus=corpus),
            "audio": nnrel.audio_consistency(transform, corpus=corpus),
            "accuracy": nnrel.between_consistency(
                encoder, transform, corpus=corpus, measure="accuracy"
            ),
            "rho": nnrel.between_consistency(encoder, transform, corpus=corpus),
        }
        rows.append(
            {
                "family": type(transform).__name__,
                "magnitude": transform.magnitude,
                **{name: _plain(measurement) for name, measurement in measured.items()},
            }
        )
    return {
        "version": nnrel.__version__,
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "clips": len(corpus),
        "conditions": rows,
    }


def _plain(measurement: Measurement) -> list[float]:
    """Return value, lower and upper end, to the digits that a figure shows."""
    return [round(number, 4) for number in (measurement.value, *measurement.ci)]


def draw(results: dict[str, Any], figure: str) -> str:
    """Return a figure of `FIGURES` as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    symbol, curves = FIGURES[figure]
    families = defaultdict(list)
    for row in results["conditions"]:
        families[row["family"]].append(row)
    rows = math.ceil((len(families) + 1) / _COLUMNS)
    # Names of parts made of a fixed salt: the same results give the same file.
    with mpl.rc_context({"svg.hashsalt": figure, "svg.fonttype": "none", "font.size": 9}):
        page = Figure(figsize=(_PANEL[0] * _COLUMNS, _PANEL[1] * rows), layout="constrained")
        panels = page.subplots(rows, _COLUMNS, sharey=True).flat
        for (family, points), panel in zip(families.items(), panels):
            _panel(panel, family, points, curves)
            panel.set_ylabel(symbol if panel.get_subplotspec().is_first_col() else "")
        (spare,) = list(panels)
        spare.set_axis_off()
        spare.legend(*page.axes[0].get_legend_handles_labels(), loc="center", frameon=False)
        text = io.StringIO()
        page.savefig(text, format="svg", transparent=False, metadata={"Date": None})
    return text.getvalue()


def _panel(panel: Axes, family: str, rows: list[dict[str, Any]], curves: tuple[Curve, ...]) -> None:
    """Draw the curves of a family, with the identity where it lies on the axis."""
    import pytest_nnrel

    rows = sorted(rows, key=lambda row: row["magnitude"])
    at = [row["magnitude"] for row in rows]
    for curve in curves:
        value, low, high = zip(*(row[curve.measure] for row in rows))
        panel.fill_between(at, low, high, color=curve.colour, alpha=0.2, linewidth=0)
        panel.plot(at, value, color=curve.colour, marker=".", markersize=3, label=curve.label)
    identity = getattr(pytest_nnrel, family).identity
    if math.isfinite(identity):
        panel.axvline(identity, color="black", linewidth=0.6, linestyle=":")
    if family == "MP3":
        panel.set_xscale("log", base=2)
        panel.set_xticks(at[::3], [f"{rate:g}" for rate in at[::3]])
    if not math.isfinite(identity):
        panel.invert_xaxis()  # from mild to grave
    panel.set_ylim(-0.02, 1.02)
    panel.set_xlabel(AXES[family])


def main() -> None:
    """Measure, and write the results to `RESULTS`."""
    from pytest_nnrel.files import replace_text

    rows = measure()
    replace_text(RESULTS, json.dumps(rows, indent=1) + "\n")
    print(f"{len(rows['conditions'])} conditions in {RESULTS}")


if __name__ == "__main__":
    main()
