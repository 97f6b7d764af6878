"""Docstrings say of signatures what is so: names, order, defaults, and errors that there are."""

from __future__ import annotations

import ast
import builtins
import contextlib
import re
from functools import cache
from pathlib import Path

import griffe
import pytest

import pytest_nnrel
from pytest_nnrel import strategies

ROOT = Path(pytest_nnrel.__file__).parents[1]
PACKAGES = ("pytest_nnrel", "reference_models")
_STARS = {
    griffe.ParameterKind.var_positional: "*",
    griffe.ParameterKind.var_keyword: "**",
}


@cache
def package(name):
    return griffe.load(name, docstring_parser="numpy", search_paths=[ROOT])


def callables(within):
    for member in within.members.values():
        if not member.is_alias:
            if member.is_function or member.is_class:
                yield member
            if member.is_module or member.is_class:
                yield from callables(member)


def sections(documented, kind):
    if documented.docstring is None:
        return []
    return [s for s in documented.docstring.parse(warnings=False) if s.kind is kind]


def described(documented):
    """Return the parameters that a docstring has, or None where it has no section of them."""
    found = sections(documented, griffe.DocstringSectionKind.parameters)
    return [parameter for section in found for parameter in section.value] if found else None


def own_parameters(documented):
    return [p for p in documented.parameters if p.name not in ("self", "cls")]


def differences(documented):
    """Yield what a docstring says otherwise than the signature.

    Those that are given by place are described in their order; those that are given by name may be
    grouped as their meaning is.
    """
    parameters = {_STARS.get(p.kind, "") + p.name: p for p in own_parameters(documented)}
    entries = described(documented)
    names = [entry.name for entry in entries]
    if sorted(names) != sorted(parameters):
        yield f"describes {names}, takes {list(parameters)}"
        return
    kinds = (griffe.ParameterKind.positional_only, griffe.ParameterKind.positional_or_keyword)
    by_place = [name for name, p in parameters.items() if p.kind in kinds]
    if [name for name in names if name in by_place] != by_place:
        yield f"describes {names}, takes {by_place} by place"
    types = types_of(documented)
    for name in names:
        of_type, default = types.get(name, ""), parameters[name].default
        if (of_type.endswith("optional") or "default" in of_type) and default is None:
            yield f"{name} is {of_type}, and has no default"
        elif (stated := stated_default(of_type, default)) is not None and stated != default:
            yield f"{name} is {of_type}, and its default is {default}"


def types_of(documented):
    """Return the types of parameters as they are written: griffe takes parts of them away."""
    types = {}
    for line in documented.docstring.value.splitlines():
        names, colon, of_type = line.partition(" : ")
        if colon and not line.startswith(" "):
            for name in names.split(", "):
                types.setdefault(name, of_type)
    return types


def stated_default(of_type, default):
    """Return the default that a type names, written as the signature has it, or None.

    Of several values numpydoc has the default first, where it is one of them.
    """
    if (named := re.search(r"default(?:=|: | )(.+)$", of_type)) is not None:
        return named[1]
    if of_type.startswith("{") and default is not None:
        values = ast.literal_eval(f"[{of_type[1 : of_type.index('}')]}]")
        return default if default not in map(repr, values) else repr(values[0])
    return None


def is_error(name, documented):
    """Tell whether a name is one of Python, of the module, or of the packages' errors."""
    if isinstance(getattr(builtins, name, None), type):
        return issubclass(getattr(builtins, name), BaseException)
    with contextlib.suppress(griffe.NameResolutionError):
        return bool(documented.resolve(name))
    return any(name in package(p)["errors"].members for p in PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_parameters_are_those_of_the_signature(name):
    wrong = {
        documented.path: list(differences(documented))
        for documented in callables(package(name))
        if described(documented) is not None
    }
    assert len(wrong) > 50
    assert {path: texts for path, texts in wrong.items() if texts} == {}


@pytest.mark.parametrize("name", PACKAGES)
def test_errors_that_are_told_exist(name):
    told = [
        (name, documented)
        for documented in callables(package(name))
        for section in sections(documented, griffe.DocstringSectionKind.raises)
        for error in section.value
        for name in re.findall(r"\w+", str(error.annotation))
    ]
    assert told
    assert [(e, d.path) for e, d in told if not is_error(e, d)] == []


def public_functions():
    for module in (pytest_nnrel, strategies):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and not isinstance(value, type):
                yield f"{value.__module__}.{value.__qualname__}"
    yield "reference_models.checkpoint.load"


@pytest.mark.parametrize("path", sorted(public_functions()))
def test_public_functions_describe_what_they_take(path):
    home, _, name = path.partition(".")
    function = package(home)[name]
    assert function.docstring is not None
    assert described(function) is not None or not own_parameters(function)


def function_of(source):
    """Return the function that a module of this source has."""
    module = griffe.visit("m", Path("m.py"), source, docstring_parser=griffe.Parser.numpy)
    return next(callables(module))


@pytest.mark.parametrize(
    ("signature", "section", "expected"),
    [
        ("a, b", "a : int\nb : int", []),
        ("a, *, b, c", "a : int\nc, b : int", []),
        ("*a, **b", "*a\n**b", []),
        ("a, b", "a : int", ["describes ['a'], takes ['a', 'b']"]),
        ("a", "a : int\nb : int", ["describes ['a', 'b'], takes ['a']"]),
        ("a", "a : int\na : int", ["describes ['a', 'a'], takes ['a']"]),
        ("a, b", "b : int\na : int", ["describes ['b', 'a'], takes ['a', 'b'] by place"]),
        ("a='x'", 'a : {"x", "y"}', []),
        ("a", 'a : {"x", "y"}', []),
        ("a='y'", 'a : {"x", "y"}', ['a is {"x", "y"}, and its default is \'y\'']),
        ("a=None", 'a : {"x", "y"}, optional', []),
        ("a=None", "a : int, optional", []),
        ("a", "a : int, optional", ["a is int, optional, and has no default"]),
        ("a=3", "a : int, default 3", []),
        ("a=4", "a : int, default: 3", ["a is int, default: 3, and its default is 4"]),
        ("a", "a : int, default=3", ["a is int, default=3, and has no default"]),
    ],
)
def test_differences_are_found(signature, section, expected):
    text = "".join(f"    {line}\n" for line in f"Parameters\n----------\n{section}".splitlines())
    source = f'def f({signature}):\n    """Do.\n\n{text}    """\n    raise KeyError\n'
    found = list(differences(function_of(source)))
    assert found == expected


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("KeyError", True), ("NNRelError", True), ("NoError", False), ("int", False)],
)
def test_errors_are_told_from_other_names(name, is_one):
    assert is_error(name, function_of("def f(): ...")) is is_one
