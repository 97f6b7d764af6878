"""A process that nothing has happened in."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.errors import EncoderError
from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import unchanged
from pytest_nnrel.sanity.observed import Observed
from pytest_nnrel.sanity.symptom import FaultError, Symptom, skip

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders import Encoder
    from pytest_nnrel.sanity.under_test import EncoderUnderTest, Matrix

#: After this long a fresh process is given up.
PROCESS_SECONDS = 300.0
#: Lines of its error output that a reason quotes.
_QUOTED_LINES = 3
#: What encoding there came to, where that is no embeddings.
_FAULT = ".fault"
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    f" from {__name__} import encode_here; encode_here(*sys.argv[2:])"
)


class FreshProcess(SanityCheck):
    """A new interpreter, which hashes text otherwise, gives the same but for rounding."""

    name = "fresh_process"
    title = "the same result in a fresh process"
    cause = (
        "weights drawn when a module is imported or first called, hash() of text, the order of a"
        " set, or a state that earlier calls left"
    )
    order = 150

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        expected = tested.embeddings
        fresh = _encode_elsewhere(tested.encoder, tested.windows, tested.rate)
        if fresh.shape != expected.shape:
            return Symptom(
                f"embeddings of {fresh.shape[1]} numbers instead of {expected.shape[1]}", None
            )
        return unchanged(tested, lambda: fresh, "encoded in a fresh process")


def _encode_elsewhere(encoder: Encoder, windows: Samples, rate: int) -> Matrix:
    """Return the embeddings that a new interpreter computes, which hashes text differently."""
    from pytest_nnrel.encoders.travel import packed

    try:
        pickled = packed((Observed(encoder), windows, rate))
    except Exception as error:
        why = str(error).partition("\n")[0]
        skip(f"it cannot be pickled for another process ({type(error).__name__}: {why})")
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    with tempfile.TemporaryDirectory(prefix="pytest-nnrel-") as folder:
        given, returned = Path(folder, "given.pickle"), Path(folder, "embeddings.npy")
        given.write_bytes(pickled)
        try:
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, json.dumps(sys.path), str(given), str(returned)],
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                timeout=PROCESS_SECONDS,
            )
        except subprocess.TimeoutExpired:
            skip(f"a fresh process took over {PROCESS_SECONDS:g} s")
        fault = returned.with_suffix(_FAULT)
        if fault.exists():
            raise FaultError(f"in a fresh process, {fault.read_text(encoding='utf-8')}")
        if done.returncode:
            last = " | ".join(done.stderr.strip().splitlines()[-_QUOTED_LINES:])
            skip(f"it cannot be run in a fresh process: {last}")
        return np.asarray(np.load(returned), dtype=np.float64)


def encode_here(given: str, returned: str) -> None:
    """Encode what another process has pickled; the fresh process's side of `_encode_elsewhere`."""
    encoder, windows, rate = pickle.loads(Path(given).read_bytes())
    try:
        embeddings = encoder.encode(windows, rate)
    except EncoderError as error:  # it came over, and does not encode there
        Path(returned).with_suffix(_FAULT).write_text(str(error), encoding="utf-8")
        return
    np.save(returned, embeddings)
