"""What the key of each kind of stored value holds, and the code that all of them hold.

A value is found again only where everything that it depends on is the same. So the whole package
is part of every key, but for modules that are known not to matter: what is new counts until it is
listed here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.versions import library_version

#: What the key of each kind of entry is made of, besides the code.
KEYS: dict[str, frozenset[str]] = {
    kind: frozenset(parts.split())
    for kind, parts in {
        # That a corpus is sound: no silent clip, none that cannot be decoded.
        "checked": "corpus",
        # Samples of transformed clips, their features and records of what was verified, in one
        # scope, by clip: its content, id, rate and source. A transformation is told by recipe and
        # behaviour.
        "clips": "window seed transform",
        # Embeddings, by clip. An encoder is told by fingerprint, behaviour, rate, window and batch;
        # the generation grows where stored embeddings were found not to hold.
        "embeddings": "window seed transform encoder generation",
        # A block of rows of distances in audio space.
        "distances": "corpus window seed transform distance rows",
        # Each clip's own original and its nearest other, where they are many. A space is told by all
        # that its distances depend on.
        "exemplars": "space groups",
        # How far clips of a corpus are from their originals, on a scale told by its version.
        "damage": "corpus window seed transform scale",
        # How far an original is from the nearest other, in the median over a corpus.
        "yardstick": "corpus window groups distance",
        # Replicates of C_rho.
        "bootstrap": "corpus audio latent pairs groups seed",
    }.items()
}

#: Modules that decide no stored value: they ask, judge, show and store.
NOT_IN_KEYS = (
    "__init__.py",
    "__main__.py",
    "commands/*.py",
    "assertions.py",
    "audit/*.py",
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


def key_of(kind: str, **parts: object) -> str:
    """Return the key of a stored value: a digest of its kind, of the code, and of its parts.

    Raises
    ------
    TypeError
        If these are not the parts that `KEYS` names.
    """
    if parts.keys() != KEYS[kind]:
        raise TypeError(f"keys of {kind} hold {sorted(KEYS[kind])}, not {sorted(parts)}")
    return digest(kind, code_version(), parts)
