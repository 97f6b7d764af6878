"""What a file asks of encoders: TOML, or a table of ``pyproject.toml``, checked as it is read."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_nnrel.errors import NNRelError, SettingError
from pytest_nnrel.plugin.aliases import skip_alias
from pytest_nnrel.plugin.marker import MARK, check_mark
from pytest_nnrel.plugin.options import corpus_from
from pytest_nnrel.requirement import Requirement, check_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_nnrel.transforms import Transform

#: Where a table of requirements is in a ``pyproject.toml``.
_IN_PYPROJECT = ("tool", "nnrel", "requirements")
#: Name of the list of requirements.
_LIST = "require"
_BOUNDS = ("min", "max", "between")
#: What of a requirement is the marker's.
_OF_MARK = ("corpus", "clips", "seed")
_SUBJECTS = ("transform", "grid", "family")


@dataclass(frozen=True)
class Judge:
    """How a measure is required.

    Attributes
    ----------
    assertion : str
        Public name.
    along : bool
        Whether it is asked of a family's ladder, not of conditions.
    keys : tuple of str
        What it takes besides its bounds.
    bounds : tuple of str
    lowest : float
        Least value of the measure.
    fixed : dict
        What it is always called with.
    called : dict of str to str
        Keys that the assertion has another word for, and that word.
    least_steps : int
    """

    assertion: str
    along: bool = False
    keys: tuple[str, ...] = ("confident",)
    bounds: tuple[str, ...] = ("min",)
    lowest: float = 0.0
    fixed: dict[str, Any] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    least_steps: int = 2


#: A distance above all rows is of embeddings, whatever their measures.
_BETWEEN: dict[str, Any] = {
    "keys": ("distance", "audio_distance", "neighbours", "confident"),
    "called": {"distance": "latent_distance"},
}
JUDGES = {
    "within": Judge(
        "assert_within_consistency", keys=("distance", "neighbours", "confident"), bounds=_BOUNDS
    ),
    "rho": Judge(
        "assert_between_consistency", lowest=-1.0, fixed={"measure": "rho"}, **_BETWEEN
    ),
    "accuracy": Judge(
        "assert_between_consistency", fixed={"measure": "accuracy"}, **_BETWEEN
    ),
    "unbroken": Judge(
        "assert_unbroken_until", along=True, keys=("distance", "neighbours", "steps"), least_steps=1
    ),
    "monotone": Judge(
        "assert_monotone",
        along=True,
        keys=("distance", "audio_distance", "neighbours", "steps", "confident"),
        lowest=-1.0,
    ),
    "sensitive": Judge("assert_sensitive", along=True, keys=("steps", "confident")),
    "equivariant": Judge(
        "assert_equivariant", along=True, keys=("steps", "confident"), least_steps=1
    ),
}  # fmt: skip
#: Spaces of the distances that a requirement names.
_SPACES: dict[str, Literal["audio", "latent"]] = {
    "distance": "latent",
    "audio_distance": "audio",
}


@dataclass(frozen=True)
class Required:
    """One requirement: of one encoder, by one measure, under one condition or along one ladder.

    Attributes
    ----------
    encoder : str
        A fixture, ``module:object``, or a file: a table of embeddings (``.npy``) or a
        model (``.onnx``, ``.tflite``).
    measure : str
        Of `JUDGES`.
    subject : Transform or class
    arguments : dict
        Of the assertion.
    mark : dict
        Of the marker.
    line : int
        Where it is in the file.
    beside : tuple of Transform
        All conditions of its row, in order; empty along a ladder.
    """

    encoder: str
    measure: str
    subject: type[Transform] | Transform
    arguments: dict[str, Any]
    mark: dict[str, Any]
    line: int
    beside: tuple[Transform, ...] = ()

    @property
    def name(self) -> str:
        """Name of the test."""
        subject = self.subject.__name__ if isinstance(self.subject, type) else self.subject.name
        options = [f"{name}={_shown(value)}" for name, value in self.arguments.items()]
        options += [f"{name}={_shown(value)}" for name, value in self.mark.items()]
        return f"{self.measure}[{'-'.join([self.encoder, subject, *options])}]"

    def marked(self, folder: Path) -> dict[str, Any]:
        """Return the arguments of the marker: the path of a corpus is from the file's folder.

        Parameters
        ----------
        folder : Path
        """
        corpus = self.mark.get("corpus")
        if corpus is None:
            return self.mark
        return {**self.mark, "corpus": corpus_from(corpus, folder)}

    def judge(self, encoder: object) -> None:
        """Raise an AssertionError unless an encoder is as it is required to be.

        Skip the test where an earlier condition of its row is the same at the corpus's rate.

        Parameters
        ----------
        encoder : object
        """
        import pytest_nnrel
        from pytest_nnrel.measures import run_corpus

        __tracebackhide__ = True
        if not isinstance(self.subject, type) and len(self.beside) > 1:
            skip_alias(self.subject, self.beside, run_corpus().sample_rate)
        judge = JUDGES[self.measure]
        assertion: Callable[..., object] = getattr(pytest_nnrel, judge.assertion)
        arguments = {judge.called.get(name, name): value for name, value in self.arguments.items()}
        assertion(encoder, self.subject, **judge.fixed, **arguments)


def _shown(value: object) -> str:
    return str(tuple(value)) if isinstance(value, list) else str(value)


def read_requirements(path: Path) -> list[Required]:
    """Read a file of requirements.

    Raises
    ------
    SettingError
        If it cannot be read as one: all that is wrong with it, each with its line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} cannot be read: {error}") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = place[1] if place else text.count("\n") + 1
        raise SettingError(f"{path.name}:{line}: no TOML: {error}") from error
    prefix: tuple[str, ...] = ()
    if path.name == "pyproject.toml":
        prefix = _IN_PYPROJECT
        for part in prefix:
            table = table.get(part, {}) if isinstance(table, dict) else {}
    return _Reader(path, text.splitlines(), prefix).read(table)


@dataclass
class _Reader:
    path: Path
    lines: Sequence[str]
    prefix: tuple[str, ...]
    problems: list[str] = field(default_factory=list)

    def read(self, table: Any) -> list[Required]:  # noqa: ANN401
        """Return the requirements of a table, or raise with all that is wrong."""
        where = f"[[{'.'.join((*self.prefix, _LIST))}]]"
        entries = table.get(_LIST) if isinstance(table, dict) else None
        if not isinstance(entries, list) or not entries:
            raise SettingError(f"{self.path.name}: no requirement; each is a table {where}")
        common = {name: value for name, value in table.items() if name != _LIST}
        heads = self._heads()
        found: dict[str, Required] = {}
        for i, entry in enumerate(entries):
            head = heads[i] if i < len(heads) else 1
            end = heads[i + 1] - 1 if i + 1 < len(heads) else len(self.lines)
            if not isinstance(entry, dict):
                self._tell(head, f"a requirement is a table {where}, not {entry!r}")
                continue
            for required in self._of(entry, common, head, end):
                first = found.setdefault(required.name, required)
                if first is not required:
                    self._tell(head, f"{required.name} is required in line {first.line} already")
        if self.problems:
            raise SettingError("\n".join(self.problems))
        return list(found.values())

    def _heads(self) -> list[int]:
        head = r"\s*\.\s*".join(map(re.escape, (*self.prefix, _LIST)))
        pattern = re.compile(rf"^\s*\[\[\s*{head}\s*\]\]")
        return [i for i, line in enumerate(self.lines, 1) if pattern.match(line)]

    def _of(
        self, entry: dict[str, Any], common: dict[str, Any], head: int, end: int
    ) -> Iterator[Required]:
        def tell(key: str, problem: str) -> None:
            pattern = re.compile(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*=")
            own = (i for i in range(head, end + 1) if pattern.match(self.lines[i - 1]))
            above = (i for i, line in enumerate(self.lines, 1) if pattern.match(line))
            self._tell(next(own, next(above, head) if key in common else head), problem)

        before = len(self.problems)
        bounds = [name for name in _BOUNDS if name in entry]
        given = {
            name: value
            for name, value in common.items()
            if not (name in _BOUNDS and bounds) and not (name in _SUBJECTS and
                                                         any(s in entry for s in _SUBJECTS))
        } | entry  # fmt: skip
        measure = given.pop("measure", "within")
        if not isinstance(measure, str):
            tell("measure", f"measure is a name, not {measure!r}")
            return
        if measure not in JUDGES:
            tell("measure", f"no measure is called {measure!r}{_nearest(measure, JUDGES)}")
            return
        judge = JUDGES[measure]
        known = {"encoder", *_SUBJECTS, *_OF_MARK, *_BOUNDS, *judge.keys}
        for name in sorted(given.keys() - known):
            of_others = name in common and name not in entry
            if of_others and any(name in other.keys for other in JUDGES.values()):
                del given[name]  # of other measures in the file
                continue
            tell(name, f"{measure} takes no {name!r}{_nearest(name, known)}")
        encoder = given.get("encoder")
        if not isinstance(encoder, str) or not encoder:
            tell("encoder", "encoder is the name of a fixture, 'module:object' or a file of a table"
                 f" or model, not {encoder!r}")  # fmt: skip
        mark = {name: given[name] for name in _OF_MARK if name in given}
        arguments = {name: given[name] for name in (*_BOUNDS, *judge.keys) if name in given}
        self._check(measure, judge, arguments, mark, tell)
        subjects = self._subjects(judge, given, tell)
        if len(self.problems) == before:
            beside = tuple(one for one in subjects if not isinstance(one, type))
            for subject in subjects:
                yield Required(str(encoder), measure, subject, arguments, mark, head, beside)

    def _check(
        self,
        measure: str,
        judge: Judge,
        arguments: dict[str, Any],
        mark: dict[str, Any],
        tell: Callable[[str, str], None],
    ) -> None:
        """Tell what is wrong with bounds, options and what is the marker's."""
        asked = {name: arguments[name] for name in _BOUNDS if name in arguments}
        for name in asked.keys() - set(judge.bounds):
            tell(name, f"{measure} takes {', '.join(judge.bounds)}, not {name}")
        try:
            Requirement.of(**asked, lowest=judge.lowest)
        except SettingError as error:
            tell(next(iter(asked), ""), str(error))
        for name, space in _SPACES.items():
            if name in arguments:
                self._check_distance(name, arguments[name], space, tell)
        if not isinstance(arguments.get("confident", False), bool):
            tell("confident", f"confident is true or false, not {arguments['confident']!r}")
        if arguments.get("neighbours", "others") not in ("others", "all"):
            tell("neighbours", f"neighbours is 'others' or 'all', not {arguments['neighbours']!r}")
        try:
            check_steps(arguments.get("steps", judge.least_steps), judge.least_steps)
        except SettingError as error:
            tell("steps", str(error))
        for name, value in mark.items():
            try:
                check_mark(getattr(pytest.mark, MARK)(**{name: value}).mark)
            except SettingError as error:
                tell(name, str(error))

    def _check_distance(
        self,
        name: str,
        value: object,
        space: Literal["audio", "latent"],
        tell: Callable[[str, str], None],
    ) -> None:
        from pytest_nnrel.distances import resolve_distance

        if not isinstance(value, str):
            tell(name, f"{name} is the name of a distance, not {value!r}")
            return
        try:
            resolve_distance(value, space)
        except NNRelError as error:
            tell(name, str(error))

    def _subjects(
        self, judge: Judge, given: dict[str, Any], tell: Callable[[str, str], None]
    ) -> list[type[Transform] | Transform]:
        """Return what encoders are asked under: conditions, or the ladder that is gone along."""
        named = [name for name in _SUBJECTS if name in given]
        if len(named) != 1:
            found = " and ".join(named) if named else "none of them"
            tell(named[-1] if named else "", f"one of {', '.join(_SUBJECTS)} is named, not {found}")
            return []
        (kind,) = named
        text = given[kind]
        if not isinstance(text, str):
            tell(kind, f"{kind} is a name, not {text!r}")
            return []
        try:
            return _read_subject(kind, text, along=judge.along)
        except NNRelError as error:
            tell(kind, str(error))
            return []

    def _tell(self, line: int, problem: str) -> None:
        self.problems.append(f"{self.path.name}:{line}: {problem}")


def _read_subject(kind: str, text: str, *, along: bool) -> list[type[Transform] | Transform]:
    from pytest_nnrel.transforms import GRIDS, families, grid, parse_transform

    named = re.match(r"\s*(\w+)\s*\(", text)
    name = named[1] if named else text
    known = list(families())
    if kind == "transform" or named:
        known += ["Identity", "Chain"]
    if kind != "grid" and name not in known:
        raise SettingError(f"no family is called {name!r}{_nearest(name, known)}")
    if kind == "transform" or named:
        return [parse_transform(text)]
    if kind == "grid":
        if along:
            raise SettingError("a ladder is gone along, not a grid: name a family")
        if text not in (*GRIDS, *known):
            raise SettingError(f"no grid is called {text!r}{_nearest(text, [*GRIDS, *known])}")
        return list(grid(text))
    return [families()[text]] if along else list(grid(text))


def _nearest(name: object, known: Any) -> str:  # noqa: ANN401
    """Return names that are nearest to one that is none, or all that there are."""
    close = difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.5)
    # Letters of either case, which closeness tells apart.
    lower = {other.lower(): other for other in known}
    close = close or [lower[n] for n in difflib.get_close_matches(str(name).lower(), lower, n=3)]
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there are {', '.join(sorted(known))}"
