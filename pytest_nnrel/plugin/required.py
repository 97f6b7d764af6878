"""The requirements of a file as tests."""

from __future__ import annotations

import inspect
from fnmatch import fnmatch
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nnrel.errors import NNRelError, SettingError
from pytest_nnrel.plugin.marker import MARK
from pytest_nnrel.plugin.options import REQUIREMENTS
from pytest_nnrel.plugin.stash import RUN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from pytest_nnrel.plugin.requirements import Required


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> RequirementsFile | None:
    named = parent.config.stash[RUN].requirements
    if named is None or file_path.resolve() != named:
        return None
    return RequirementsFile.from_parent(parent, path=file_path)


def add_to_arguments(config: pytest.Config, path: Path) -> None:
    """Have a file of requirements collected beside what a run was asked for.

    One that the ini file names is of runs of folders, not of those of single files and tests.
    """
    if not path.is_file():
        raise SettingError(f"nnrel requirements: there is no file {path}")
    base = config.invocation_params.dir
    named = [(base / argument.partition("::")[0]).resolve() for argument in config.args]
    asked = config.getoption(REQUIREMENTS.dest, None) is not None
    single = config.args_source is pytest.Config.ArgsSource.ARGS and all(
        place.is_file() for place in named
    )
    if single and not asked:
        return
    # Of a folder and a file in it, pytest before the end of its issue 12083 collects the file only,
    # and later the folder only.
    within = [place for place in named if path.is_relative_to(place)]
    passed_over = [_passed_over(config, place, path) for place in within]
    if not within:
        config.args.append(str(path))
    elif all(passed_over):
        raise SettingError(
            f"nnrel requirements: {path} is in a folder {passed_over[0]!r}, which pytest passes"
            " over (norecursedirs); put it elsewhere"
        )


def _passed_over(config: pytest.Config, place: Path, path: Path) -> str | None:
    """Return the folder on the way from a place to a file that is not entered, if any."""
    patterns = config.getini("norecursedirs")
    for folder in path.relative_to(place).parent.parts:
        if any(fnmatch(folder, pattern) for pattern in patterns):
            return folder
    return None


class RequirementsFile(pytest.Module):
    """A file of requirements; to fixtures, an empty module."""

    def _getobj(self) -> ModuleType:
        return ModuleType(self.path.stem)

    def collect(self) -> Iterator[RequiredItem]:
        """Yield a test for each requirement under each condition."""
        from pytest_nnrel.plugin.requirements import read_requirements

        try:
            requirements = read_requirements(self.path)
        except NNRelError as error:
            raise self.CollectError(str(error)) from error
        for required in requirements:
            item = RequiredItem.from_parent(
                self, name=required.name, callobj=_test_of(required, self.path)
            )
            item.line = required.line
            if required.mark:
                item.add_marker(getattr(pytest.mark, MARK)(**required.marked(self.path.parent)))
            if several := item.several():
                raise self.CollectError(
                    f"{self.path.name}:{required.line}: the fixture {several[0]!r} has params, and"
                    " a requirement is a test of one encoder: name a fixture without them"
                )
            yield item


class RequiredItem(pytest.Function):
    """A requirement as a test; where its encoder is a fixture, it has that."""

    line = 1

    @classmethod
    def from_parent(cls, parent: pytest.Collector, **content: Any) -> Self:  # noqa: ANN401
        """Return the test; its id is as pytest reads it again, who takes what is in brackets apart.

        Parameters
        ----------
        parent : pytest.Collector
        **content
            As of pytest.Function.
        """
        item = super().from_parent(parent, **content)
        parse = getattr(type(getattr(item, "id", None)), "parse", None)
        if parse is not None:  # ids are no more than text before pytest 9.1
            item._id = parse(item.nodeid)
        return item

    def several(self) -> list[str]:
        """Return the fixtures that it needs and that have params."""
        found = self._fixtureinfo.name2fixturedefs.items()
        return [name for name, definitions in found if definitions[-1].params]

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where it is in the file."""
        return self.path, self.line - 1, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Return what the assertion says: there is no code of the user's to show."""
        ours = isinstance(excinfo.value, AssertionError) or (
            isinstance(excinfo.value, NNRelError) and excinfo.value.__cause__ is None
        )
        if not ours or self.config.getoption("fulltrace"):
            return super().repr_failure(excinfo)
        lines = [f"E       {line}".rstrip() for line in str(excinfo.value).splitlines()]
        place = f"{self.path.name}:{self.line}: {type(excinfo.value).__name__}"
        return "\n".join([*lines, "", place])


def _test_of(required: Required, path: Path) -> Any:  # noqa: ANN401
    """Return the function of a test, whose parameters are the fixtures that it needs."""
    fixture = required.encoder if required.encoder.isidentifier() else None

    def test(**fixtures: object) -> None:
        __tracebackhide__ = True
        from pytest_nnrel.encoders.named import named_encoder

        required.judge(
            fixtures[fixture] if fixture else named_encoder(required.encoder, path.parent)
        )

    kind = inspect.Parameter.KEYWORD_ONLY
    test.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(fixture, kind)] if fixture else []
    )
    return test
