"""What tests share: a cache of their own, a small corpus of files, and inner pytest sessions."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from patience import PATIENCE
from skip_budget import pytest_sessionfinish, pytest_terminal_summary  # noqa: F401, hooks

from pytest_nnrel.distances.distance import DISTANCES
from pytest_nnrel.encoders.adapter import ADAPTERS
from pytest_nnrel.sanity.check import CHECKS
from pytest_nnrel.transforms.registry import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable

#: The same inner session in one process, under xdist without workers, and with two workers.
MODES = {"plain": (), "n0": ("-n0",), "n2": ("-n2",)}
#: Bundled clips that inner sessions measure on, as files in a folder of their own.
CLIPS = ("000", "020", "040", "060", "080", "100", "120", "130")
#: Modules that inner sessions are given: encoders with known outcomes, and tests that use them.
INNER = Path(__file__).parent / "plugin" / "inner"

#: Plugins that few inner sessions need, and load by their modules' names.
_UNUSED = (
    "-pno:asyncio", "-pno:run-parallel", "-pno:trio", "-pno:anyio", "-pno:inline_snapshot",
)  # fmt: skip

_WORKER = "PYTEST_XDIST_WORKER"

# How long an example takes says what else the machine does, not whether a law holds.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Give each worker whole modules where that can be, since fixtures are made once a worker."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Give the run, its workers and all inner sessions a default cache that is not the user's."""
    if _WORKER in os.environ:
        return  # inherited from the controller
    folder = tempfile.TemporaryDirectory(prefix="nnrel-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setenv("XDG_CACHE_HOME", folder.name)
    # Inner sessions keep the bytecode, as they do for users: compiling is a tenth of such a run.
    patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    if getattr(config.option, "numprocesses", None):
        # Workers fill the cores: more threads in each would spin while they wait for a core.
        patch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def own_kinds(monkeypatch):
    """Forget the families, distances, adapters and checks that a test defines."""
    for registry in (FAMILIES, DISTANCES, ADAPTERS, CHECKS):
        monkeypatch.setattr(registry, "_known", dict(registry._known))


@pytest.fixture(scope="session")
def default_cache() -> Path:
    """Return the folder that stands in for the user's caches, as platformdirs finds it."""
    return Path(os.environ["XDG_CACHE_HOME"])


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """Return a folder with a few of the bundled clips."""
    folder = tmp_path_factory.mktemp("audio") / "clips"
    folder.mkdir()
    bundled = Path(str(resources.files("pytest_nnrel"))) / "data" / "corpus"
    for number in CLIPS:
        (source,) = bundled.glob(f"{number}_*.ogg")
        shutil.copy(source, folder)
    return folder


@dataclass(frozen=True)
class InnerRun:
    """An inner session that has ended."""

    result: pytest.RunResult
    results: Any
    page: str | None
    folder: Path

    @property
    def text(self) -> str:
        return self.result.stdout.str()

    @property
    def ret(self) -> int:
        return int(self.result.ret)

    def tests(self) -> dict[str, dict[str, Any]]:
        """Return what was recorded of each test, by the last part of its node id."""
        return {entry["test"].rpartition("::")[2]: entry for entry in self.results["tests"]}

    def verdict_of(self, test: str) -> dict[str, Any]:
        """Return the one verdict of a test."""
        (verdict,) = self.tests()[test]["verdicts"]
        return verdict

    def measurement_of(self, test: str) -> dict[str, Any]:
        """Return the measurement that the one verdict of a test rests on."""
        return self.results["measurements"][self.verdict_of(test)["measurement"]]

    def failure_of(self, test: str) -> str:
        """Return what pytest prints of a failed test, up to the next one."""
        _, _, rest = self.text.partition(f" {test} _")
        assert rest, f"{test} did not fail:\n{self.text}"
        lines = []
        for line in rest.splitlines()[1:]:
            if line.startswith(("____", "====")):
                break
            lines.append(line)
        return "\n".join(lines)

    def command_of(self, test: str, purpose: str) -> list[str]:
        """Return the command that a failure text gives after ``listen:`` or ``redo:``."""
        start = f"E       {purpose}:"
        found = [row for row in self.failure_of(test).splitlines() if row.startswith(start)]
        assert len(found) == 1, self.failure_of(test)
        return shlex.split(found[0].removeprefix(start))


class Inner:
    """Writes a user's project and runs its tests in processes of their own."""

    def __init__(self, path: Path, clips: Path) -> None:
        self.path = path
        self.report = path / "written" / "report"
        self._clips = clips

    def write(self, **modules: str) -> None:
        """Write Python modules; all of them may import `encoders`."""
        for name, text in modules.items():
            (self.path / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        shutil.copy(INNER / "encoders.py", self.path)

    def ini(self, *lines: str) -> None:
        """Write the project's ini file."""
        (self.path / "pytest.ini").write_text("\n".join(("[pytest]", *lines)), encoding="utf-8")

    def run(
        self,
        *args: str | Path,
        mode: str = "plain",
        corpus: str | Path | None = None,
        report: bool = True,
        strict: bool = True,
        hypothesis: bool = False,
    ) -> InnerRun:
        """Run the project's tests on the small corpus, warnings as errors.

        Parameters
        ----------
        *args : str or Path
            For pytest.
        mode : str
            Of `MODES`.
        corpus : str or Path, optional
            The small one where omitted; empty for no such option.
        report : bool
            Whether to write a report, anew, to a folder of its own.
        strict : bool
            Whether warnings are errors.
        hypothesis : bool
            Whether Hypothesis's own pytest plugin is there, whose import takes most of the start.
        """
        corpus = self._clips if corpus is None else corpus
        shutil.rmtree(self.report, ignore_errors=True)
        started = time.perf_counter()
        done = self.execute(
            "pytest",
            *MODES[mode],
            "--strict-markers",
            *(("-Werror",) if strict else ()),
            *(() if hypothesis else ("-pno:hypothesispytest",)),
            *((f"--nnrel-corpus={corpus}",) if corpus else ()),
            *((f"--nnrel-report={self.report}",) if report else ()),
            *args,
        )
        print(done.stdout, done.stderr, sep="\n")  # for whoever reads of a failure
        result = pytest.RunResult(
            done.returncode,
            done.stdout.splitlines(),
            done.stderr.splitlines(),
            time.perf_counter() - started,
        )
        written = [self.report / name for name in ("results.json", "index.html")]
        texts = [file.read_text(encoding="utf-8") if file.exists() else None for file in written]
        return InnerRun(
            result, None if texts[0] is None else json.loads(texts[0]), texts[1], self.path
        )

    def execute(
        self, *args: str | Path, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder; `python` and `pytest` are this interpreter's."""
        words = [str(arg) for arg in args]
        interpreter = {
            "python": [sys.executable],
            "pytest": [sys.executable, "-mpytest", "-pno:cacheprovider", *_UNUSED],
        }
        # Not a worker of the outer session, and nothing of its options.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        return subprocess.run(
            [*interpreter.get(words[0], words[:1]), *words[1:]],
            cwd=cwd or self.path,
            env={**inherited, "HOME": str(self.path), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=PATIENCE,
        )


@pytest.fixture(scope="session")
def new_inner(tmp_path_factory, clips) -> Callable[[], Inner]:
    """Return a function that makes projects, for runs that several tests look at."""
    return lambda: Inner(tmp_path_factory.mktemp("inner"), clips)


@pytest.fixture
def inner(new_inner) -> Inner:
    """Return a project of a user's, empty yet."""
    return new_inner()


@pytest.fixture(
    params=[
        "n2",
        # Most other inner sessions are plain ones.
        *(pytest.param(mode, marks=pytest.mark.exhaustive) for mode in ("plain", "n0")),
    ]
)
def mode(request) -> str:
    """Run a test once for each way of running the inner session."""
    return request.param


@pytest.fixture(scope="session")
def suite_in(new_inner) -> Callable[[str], InnerRun]:
    """Return a function that runs ``inner/suite.py`` in a mode, once."""

    @cache
    def run(mode: str) -> InnerRun:
        inner = new_inner()
        inner.write(test_suite=(INNER / "suite.py").read_text(encoding="utf-8"))
        return inner.run("--junit-xml=junit.xml", mode=mode, hypothesis=True)

    return run


@pytest.fixture
def suite(suite_in, mode) -> InnerRun:
    """Run ``inner/suite.py`` in each mode."""
    return suite_in(mode)
