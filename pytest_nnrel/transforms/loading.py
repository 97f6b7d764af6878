"""Import of pedalboard, whose wheel needs a library that small systems lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.errors import EngineError

if TYPE_CHECKING:
    from types import ModuleType


def load_pedalboard() -> ModuleType:
    """Import pedalboard.

    Returns
    -------
    module
        pedalboard.

    Raises
    ------
    EngineError
        Where it cannot be imported, such as for a library of the system that is missing.
    """
    try:
        import pedalboard
    except ImportError as error:
        if "libatomic" in str(error):
            cure = (
                "install the system's package that has this library: libatomic1 (Debian, Ubuntu;"
                " apt-get install libatomic1) or libatomic (Fedora)"
            )
        elif "shared object" in str(error):
            cure = "install the system's package that has this library"
        else:
            cure = "install it anew: pip install --force-reinstall pedalboard"
        raise EngineError(f"pedalboard cannot be imported: {error}; {cure}") from error
    return pedalboard
