"""Try whether the tests of a module notice what is changed in it: mutants, one at a time.

::

    python scripts/mutants.py                      # a sample of each module of tests/mutants.toml
    python scripts/mutants.py statistics/ranks.py search.py --sample 0

Cosmic Ray makes the mutants: an operator, a comparison, a constant is another. Each runs the tests
that ``tests/mutants.toml`` names for its module, in a process split off from one that has collected
them, where the code of the module's functions is replaced. No file is touched. What no test fails
on is printed as a difference of lines, unless the same file says why nothing can tell it from the
original. Exits with 1 where fewer than 90 % of the others are caught. Which mutants are sampled
depends on the module and the seed.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import itertools
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
import tomllib
import types
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cosmic_ray import plugins
from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_db import WorkDB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = ROOT / "tests" / "mutants.toml"
PACKAGE = "pytest_nnrel"
#: Share of mutants, other than equivalent ones, that tests are to catch.
BAR = 0.9
#: What the package imports where it is used: imported once, and not by each process.
_LIBRARIES = (
    "joblib", "librosa", "librosa.feature", "numba", "pyloudnorm", "scipy.special", "scipy.stats",
    "soundfile", "soxr", "statsmodels.stats.multitest",
)  # fmt: skip
_OPTIONS = (
    "-q", "-n0", "-p", "no:cacheprovider", "--hypothesis-seed=0",
    "-m", "not slow and not exhaustive and not binaries and not runtimes",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    function: str
    code: str
    was: str
    line: str

    def __str__(self) -> str:
        return f"{self.function}\n    - {self.was}\n    + {self.line}"


def mutants(path: Path, functions: Sequence[str], rng: random.Random) -> Iterator[Mutant]:
    """Yield the mutants of a module, or some functions, in random order.

    Those that change no value are left out.
    """
    text = path.read_text(encoding="utf-8")
    plain = _values(text)
    unknown = set(functions) - {
        node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)
    }
    if unknown:
        raise SystemExit(f"{path} has no {', '.join(sorted(unknown))}; see {CONFIGURATION.name}")
    with tempfile.TemporaryDirectory() as folder:
        database = WorkDB(Path(folder) / "mutants.sqlite", WorkDB.Mode.create)
        init([path], database, {})
        found = [item.mutations[0] for item in database.work_items]
        database.close()
    found.sort(key=lambda one: (one.operator_name, one.occurrence))
    rng.shuffle(found)
    for one in found:
        function = one.definition_name or "module"
        if functions and function not in functions:
            continue
        code = mutate_code(text, plugins.get_operator(one.operator_name)(), one.occurrence)
        if code is None or _values(code) in (plain, None):
            continue
        removed, added = [], []
        for row in difflib.ndiff(text.splitlines(), code.splitlines()):
            if row.startswith(("- ", "+ ")):
                (removed if row[0] == "-" else added).append(row[2:].strip())
        yield Mutant(function, code, " ".join(removed), " ".join(added))


def _values(code: str) -> str | None:
    """Return what a module computes: without annotations and ways of calling; None of no Python."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arguments):
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults = [*node.defaults, *(one for one in node.kw_defaults if one)]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return ast.dump(tree)


def become(name: str, code: str) -> None:
    """Make an imported module one of other code, for all that have imported from it."""
    module = sys.modules[name]
    other = types.ModuleType(name)
    other.__dict__.update(__file__=module.__file__, __package__=module.__package__)
    # Dataclasses look up the module that they are made in.
    sys.modules[name] = other
    exec(compile(code, str(module.__file__), "exec"), other.__dict__)
    sys.modules[name] = module
    for key, new in vars(other).items():
        old = vars(module).get(key)
        if getattr(new, "__module__", None) == name and isinstance(old, type):
            _become(old, new)
        elif getattr(new, "__module__", None) == name and _function(old):
            _become_function(old, new)
        elif type(old) is not type(new) or old != new:
            for user in list(sys.modules.values()):
                if vars(user).get(key) is old:
                    setattr(user, key, new)


def _become(old: type, new: type) -> None:
    """Make a class another, for all that have it, and all instances."""
    for key in vars(old).keys() - vars(new).keys():
        delattr(old, key)
    for key, one in vars(new).items():
        was = vars(old).get(key)
        if key in ("__dict__", "__weakref__", "__doc__", "__module__"):
            continue
        if not (_function(was) and _function(one) and _become_function(was, one)):
            setattr(old, key, one)


def _function(value: object) -> bool:
    return isinstance(value, types.FunctionType)


def _become_function(old: Any, new: Any) -> bool:  # noqa: ANN401
    if new.__closure__ or old.__closure__:
        return False
    old.__code__, old.__defaults__, old.__kwdefaults__ = (
        new.__code__, new.__defaults__, new.__kwdefaults__
    )  # fmt: skip
    return True


@dataclass(eq=False)
class Trials:
    """A plugin of pytest that runs what was collected once for each mutant, in split processes."""

    modules: Sequence[dict[str, Any]]
    equivalent: dict[tuple[str, str, str], str]
    chosen: argparse.Namespace
    counts: Counter[str] = field(default_factory=Counter)

    def pytest_collection(self) -> None:
        """Give tests of properties fewer examples, and do not let them look for a simplest one."""
        import hypothesis  # which imports the package: not before pytest rewrites its assertions

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            "mutants", deadline=None, database=None, max_examples=25, phases=phases
        )
        hypothesis.settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the mutants of all modules."""
        if session.testsfailed:
            raise session.Failed("tests cannot be collected")
        for library in {name for one in self.modules for name in one.get("imports", _LIBRARIES)}:
            importlib.import_module(library)
        for module in self.modules:
            files = [ROOT / "tests" / name for name in module["tests"]]
            slow = module.get("without", ())
            items = [
                item
                for item in session.items
                if item.path in files and getattr(item, "originalname", None) not in slow
            ]
            # A fast test that fails is enough.
            items.sort(key=lambda i: (getattr(i.obj, "is_hypothesis_test", False),
                                      files.index(i.path)))  # fmt: skip
            self.counts += self._try(module, session, items)
        return True

    def _try(
        self, module: dict[str, Any], session: pytest.Session, items: list[pytest.Item]
    ) -> Counter[str]:
        """Try the mutants of a module; print those that live, and return what became of all."""
        name = module["path"]
        path = ROOT / PACKAGE / name
        imported = f"{PACKAGE}.{name.removesuffix('.py').replace('/', '.')}"
        importlib.import_module(imported)
        as_it_stands = path.read_text(encoding="utf-8")
        passed, seconds = _passes(session, items, imported, as_it_stands, 600)
        if not passed:
            raise session.Failed(f"the tests of {name} fail as it stands")
        limit = 10 + math.ceil(4.0 * seconds)
        print(f"{name}: its tests take {seconds:.1f} s of CPU", flush=True)
        counts: Counter[str] = Counter()
        began = time.monotonic()
        rng = random.Random(f"{self.chosen.seed} {name}")
        functions = self.chosen.functions or module.get("functions", ())
        for mutant in mutants(path, functions, rng):
            if self.chosen.sample and counts.total() == self.chosen.sample:
                break
            if (name, mutant.function, mutant.line) in self.equivalent:
                counts["equivalent"] += 1
                continue
            passed, _ = _passes(session, items, imported, mutant.code, limit)
            outcome = {None: "timed out", False: "caught", True: "lives"}[passed]
            counts[outcome] += 1
            if passed or self.chosen.verbose:
                print(f"{name}, {outcome}: {mutant}", flush=True)
        print(f"{name}: {told(counts)}; {time.monotonic() - began:.0f} s", flush=True)
        return counts


def _passes(
    session: pytest.Session, items: list[pytest.Item], module: str, code: str, limit: int
) -> tuple[bool | None, float]:
    """Run tests on other code in a process split off; None where that takes too long.

    The limit, and the time that is returned, are of CPU: a busy machine makes no mutant caught.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            become(module, code)
            for item, following in zip(items, [*items[1:], None]):
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    break
            failed = min(session.testsfailed, 1)
        finally:  # a mutant may raise where it is made
            os._exit(failed)
    _, status, used = os.wait4(child, 0)
    seconds = used.ru_utime + used.ru_stime
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return None, seconds
    return status == 0, seconds


def told(counts: Counter[str]) -> str:
    """Return how many mutants came to what."""
    tried = counts.total() - counts["equivalent"]
    caught = counts["caught"] + counts["timed out"]
    share = f" ({caught / tried:.1%})" if tried else ""
    return (
        f"{counts.total()} mutants, {counts['equivalent']} equivalent, {caught} of {tried}"
        f" others caught{share}"
    )


def main() -> None:
    """Try the mutants of the modules that are named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="such as search.py; all where omitted")
    parser.add_argument("--sample", type=int, default=40, help="mutants a module; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--functions", nargs="+", help="only of these functions or classes")
    parser.add_argument("--list", action="store_true", help="print the sample, and try none of it")
    parser.add_argument("--verbose", action="store_true", help="print those that are caught, too")
    chosen = parser.parse_args()
    configuration = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))
    modules = {one["path"]: one for one in configuration["module"]}
    unknown = set(chosen.modules) - modules.keys()
    if unknown:
        parser.error(f"{CONFIGURATION} has no tests for {', '.join(sorted(unknown))}")
    if chosen.list:
        for name in chosen.modules or modules:
            rng = random.Random(f"{chosen.seed} {name}")
            found = mutants(ROOT / PACKAGE / name, modules[name].get("functions", ()), rng)
            for mutant in itertools.islice(found, chosen.sample or None):
                print(f"{name}: {mutant}")
        return
    trials = Trials(
        [modules[name] for name in chosen.modules or modules],
        {
            (one["path"], one["function"], line): one["why"]
            for one in configuration.get("equivalent", ())
            for line in one["lines"]
        },
        chosen,
    )
    os.chdir(ROOT)
    tests = {f"tests/{name}" for module in trials.modules for name in module["tests"]}
    status = pytest.main([*_OPTIONS, "-s", *sorted(tests)], plugins=[trials])
    print(f"all: {told(trials.counts)}")
    tried = trials.counts.total() - trials.counts["equivalent"]
    sys.exit(status or trials.counts["lives"] > (1.0 - BAR) * tried)


if __name__ == "__main__":
    main()
