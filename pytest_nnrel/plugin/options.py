"""Options of the command line and keys of ini files: their names, and how values are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from pytest_nnrel.errors import SettingError
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Scale

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

#: Name of the folder that --nnrel-report writes to when it names none.
REPORT_DIR = "nnrel-report"
#: Name of the file of nnrel_baseline where none is named.
BASELINE = "nnrel-baseline.json"
OFF = "off"


@dataclass(frozen=True)
class Option:
    name: str
    help: str
    default: str | None = None
    metavar: str = "VALUE"
    on_command_line: bool = True

    @property
    def ini(self) -> str:
        return f"nnrel_{self.name.replace('-', '_')}"

    @property
    def dest(self) -> str:
        return self.ini


REPORT = Option("report", f"write a report to DIR (default: {REPORT_DIR})", None, "DIR")
REQUIREMENTS = Option("requirements", "what encoders must keep, as a table (TOML)", None, "FILE")
#: Help is a line each on a terminal of 80 columns.
OPTIONS = (
    Option("corpus", "bundled, FOLDER, TABLE.csv, mirdata:NAME[LABEL=VALUE]", "bundled",
            "CORPUS"),
    Option("clips", "only N clips of it, evenly spread (default: all)", None, "N"),
    Option(
        "grid",
        "quick (default), imperceptible, paper, field, a family",
        "quick",
        "GRID",
    ),
    Option("seed", "of noise, crops and bootstraps (default: 0)", "0", "SEED"),
    Option("cache", "kept between runs, or off (default: the user's cache)", None, "DIR"),
    Option("cache-gib", "size that the cache is cut back to (default: 10 GiB)",
            str(settings.DEFAULT_CACHE_GIB), "GIB", on_command_line=False),
    Option("jobs", "tasks side by side (default: the cores of a worker)", None, "N"),
    Option("device", "torch device, such as cuda (default: cpu)", None, "DEVICE"),
    Option("damage", "told by audio distance (default) or also as perceived", "audio", "SCALE"),
    Option("sample-rate", "of clips of a folder, in Hz (default: 22050)", None, "HZ",
            on_command_line=False),
    Option("source-seconds", "transformed of clips of a folder (default: 4)", None, "SECONDS",
            on_command_line=False),
    Option("window-seconds", "compared of clips of a folder (default: 2)", None, "SECONDS",
            on_command_line=False),
    Option("baseline", f"outcomes to compare with (default: {BASELINE})", None, "FILE"),
    Option("segments", "clips of each file of a folder (default: 1)", None, "N",
            on_command_line=False),
    Option("groups", 'files of one track: "folder", or a regular expression with one group',
            None, "RULE", on_command_line=False),
    REQUIREMENTS,
)  # fmt: skip

#: Options without a value.
SWITCHES = {
    "update-baseline": "replace in it what this run measures (default: compare)",
    "add-training": "add retrained encoders to it (default: judge them)",
}


def _ini_of(name: str) -> str:
    return f"nnrel_{name.replace('-', '_')}"


def switched_on(config: pytest.Config, name: str) -> bool:
    """Tell whether an option without a value is given, on the command line or in the ini file."""
    ini = _ini_of(name)
    return bool(config.getoption(ini, None) or config.getini(ini))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nnrel", "consistency of audio encoders (pytest-nnrel)")
    group.addoption(
        "--nnrel-report",
        dest="nnrel_report",
        nargs="?",
        const=REPORT_DIR,
        default=None,
        metavar="DIR",
        help=REPORT.help,
    )
    for name, text in SWITCHES.items():
        flag, ini = f"--nnrel-{name}", _ini_of(name)
        group.addoption(flag, dest=ini, action="store_true", default=None, help=text)
        parser.addini(ini, f"as {flag}", type="bool", default=False)
    parser.addini("nnrel_report", "as --nnrel-report=DIR", default=None)
    for option in OPTIONS:
        if option.on_command_line:
            group.addoption(
                f"--nnrel-{option.name}",
                dest=option.dest,
                default=None,
                metavar=option.metavar,
                help=option.help,
            )
        in_ini = f"as --nnrel-{option.name}" if option.on_command_line else option.help
        parser.addini(option.ini, in_ini, default=None)


def value(config: pytest.Config, option: Option) -> str | None:
    """Return what was given for an option: command line over ini over default."""
    given = config.getoption(option.dest, None) if option.on_command_line else None
    in_ini = given is None
    if in_ini:
        given = config.getini(option.ini)
    if given in (None, ""):
        return option.default
    named = str(given)
    if option.name == "cache" and named == "0":  # the word for "none" elsewhere
        raise SettingError("nnrel cache: 0 is the name of a folder here; write 'off', or ./0")
    if option.metavar in ("DIR", "FILE") and named != OFF:
        return _anchored(config, named, in_ini=in_ini)
    if option.name == "corpus" and in_ini:
        return corpus_from(named, _base(config, in_ini=True))
    return named


def number(
    values: dict[str, str | None], name: str, kind: type[int] | type[float], least: float
) -> Any:  # noqa: ANN401
    """Return an option as a number, or None.

    Raises
    ------
    SettingError
        If it is none, or less than `least`.
    """
    text = values[name]
    if text is None:
        return None
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not least <= number < float("inf"):
        whole = "a whole number" if kind is int else "a number"
        raise SettingError(f"nnrel {name}: expected {whole} of {least:g} or more, not {text!r}")
    return number


def check_grid(name: str) -> None:
    """Raise a SettingError if no grid has the name."""
    from pytest_nnrel.transforms import grid

    try:
        grid(name)
    except SettingError as error:
        raise SettingError(f"nnrel grid: {error}") from error


def scale(name: str) -> Scale:
    """Return the scale of damage of that name.

    Raises
    ------
    SettingError
        If there is none.
    """
    if name not in get_args(Scale):
        known = " or ".join(get_args(Scale))
        raise SettingError(f"nnrel damage: expected {known}, not {name!r}")
    return cast("Scale", name)


def cache_dir(value: str | None) -> Path | Callable[[], Path] | None:
    """Return the folder of the cache, or what returns it; None where nothing is kept."""
    if value == OFF:
        return None
    if value is None:
        return settings.default_cache_dir
    folder = Path(value)
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"nnrel cache: {folder} is a file, not a folder; name another, or 'off'")
    return folder


def report_dir(value: str) -> Path:
    """Return the folder of the report, which is new, empty or one of a report."""
    if "::" in value:
        raise SettingError(
            f"nnrel report: {value} is a test; write --nnrel-report after the tests, or"
            " --nnrel-report=DIR"
        )
    folder = Path(value)
    foreign = folder.exists() and (
        not folder.is_dir() or (any(folder.iterdir()) and not (folder / "results.json").exists())
    )
    if foreign:
        raise SettingError(
            f"nnrel report: {folder} exists and is no report; write --nnrel-report=DIR with a new"
            f" folder, or --nnrel-report after the tests to write to {REPORT_DIR}"
        )
    return folder


def baseline_file(config: pytest.Config, value: str | None) -> Path:
    """Return the file of the baseline."""
    path = config.rootpath / BASELINE if value is None else Path(value)
    if path.is_dir():
        raise SettingError(
            f"nnrel baseline: {path} is a folder, not a file; name a JSON file in it"
        )
    return path


def resolved(value: str | None) -> Path | None:
    """Return a file as one path, whatever links lead to it; None where none is named."""
    return None if value is None else Path(value).resolve()


def _anchored(config: pytest.Config, value: str, *, in_ini: bool) -> str:
    """Return a folder as a path that holds anywhere: relative to the ini file, or to the caller."""
    return str(_base(config, in_ini=in_ini) / Path(value).expanduser())


def _base(config: pytest.Config, *, in_ini: bool) -> Path:
    return config.inipath.parent if in_ini and config.inipath else config.invocation_params.dir


def corpus_from(named: str, folder: Path) -> str:
    """Return a corpus by its name, of which a relative path, if it has one, is from a folder."""
    place = named.partition("[")[0]  # of which some clips are taken
    if place.startswith("mirdata:") and "@" in place:
        dataset, _, home = named.partition("@")
        return f"{dataset}@{folder / Path(home).expanduser()}"
    if place == "bundled" or ":" in place:
        return named
    return str(folder / Path(named).expanduser())


def fair_share(config: pytest.Config) -> int:
    """Return the cores that are left to this process if all workers have as many."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    return max(1, settings.available_cores() // int(workers))
