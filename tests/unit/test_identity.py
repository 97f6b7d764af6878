"""What objects do, as a digest: another one for other code or state, the same for the same."""

import copy
import functools
import importlib
import logging
import math
import operator
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import types
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from patience import PATIENCE

import pytest_nnrel.measures
from pytest_nnrel.identity import behaviour_of
from pytest_nnrel.identity.project import is_library_file

Pair = namedtuple("Pair", "left right")


def told(*objects, **options):
    behaviour = behaviour_of(*objects, **options)
    assert behaviour.known, behaviour.unknown
    return behaviour.digest


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Write modules and import the first of them anew, as a later process does."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written = []

    def forget():
        for name in [name for name in sys.modules if name.partition(".")[0] in written]:
            del sys.modules[name]

    def write(**modules):
        forget()
        for name, source in modules.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(source))
            written.append(name.split("__")[0])
        importlib.invalidate_caches()
        return importlib.import_module(next(iter(modules)).replace("__", "."))

    yield write
    forget()


# ---------------------------------------------------------------------------------------------
# Code

MAIN = """
    import functools
    import math

    LEVEL = 2.0
    TABLE = {"a": [1, 2]}

    def helper(x):
        return x + 1

    def twice(fn):
        @functools.wraps(fn)
        def wrapped(x):
            return fn(fn(x))
        return wrapped

    class Base:
        scale = 3

        def shift(self, x):
            return x - 1

    class Model(Base):
        offset: int = 0

        @property
        def gain(self):
            return 5

        @staticmethod
        def double(x):
            return x * 2

        def encode(self, x):
            return self.double(self.shift(x)) * self.gain

    def closing(n):
        def inner(x):
            return x * n
        return inner

    @twice
    def encode(x, power=7, *, root=8):
        return [helper(y) * LEVEL + TABLE["a"][0] + math.sqrt(y) for y in x if y in {9, 10}]

    model = Model()
    partly = functools.partial(encode, power=11)
    enclosed = closing(12)
"""

EDITS = {
    "global": ("encode", "LEVEL = 2.0", "LEVEL = 2.5"),
    "global container": ("encode", "[1, 2]", "[1, 3]"),
    "global function": ("encode", "return x + 1", "return x + 2"),
    "its own code": ("encode", "math.sqrt(y)", "math.cbrt(y)"),
    "constant of a comprehension": ("encode", "{9, 10}", "{9, 11}"),
    "default": ("encode", "power=7", "power=6"),
    "keyword default": ("encode", "root=8", "root=6"),
    "decorator": ("encode", "fn(fn(x))", "fn(x)"),
    "method": ("model", "self.double(self.shift(x))", "self.shift(self.double(x))"),
    "method of a base": ("model", "return x - 1", "return x - 2"),
    "class attribute": ("model", "scale = 3", "scale = 4"),
    "property": ("model", "return 5", "return 6"),
    "static method": ("model", "return x * 2", "return x * 4"),
    "closure": ("enclosed", "closing(12)", "closing(13)"),
    "argument of a partial": ("partly", "power=11", "power=12"),
    "function of a partial": ("partly", "return x + 1", "return x + 2"),
}


@pytest.mark.parametrize("name, before, after", EDITS.values(), ids=EDITS.keys())
def test_an_edit_is_told(project, name, before, after):
    assert MAIN.count(before) == 1

    def of(source):
        return told(getattr(project(nnrel_main=source), name))

    first = of(MAIN)
    assert of(MAIN) == first
    assert of(MAIN.replace(before, after)) != first
    # Comments, blank lines, and what nothing refers to do not matter.
    assert of(f"# a comment\n\n{textwrap.dedent(MAIN)}\nOTHER = 1\n") == first


HELPERS = {
    "attribute of a module": ("import nnrel_help", "nnrel_help.bands(x)"),
    "import from": ("from nnrel_help import bands", "bands(x)"),
    "import inside": ("", "__import__inside"),
}
INSIDE = "    import nnrel_help\n    return nnrel_help.bands(x)"


@pytest.mark.parametrize("statement, call", HELPERS.values(), ids=HELPERS.keys())
@pytest.mark.parametrize("place", ["helper", "helper's helper", "helper's global"])
def test_an_edit_of_a_module_that_is_imported_is_told(project, statement, call, place):
    body = INSIDE if call == "__import__inside" else f"    return {call}"
    main = f"{statement}\ndef encode(x):\n{body}\n"
    helper = "import nnrel_deep\nN = 4\ndef bands(x):\n    return nnrel_deep.cut(x) * 2 * N\n"
    deep = "def cut(x):\n    return x[:3]\n"

    def of(**edited):
        files = {"nnrel_main": main, "nnrel_help": helper, "nnrel_deep": deep, **edited}
        encode = project(**files).encode
        importlib.import_module("nnrel_help")
        return told(encode)

    first = of()
    assert of() == first
    edits = {
        "helper": {"nnrel_help": helper.replace("* 2", "* 3")},
        "helper's helper": {"nnrel_deep": deep.replace("[:3]", "[:4]")},
        "helper's global": {"nnrel_help": helper.replace("N = 4", "N = 5")},
    }
    assert of(**edits[place]) != first


def test_a_module_that_is_not_imported_yet_is_told_by_its_file(project):
    main = "def encode(x):\n    from nnrel_pack import part\n    return part.bands(x)\n"

    def of(constant):
        return told(
            project(
                nnrel_main=main,
                nnrel_pack____init__="",
                nnrel_pack__part="from .deep import cut\ndef bands(x):\n    return cut(x)\n",
                nnrel_pack__deep=f"def cut(x):\n    return x[:{constant}]\n",
            ).encode
        )

    assert of(3) == of(3) != of(4)
    assert "nnrel_pack" not in sys.modules


def test_a_module_that_an_object_holds_is_told_whole(project):
    def of(constant):
        model = Plain(project(nnrel_help=f"def bands(x):\n    return x[:{constant}]\n"))
        return told(model), told(model, state=False)

    assert of(3) == of(3)
    assert not {*of(3)} & {*of(4)}


def test_names_that_are_computed_are_told_by_the_modules_file(project):
    main = "import nnrel_help\ndef encode(x):\n    return getattr(nnrel_help, 'ba' + 'nds')(x)\n"

    def of(constant):
        help = f"def bands(x):\n    return x[:{constant}]\n"
        return told(project(nnrel_main=main, nnrel_help=help).encode)

    assert of(3) == of(3) != of(4)


def spectrum(x):
    return np.fft.rfft(x)


def filtered(x):
    return scipy.signal.lfilter([1.0], [1.0], x)


def test_what_is_patched_into_a_library_is_told(monkeypatch):
    before = told(spectrum), told(filtered)
    monkeypatch.setattr(np.fft, "rfft", lambda x: x)
    assert told(spectrum) != before[0]
    monkeypatch.setattr(scipy.signal, "lfilter", scipy.signal.filtfilt)
    assert told(filtered) != before[1]
    monkeypatch.undo()
    assert (told(spectrum), told(filtered)) == before


def test_what_is_patched_into_a_librarys_class_is_told(monkeypatch):
    counter = logging.Formatter()
    before = told(counter)
    monkeypatch.setattr(logging.Formatter, "format", lambda self, record: "mine")
    assert told(counter) != before


def test_code_made_from_text_is_told_by_what_it_does():
    def made(n, **space):
        exec(f"def f(x):\n    return x * {n}\nclass K:\n    n = {n}\n", space)
        return told(space["f"], space["K"]())

    assert made(2) == made(2) != made(3)
    assert made(2, __name__="nowhere") == made(2, __name__="nowhere") != made(3, __name__="nowhere")


# ---------------------------------------------------------------------------------------------
# State


class Plain:
    def __init__(self, value=1):
        self.value = value


class Slotted:
    __slots__ = ("never", "value")

    def __init__(self, value):
        self.value = value


@dataclass
class Data:
    value: int


class Named(dict):
    pass


class Colour(Enum):
    RED = 1
    BLUE = 2


def cyclic(value):
    made = Plain(value)
    made.me = made
    return made


STATES = {
    "attributes": lambda n: Plain(n),
    "slots": lambda n: Slotted(n),
    "dataclasses": lambda n: Data(n),
    "nested": lambda n: Plain([{"a": (Plain(n),)}]),
    "cycles": cyclic,
    "subclasses of dict": lambda n: Named(a=n),
    "namedtuples": lambda n: Pair(n, 0),
    "enumerations": lambda n: Plain(Colour(n)),
    "sets": lambda n: Plain({n, "b", 3.5}),
    "frozen sets": lambda n: Plain(frozenset({(n, 5)})),
    "containers": lambda n: [OrderedDict(a=n), defaultdict(list, a=[n]), deque([n])],
    "order": lambda n: [n, 3 - n],
    "arrays": lambda n: np.arange(9.0) * n,
    "strided arrays": lambda n: (np.arange(18.0) * n)[::2],
    "types of arrays": lambda n: np.zeros(3, ["f4", "f8"][n - 1]),
    "arrays of objects": lambda n: np.array([Plain(n), None]),
    "records": lambda n: np.array([(n, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "numpy's generators": lambda n: np.random.default_rng(n),
    "paths": lambda n: Path(f"model-{n}.bin"),
    "bytes": lambda n: bytearray([n]),
    "operators": lambda n: operator.itemgetter(n),
    "methods": lambda n: Plain(n).__init__,
    "cached functions": lambda n: functools.lru_cache(lambda x: x * n),
    "namespaces": lambda n: types.SimpleNamespace(a=n),
    "signs of zero": lambda n: 0.0 if n == 1 else -0.0,
    "kinds of numbers": lambda n: 1 if n == 1 else True,
}


@pytest.mark.parametrize("make", STATES.values(), ids=STATES.keys())
def test_another_state_is_told(make):
    one, other = make(1), make(2)
    assert told(one) == told(make(1))
    assert told(other) != told(one)
    if not isinstance(one, types.MethodType):
        assert told(copy.deepcopy(one)) == told(one)


def test_a_change_in_place_is_told():
    model = Plain(np.zeros(3))
    before = told(model)
    model.value[1] = 1.0
    assert told(model) != before
    model.value[1] = 0.0
    assert told(model) == before
    model.encode = types.MethodType(lambda self, x: x, model)
    assert told(model) != before


def test_loggers_and_locks_do_not_matter():
    def made(name):
        model = Plain()
        model.log, model.lock = logging.getLogger(name), threading.Lock()
        model.lock.acquire()
        return model

    assert told(made("a")) == told(made("b"))


def test_a_behaviour_is_known_again_by_every_process(tmp_path, project):
    project(nnrel_main=MAIN)
    script = (
        "import sys, nnrel_main as m; from pytest_nnrel.identity import behaviour_of;"
        "sys.stdout.write(behaviour_of(m.encode, m.model, {'b', 'c', 'd'}).digest)"
    )
    found = set()
    for seed in "012":
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path, env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.add(done.stdout)
    module = importlib.import_module("nnrel_main")
    assert found == {told(module.encode, module.model, {"b", "c", "d"})}


# ---------------------------------------------------------------------------------------------
# What cannot be told


def moving():
    yield 1


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(moving, id="generator"),
        pytest.param(lambda: iter([1]), id="iterator"),
        pytest.param(lambda: open(__file__), id="open file"),  # noqa: SIM115
        pytest.param(lambda: memoryview(b"1"), id="foreign memory"),
        pytest.param(sys._getframe, id="frame"),
    ],
)
@pytest.mark.parametrize(
    "held",
    [lambda x: x, lambda x: Plain(x), lambda x: [{"a": x}], lambda x: lambda: x],
    ids=["itself", "in an attribute", "in a container", "in a closure"],
)
def test_what_cannot_be_looked_into_is_unknown(make, held):
    content = make()
    assert not behaviour_of(held(content)).known
    if hasattr(content, "close"):
        content.close()


def test_what_is_too_large_to_look_through_is_unknown(monkeypatch):
    monkeypatch.setattr("pytest_nnrel.identity.walk.MOST_OBJECTS", 100)
    assert behaviour_of([[i] for i in range(90)]).known
    assert behaviour_of([[i] for i in range(110)]).unknown == ("more than 100 objects",)


def test_what_is_nested_too_deeply_is_unknown():
    chain = None
    for _ in range(10_000):
        chain = [chain]
    assert not behaviour_of(chain).known


def test_objects_that_raise_are_unknown_and_no_error():
    class Hostile:
        def __eq__(self, other):
            raise RuntimeError("compared")

        def __getattr__(self, name):
            raise RuntimeError("asked")

        __hash__ = None

    assert behaviour_of(Hostile()).known

    class Moody(bytes):
        def __reduce_ex__(self, protocol):
            raise RuntimeError("copied")

    behaviour_of(Moody(b"1"), Plain(Moody(b"2")))


def test_functions_of_libraries_are_known():
    assert told(math.sqrt) != told(math.cbrt)
    assert told(np.flip) != told(np.roll)
    assert told(np.abs) != told(np.sign)
    assert told(str.upper) != told(str.lower)


# ---------------------------------------------------------------------------------------------
# Code alone, where the owner vouches for the state


class Counter:
    """State moves with each use; code does not."""

    def __init__(self, fn, weights):
        self.fn, self.weights = fn, weights
        self.uses, self.log, self.seen, self.last = 0, [], set(), None

    def __call__(self, x):
        self.uses += 1
        self.log.append(x)
        self.seen.add(x)
        self.last = np.full(3, x)
        self.more = x
        return self.fn(x)


def test_code_alone_passes_over_state():
    counter = Counter(math.sqrt, np.zeros(3))
    before = told(counter, state=False)
    for x in range(3):
        counter(x)
    assert told(counter, state=False) == before
    counter.weights += 1
    assert told(counter, state=False) == before
    counter.fn = math.cbrt
    assert told(counter, state=False) != before


def test_code_alone_keeps_constants(project):
    def of(source, name):
        return told(getattr(project(nnrel_main=source), name), state=False)

    for edit in ("global", "default", "closure", "class attribute", "its own code"):
        name, before, after = EDITS[edit]
        assert of(MAIN.replace(before, after), name) != of(MAIN, name), edit


# ---------------------------------------------------------------------------------------------
# torch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def net(torch):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU())


def halved(self, x):
    return torch.nn.functional.linear(x, self.weight) / 2


PATCHES = {
    "forward of an instance": lambda net, torch, patch: patch.setattr(
        net, "forward", lambda x: x[:, :2], raising=False
    ),
    "method of a layer": lambda net, torch, patch: patch.setattr(
        net[0], "forward", types.MethodType(halved, net[0]), raising=False
    ),
    "forward of a class": lambda net, torch, patch: patch.setattr(
        torch.nn.Linear, "forward", halved
    ),
    "hook": lambda net, torch, patch: net[0].register_forward_hook(lambda m, i, o: 2 * o),
    "hook before": lambda net, torch, patch: net[0].register_forward_pre_hook(lambda m, i: i),
    "weight": lambda net, torch, patch: net[0].weight.data.mul_(2),
    "buffer": lambda net, torch, patch: net[1].running_mean.add_(1),
    "option": lambda net, torch, patch: setattr(net[1], "eps", 1e-3),
    "mode": lambda net, torch, patch: net.eval(),
}


@pytest.mark.parametrize("patched", PATCHES.values(), ids=PATCHES.keys())
def test_patches_of_a_module_are_told(net, torch, monkeypatch, patched):
    before = told(net)
    assert told(copy.deepcopy(net)) == before
    patched(net, torch, monkeypatch)
    assert told(net) != before


def test_the_same_hooks_are_told_alike_however_many_there_were_before(net, torch):
    def hooked(turned):
        module = copy.deepcopy(net)
        hooks = [lambda m, i, o: 2 * o, lambda m, i, o: o + 1]
        for hook in hooks[::-1] if turned else hooks:
            module[0].register_forward_hook(hook)
        return module

    assert told(hooked(False)) == told(hooked(False)) != told(hooked(True))


def test_what_torch_is_set_to_is_told_where_it_takes_part(net, torch):
    before = told(net), told(spectrum)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = told(net)
        assert told(spectrum) == before[1]
    with torch.autocast("cpu", dtype=torch.float16):
        assert len({before[0], under, told(net)}) == 3
    torch.set_default_dtype(torch.float64)
    try:
        assert told(net) != before[0]
    finally:
        torch.set_default_dtype(torch.float32)
    assert (told(net), told(spectrum)) == before


def test_scripts_and_weights_that_are_not_there_are_unknown(net, torch):
    assert not behaviour_of(torch.nn.LazyLinear(3)).known
    assert not behaviour_of(torch.nn.Linear(3, 3, device="meta")).known
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit")  # deprecated
        script = torch.jit.script(net)
    assert not behaviour_of(script).known


def test_this_package_is_a_library_and_a_users_module_is_not(project):
    mine = project(nnrel_mine="def encode(x): return x")
    for module in (pytest_nnrel, pytest_nnrel.measures, np, scipy.signal):
        assert is_library_file(module.__file__)
    assert not is_library_file(mine.__file__)


def test_packages_installed_elsewhere_are_libraries(tmp_path):
    """As by ``pip install --target``: told by their version, and not read file by file."""
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "mine.py").write_text(
        "import elsewhere\ndef encode(x):\n    return elsewhere.f(x)\n"
    )

    def digest(version, body):
        for old in target.glob("*.dist-info"):
            shutil.rmtree(old)
        about = target / f"elsewhere-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: elsewhere\nVersion: {version}\n"
        )
        (target / "elsewhere.py").write_text(f"def f(x):\n    return {body}\n")
        code = (
            "import mine; from pytest_nnrel.identity import behaviour_of;"
            " print(behaviour_of(mine.encode))"
        )
        places = os.pathsep.join([str(target), str(tmp_path), *sys.path])
        done = subprocess.run(
            [sys.executable, "-B", "-c", code],
            capture_output=True, text=True, check=True, timeout=PATIENCE,
            env={**os.environ, "PYTHONPATH": places},
        )  # fmt: skip
        return done.stdout

    first = digest("1.0", "x + 1")
    assert digest("1.0", "x + 1 + 1") == first
    assert digest("1.1", "x + 1") != first
