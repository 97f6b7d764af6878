"""Write the stub by which type checkers know the field's families.

Run it as ``python scripts/stub_families.py`` once a module was added to the package.
"""

from __future__ import annotations

from pathlib import Path

from pytest_nnrel.transforms import families, field

STUB = Path(field.__file__).with_suffix(".pyi")


def stub() -> str:
    """Return the stub: every family, imported from its module, and their names."""
    known = families()
    names = field.__all__
    lines = [f"# Written by scripts/{Path(__file__).name}."]
    lines += sorted(f"from {known[name].__module__} import {name} as {name}" for name in names)
    lines += ["", "__all__ = [", *(f'    "{name}",' for name in sorted(names)), "]", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
