"""What the documentation takes from the program itself: options, commands, families, figures."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import figures

from pytest_nnrel import plugin, sanity_checks
from pytest_nnrel.__main__ import main
from pytest_nnrel.plugin.marker import MARK_HELP
from pytest_nnrel.transforms import families, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

#: Where a page takes a part from here: a comment of its own line, such as ``<!-- options -->``.
_PLACE = re.compile(r"^<!-- ([a-z]+) -->$", re.MULTILINE)
#: Where a page shows a figure: ``<!-- figure NAME -->``.
_FIGURE = re.compile(r"<!-- figure ([a-z]+) -->")


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


PARTS: dict[str, Callable[[], str]] = {
    "options": options,
    "keys": keys,
    "marker": marker,
    "commands": commands,
    "fields": fields,
    "checks": checks,
}


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put parts in their places."""
    return _PLACE.sub(lambda place: PARTS[place[1]](), markdown)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Put figures in their places, after the text was indexed."""
    return _with_named_search(_FIGURE.sub(lambda place: figures.draw(place[1]), output))


def on_post_template(output_content: str, *, template_name: str, config: MkDocsConfig) -> str:
    """Complete the page that is shown for addresses that are none."""
    return _with_named_search(output_content)


def _with_named_search(output: str) -> str:
    """Give the theme's search dialog the name that screen readers tell."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)
