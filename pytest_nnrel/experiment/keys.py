"""What the key of each kind of stored value holds, besides the code, see `runtime.code`."""

from __future__ import annotations

from pytest_nnrel.runtime.code import code_version
from pytest_nnrel.runtime.store import digest

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
        # Embeddings, by clip. An encoder is told by fingerprint, behaviour, rate, window and batch,
        # by device, and by how compilers and runtimes execute it; the generation grows where stored
        # embeddings were found not to hold.
        "embeddings": "window seed transform encoder generation",
        # What is odd in a corpus: recordings that are there twice, clips that are cut off.
        "audit": "corpus seed",
        # A block of rows of distances in audio space.
        "distances": "corpus window seed transform distance rows",
        # Each clip's own original and its nearest other, where they are many. A space is told by
        # all that its distances depend on.
        "exemplars": "space groups",
        # How far clips of a corpus are from their originals, on a scale told by its version.
        "damage": "corpus window seed transform scale",
        # How far an original is from the nearest other, in the median over a corpus.
        "yardstick": "corpus window groups distance",
        # Replicates of C_rho.
        "bootstrap": "corpus audio latent pairs groups seed",
    }.items()
}


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
