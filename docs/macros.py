"""What the documentation takes from the program itself: options, commands, families, figures.

Pages call these functions between ``{{`` and ``}}``. The figures are curves of the measures over
magnitude, as in the paper's Figures 6, 7 and 10. They are drawn from the results of ``python -m
reference_models reproduce`` that come with the package: the paper's encoders, trained on open data,
on the bundled corpus.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from docs import real_encoders, studies
from pytest_nnrel import plugin, sanity_checks
from pytest_nnrel.__main__ import main
from pytest_nnrel.distances import distances as named_distances
from pytest_nnrel.encoders import adapters as known_adapters
from pytest_nnrel.plugin.marker import MARK_HELP
from pytest_nnrel.transforms import families, field
from reference_models.paper import drawing, results
from reference_models.paper.targets import NAMES, SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.artist import Artist
    from zensical.extensions.macros import MacroEnv

#: Of all that was measured, the defaults: DTW, Euclidean.
_AUDIO_DISTANCE, _LATENT_DISTANCE = "dtw", "euclidean"
#: Of a panel, in inches: three of them fill a line of text.
_WIDTH, _HEIGHT = 2.5, 2.1


def define_env(env: MacroEnv) -> None:
    """Name what pages may call."""
    for part in (options, keys, marker, checks, distances, adapters, commands, fields, figure):
        env.macro(part)
    for part in (*real_encoders.PARTS, *studies.PARTS):
        env.macro(part)


class _Options:
    """A parser that keeps what the plugin adds to pytest's."""

    def __init__(self) -> None:
        self.shown: dict[str, dict[str, Any]] = {}
        self.ini: dict[str, str] = {}

    def getgroup(self, *names: str) -> _Options:
        return self

    def addoption(self, name: str, **attributes: Any) -> None:  # noqa: ANN401
        self.shown[name] = attributes

    def addini(self, name: str, help: str, **attributes: Any) -> None:  # noqa: ANN401
        self.ini[name] = help


def _added() -> _Options:
    parser = _Options()
    plugin.pytest_addoption(parser)  # type: ignore[arg-type]  # it has what the plugin calls
    return parser


def options() -> str:
    """Return the command line's options and their ini keys as a table."""
    rows = ["| option, ini key | meaning |", "|---|---|"]
    for name, attributes in _added().shown.items():
        given = attributes.get("metavar")
        if given:
            given = f"[={given}]" if attributes.get("nargs") == "?" else f"={given}"
        rows.append(f"| `{name}{given or ''}`<br>`{attributes['dest']}` | {attributes['help']} |")
    return "\n".join(rows)


def keys() -> str:
    """Return the ini keys that have no option as a table."""
    added = _added()
    with_option = {attributes["dest"] for attributes in added.shown.values()}
    rows = ["| ini key | meaning |", "|---|---|"]
    rows += [
        f"| `{name}` | {text} |" for name, text in added.ini.items() if name not in with_option
    ]
    return "\n".join(rows)


def marker() -> str:
    """Return what ``pytest --markers`` says."""
    call, _, text = MARK_HELP.partition("): ")
    return f"`@pytest.mark.{call})`\n: {text}"


def checks() -> str:
    """Return the sanity checks as a table, in their order."""
    rows = ["| check | what it holds an encoder to | usual cause of a finding |", "|---|---|---|"]
    for name, check in sanity_checks().items():
        promise = inspect.cleandoc(check.__doc__ or "").partition("\n")[0]
        rows.append(f"| `{name}` | {promise} | {check.cause} |")
    return "\n".join(rows)


def distances() -> str:
    """Return the distances as a table, those of audio first."""
    rows = ["| distance | of | what it is |", "|---|---|---|"]
    for name, distance in named_distances().items():
        what = inspect.cleandoc(type(distance).__doc__ or "").partition("\n")[0]
        asymmetric = "" if distance.symmetric else " Not symmetric."
        rows.append(f"| `{name}` | {distance.space} | {what}{asymmetric} |")
    return "\n".join(rows)


def adapters() -> str:
    """Return the adapters as a table, in the order in which they are asked."""
    rows = ["| object | encoder |", "|---|---|"]
    for adapter in known_adapters().values():
        what = inspect.cleandoc(adapter.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
        rows.append(f"| {adapter.takes} | {what} |")
    return "\n".join(rows)


def commands() -> str:
    """Return the help of each command, as the terminal has it."""
    overview = _help()
    names = re.findall(r"^    ([a-z]+)  ", overview, re.MULTILINE)
    parts = [f"```text\n{overview}```"]
    parts += [f"## {name}\n\n```text\n{_help(name)}```" for name in names]
    return "\n\n".join(parts)


def _help(*command: str) -> str:
    text = io.StringIO()
    with (
        patch.dict("os.environ", COLUMNS="88"),
        contextlib.redirect_stdout(text),
        contextlib.suppress(SystemExit),
    ):
        main([*command, "--help"])
    return text.getvalue()


def fields() -> str:
    """Return the field's families: a table, and the docstring of each."""
    rows = ["| | what it does | severities | in the grid `field` |", "|---|---|---|---|"]
    pages = []
    for name in field.__all__:
        family = families()[name]
        docstring = (family.__doc__ or "").partition("\n")[0]
        rungs = family.severities()
        points = ", ".join(f"{point:g}" for point in family.points)
        place = f"{family.__module__}.{name}"
        rows.append(
            f"| [`{name}`](#{place}) | {docstring} | {rungs[0]} to {rungs[-1]} |"
            f" {points} {family.unit} |"
        )
        pages.append(f"::: {place}\n    options: {{show_bases: false, heading_level: 3}}")
    return "\n\n".join(["\n".join(rows), *pages])


def figure(measure: str) -> str:
    """Return the figure of a measure as HTML: a panel for each family, and the legend."""
    rows = [
        row
        for row in results.load(results.MEASURED).consistency
        if row.measure == measure
        and row.audio_distance in ("", _AUDIO_DISTANCE)
        and row.latent_distance in ("", _LATENT_DISTANCE)
    ]
    panels = []
    handles: dict[str, Artist] = {}
    with drawing.style():
        for transformation in results.TRANSFORMATIONS:
            panel, shown = _panel(transformation, rows, SYMBOLS[measure])
            handles |= shown
            label = drawing.TRANSFORMATION_LABELS[transformation]
            panels.append(drawing.to_svg(panel, f"{SYMBOLS[measure]} over {label}"))
        panels.append(drawing.to_svg(_legend(handles), f"Legend of the panels of {measure}"))
    return f'<div class="panels" data-search-exclude>{"".join(panels)}</div>'


def _panel(
    transformation: str, rows: list[results.Consistency], symbol: str
) -> tuple[Figure, dict[str, Artist]]:
    """Draw the curves of a family: the audio space behind, where it has any, then the encoders."""
    figure, grid = drawing.magnitude_panels(1, [transformation], height=_HEIGHT)
    figure.set_size_inches(_WIDTH, _HEIGHT)
    handles = {}
    for encoder in ("", *reversed(results.ENCODERS)):
        of_both = (encoder, transformation)
        trials = drawing.trials_of(r for r in rows if (r.encoder, r.transformation) == of_both)
        if trials:
            handles[NAMES[encoder] if encoder else "audio space, DTW"] = drawing.curve(
                grid[0, 0],
                trials,
                colour=drawing.COLOURS.get(encoder, drawing.GREY),
                marker=drawing.MARKERS.get(encoder, ""),
                style="-" if encoder else drawing.STYLES[_AUDIO_DISTANCE],
            )
    grid[0, 0].set_ylabel(symbol)
    grid[0, 0].set_ylim(-0.03, 1.03)
    return figure, handles


def _legend(handles: Mapping[str, Artist]) -> Figure:
    figure = Figure(figsize=(_WIDTH, 0.2 + 0.2 * len(handles)))
    FigureCanvasSVG(figure)
    figure.legend(list(handles.values()), list(handles), loc="center", handlelength=2.2)
    return figure
