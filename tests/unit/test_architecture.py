"""The rooms of the house: who may import whom, and what importing costs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_nnrel
from pytest_nnrel.transforms import field

ROOT = Path(pytest_nnrel.__file__).parent
#: From the bottom up; a module imports from rows below its own, or from its own package, and takes
#: its types from there too.
LAYERS = (
    ("errors",),
    ("runtime",),
    ("kernels", "identity"),
    ("statistics",),
    ("measurement",),
    ("requirement",),
    ("recording",),
    ("corpus",),
    ("transforms",),
    ("distances",),
    ("encoders",),
    ("experiment",),
    ("audit",),
    ("measures", "directions"),
    ("failures",),
    ("assertions", "strategies", "examples"),
    ("breaks",),
    (
        "interchange",
        "response",
        "search",
        "monotonicity",
        "sanity",
        "baselines",
        "families",
        "profiles",
    ),
    ("training",),
    ("report",),
    ("inspection", "verification"),
    ("commands",),
    ("plugin", "__main__"),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
#: Imported when pytest starts, or when a run is collected: standard library and pytest only.
LIGHT = (
    "__init__", "errors", "measurement", "plugin", "recording", "requirement", "transforms",
    "runtime/files", "runtime/handover", "runtime/printing", "runtime/registry", "runtime/scopes",
    "runtime/settings", "runtime/versions",
)  # fmt: skip
#: What statistics, pure maths, may know of this package.
OF_STATISTICS = (
    "pytest_nnrel.errors",
    "pytest_nnrel.kernels",
    "pytest_nnrel.runtime.blas",
    "pytest_nnrel.runtime.tasks",
)


#: Longer, a module has more than one subject.
MOST_LINES = 450
#: Numba's cache on disk looks at the file of a function only, and would go on using code built with
#: what another file held before: all that is compiled into one another lies in one.
LONG = ("pytest_nnrel/kernels/lanes.py",)


def modules():
    return sorted(ROOT.rglob("*.py"))


def room_of(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(tree, *, everywhere):
    """Yield imported module names, those of types and within functions only if everywhere."""
    pending = [(node, True) for node in tree.body]
    while pending:
        node, top = pending.pop()
        of_types = isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        if of_types and not everywhere:
            continue
        if isinstance(node, ast.Import) and (top or everywhere):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (top or everywhere):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        below = top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        pending += [(child, below) for child in ast.iter_child_nodes(node)]


def test_imports_of_types_are_imports():
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from pytest_nnrel.report import html\n"
        "class A:\n    if TYPE_CHECKING:\n        import pytest_nnrel.plugin\n"
        "def f():\n    import numpy\n"
    )
    assert list(imports(tree, everywhere=False)) == ["typing.TYPE_CHECKING"]
    assert set(imports(tree, everywhere=True)) == {
        "typing.TYPE_CHECKING", "pytest_nnrel.report.html", "pytest_nnrel.plugin", "numpy",
    }  # fmt: skip


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_arrows_point_down(path):
    room = room_of(path)
    if room == "__init__":
        return  # knows every public name, lazily
    assert room in LEVEL, f"{room} has no place in the house yet"
    for name in imports(ast.parse(path.read_text()), everywhere=True):
        assert not name.startswith("reference_models")
        if name.startswith("pytest_nnrel."):
            other = name.split(".")[1]
            if other in LEVEL and other != room:
                assert LEVEL[other] < LEVEL[room], f"{room} must not import {other}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_pytest_loads_at_its_start_imports_the_standard_library_only(path):
    import sys

    module = path.relative_to(ROOT).with_suffix("").as_posix()
    if room_of(path) not in LIGHT and module not in LIGHT:
        return
    for name in imports(ast.parse(path.read_text()), everywhere=False):
        top = name.split(".")[0]
        assert top in {*sys.stdlib_module_names, "pytest", "pytest_nnrel"}, name


def test_only_statistics_know_scipys_and_they_know_nothing_of_the_rest():
    for path in modules():
        if room_of(path) != "statistics":
            assert "scipy.stats" not in path.read_text(), path
            continue
        for name in imports(ast.parse(path.read_text()), everywhere=True):
            if name.startswith("pytest_nnrel."):
                assert name.startswith((*OF_STATISTICS, "pytest_nnrel.statistics")), (path, name)


def test_every_public_name_is_imported_lazily_and_for_type_checkers_alike():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    checked = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    # The field's families are found: see test_the_stub_names_the_fields_families.
    assert checked | {"__version__", *field.__all__} == set(pytest_nnrel.__all__)
    for name in pytest_nnrel.__all__:
        assert getattr(pytest_nnrel, name) is not None
    assert dir(pytest_nnrel) == pytest_nnrel.__all__


@pytest.mark.parametrize("package", ["pytest_nnrel", "reference_models"])
def test_no_module_is_long(package):
    root = ROOT.parent
    lines = {
        path.relative_to(root).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (root / package).rglob("*.py")
    }
    long = {name: number for name, number in lines.items() if number > MOST_LINES}
    assert set(long) == {name for name in LONG if name.startswith(package)}, long


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'assert_everything'"):
        _ = pytest_nnrel.assert_everything
