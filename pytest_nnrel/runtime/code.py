"""The code that stored values depend on.

A value is found again only where everything that it depends on is the same. So the whole package
is part of every key, but for modules that are known not to matter: what is new counts until it is
listed here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.versions import library_version

#: Modules that decide no stored value: they ask, judge, show and store.
NOT_IN_KEYS = (
    "__init__.py",
    "__main__.py",
    "commands/*.py",
    "assertions.py",
    "baselines/*.py",
    "breaks.py",
    "directions.py",
    "encoders/named.py",
    "errors.py",
    "examples.py",
    "experiment/noise_scale.py",
    "families.py",
    "inspection.py",
    "measurement/*.py",
    "interchange.py",
    "monotonicity.py",
    "plugin/*.py",
    "recording.py",
    "report/*.py",
    "profiles/*.py",
    "requirement.py",
    "runtime/files.py",
    "runtime/output.py",
    "runtime/printing.py",
    "runtime/progress.py",
    "sanity/*.py",
    "sanity/checks/*.py",
    "search.py",
    "response.py",
    "statistics/comparison.py",
    "statistics/scores.py",
    "statistics/displacements.py",
    "statistics/rotation.py",
    "statistics/trainings.py",
    "strategies/*.py",
    "verification.py",
)

#: Libraries that decode, resample, measure loudness, take features and compare them.
_LIBRARIES = ("av", "librosa", "numba", "numpy", "pyloudnorm", "scipy", "soundfile", "soxr")


@cache
def code_version(root: Path = Path(__file__).parents[1]) -> str:
    """Return a digest of the code, our own and the libraries', that stored values depend on.

    Parameters
    ----------
    root : Path
        Folder of the package.

    Raises
    ------
    LookupError
        If a pattern of `NOT_IN_KEYS` matches nothing: a module has moved, and whether its code
        decides stored values must be said anew.
    """
    passed_over: set[Path] = set()
    for pattern in NOT_IN_KEYS:
        matched = set(root.glob(pattern))
        if not matched:
            raise LookupError(f"{pattern!r} of NOT_IN_KEYS matches no module of {root}")
        passed_over |= matched
    files = sorted(set(root.rglob("*.py")) - passed_over)
    return digest(
        [(name, library_version(name)) for name in ("pytest-nnrel", *_LIBRARIES)],
        [file.relative_to(root).as_posix() for file in files],
        *(file.read_bytes() for file in files),
    )
