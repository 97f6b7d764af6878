"""Families that the field asks for, beside the paper's: one a file, and a file is enough.

Whatever family a module of this package defines is public: here, in `pytest_nnrel`, in the grid
`field` with its points, and in the reference. Type checkers know of them by the stub beside this
file, which ``python scripts/stub_families.py`` writes.
"""

from pytest_nnrel.transforms.registry import families_in

_FOUND = families_in(__name__, __path__)

__all__ = list(_FOUND)
globals().update(_FOUND)
