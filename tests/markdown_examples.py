"""The examples of Markdown pages, run in the order of their page.

What a fenced block is for follows from its first line:

- ``title="NAME"``: a file, which is written to the page's folder;
- ``pycon``: a session at Python's prompt, checked as a doctest in the page's namespace;
- ``python``: statements, executed in the page's namespace;
- ``console``: commands after ``$``, of ``pytest`` or ``python -m pytest_nnrel``, followed by what
  they print, or a part of it between lines of ``...``;
- anything else is shown only.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_nnrel.__main__ import main

_FENCE = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_NUMBER = re.compile(r"-?\d+\.\d+")
_SECONDS = re.compile(r"in \d+\.\d+s( \(\d:\d\d:\d\d\))?")
#: Figures may differ by this much between versions of the libraries that transform audio.
TOLERANCE = {"rel": 0.05, "abs": 0.02}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str | None
    text: str


def blocks(markdown: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found = []
    for language, info, text in _FENCE.findall(markdown):
        title = _TITLE.search(info)
        found.append(Block(language, None if title is None else title[1], text))
    return found


class Page:
    """Runs the blocks of a page in a folder, which is the current one, and found by imports.

    Commands run in this process: starting one for each of them would take most of the time.
    """

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        self._names: dict[str, Any] = {"__name__": "page"}

    def run(self, block: Block) -> None:
        """Do what a block is for; fail where it does not do what the page says."""
        if block.title is not None:
            self._write(block.title, block.text)
        elif block.language == "pycon":
            self._doctest(block.text)
        elif block.language == "python":
            exec(compile(block.text, "<page>", "exec"), self._names)
        elif block.language == "console":
            for command in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                line, _, expected = command.partition("\n")
                check_output(line, expected, self._execute(shlex.split(line)))

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.forget()

    def forget(self) -> None:
        """Have modules of the folder imported anew."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and Path(file).is_relative_to(self._folder):
                del sys.modules[name]

    def _doctest(self, text: str) -> None:
        test = doctest.DocTestParser().get_doctest(text, self._names, "page", None, 0)
        failures: list[str] = []
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
        runner.run(test, out=failures.append, clear_globs=False)
        self._names.update(test.globs)
        assert not failures, "".join(failures)

    def _execute(self, words: list[str]) -> str:
        self._capsys.readouterr()
        if words[0] == "pytest":
            self.forget()
            unused = ["-pno:cacheprovider", "-pno:faulthandler"]
            tests = (path.read_text(encoding="utf-8") for path in self._folder.glob("test_*.py"))
            if not any("inline_snapshot" in text for text in tests):
                unused.append("-pno:inline_snapshot")  # early versions always print a heading
            pytest.main([*unused, *words[1:]])
        elif words[:3] == ["python", "-m", "pytest_nnrel"]:
            main(words[3:])
        else:
            raise AssertionError(f"no command of this package: {shlex.join(words)}")
        # Where the folder lies differs from run to run, and is of no use to a reader.
        return self._capsys.readouterr().out.replace(f"{self._folder}{os.sep}", "")


def check_output(command: str, expected: str, printed: str) -> None:
    """Check that a command printed what the page has, figures within `TOLERANCE`."""
    wanted, got = (_comparable(text) for text in (expected, printed))
    parts = [
        r"(-?\d+\.\d+)".join(map(re.escape, _NUMBER.split(part)))
        for part in re.split(r"^\.\.\.$", wanted, flags=re.MULTILINE)
    ]
    found = re.fullmatch(r".*?".join(parts), got, re.DOTALL)
    assert found is not None, f"{command} printed:\n{printed}\nand not:\n{expected}"
    shown = [float(number) for number in _NUMBER.findall(wanted)]
    assert [float(number) for number in found.groups()] == pytest.approx(shown, **TOLERANCE)


def _comparable(text: str) -> str:
    """Return a text without times, and without spaces at the ends of lines."""
    lines = _SECONDS.sub("in some time", text).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip()
