"""The line of code that makes an encoder of an object which takes its audio in a form of its own.

It is looked for where an object raises, by running each line that may do on noise: what a message
says to write has been run, word by word.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_nnrel.encoders.global_rngs import global_rngs_seeded
from pytest_nnrel.encoders.rates import RATE_NAMES
from pytest_nnrel.encoders.unheard import errors_unheard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Encoder

#: Windows that a line is tried on: not two, which are taken for a pair.
_TRIED_ROWS: Final = 3
#: How lines write the rate: a parameter of this name is told it.
RATE: Final = "sample_rate"
#: Keys of a mapping beyond which an object asks for more than audio.
_MOST_KEYS: Final = 4


@dataclass(frozen=True)
class Line:
    """A line of code.

    Attributes
    ----------
    where : str
        What is to be so of the object: "it takes one window at a time".
    given : str
        What is written in the parentheses of ``as_encoder(...)``, but for options.
    options : str
        Those that belong to the line.
    """

    where: str
    given: str
    options: str = ""

    def code(self, options: Mapping[str, Any]) -> str:
        """Return the line, with further options where they are not None."""
        asked = [f"{key}={value!r}" for key, value in options.items() if value is not None]
        return f"as_encoder({', '.join([self.given, *filter(None, [self.options]), *asked])})"


ONE_ROW: Final = Line("it takes one window at a time", "model", "batch_size=1")
_NO_ROWS: Final = "it takes one window at a time, of one axis"


@dataclass(frozen=True)
class Written:
    """How lines write a call of what embeds.

    Attributes
    ----------
    call : str
        ``model``, ``model.encode``.
    batch : str
        What it is given.
    library : str
        What stacks its outputs.
    """

    call: str = "model"
    batch: str = "batch"
    library: str = "np"

    @property
    def output(self) -> str:
        """Its output of a batch."""
        return f"{self.call}({self.batch})"

    @property
    def by_window(self) -> str:
        """A function that gives it one window at a time, of one axis."""
        rows = f"[{self.call}(window) for window in {self.batch}]"
        return f"lambda batch: {self.library}.stack({rows})"


@dataclass(frozen=True)
class Asked:
    """What an object asks of its input.

    Attributes
    ----------
    keys : tuple of str
        Of a mapping.
    names : tuple of str
        Of parameters that must be named.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...]

    def mapping(self, audio: str) -> str:
        """Return a mapping with those keys, of audio that is written so; empty without any."""
        values = {key: RATE if key in RATE_NAMES else audio for key in self.keys}
        entries = ", ".join(f'"{key}": {value}' for key, value in values.items())
        return f"{{{entries}}}" if entries else ""


def of_functions(written: Written, asked: Asked) -> list[Line]:
    """Return lines for what takes arrays."""
    call = written.call
    of_batches = {
        "it takes a list of windows": "list(batch)",
        "it takes an axis of channels": "batch[:, None]",
        "it takes a mapping": asked.mapping("batch"),
        "it takes its input by name": ", ".join(f"{name}=batch" for name in asked.names),
        "it takes pairs of window and sample rate": "[(window, sample_rate) for window in batch]",
        "it takes tensors": "torch.from_numpy(batch)",
    }
    of_windows = {
        _NO_ROWS: "window",
        "it takes one window with its sample rate": "(window, sample_rate)",
        "it takes a mapping of one window": asked.mapping("window"),
        "it takes one tensor at a time": "torch.from_numpy(window)",
    }
    lines = [ONE_ROW]
    for where, given in of_batches.items():
        if given:
            lines.append(Line(where, _of_batch(f"{call}({given})")))
            lines.append(Line(where, _of_batch(f"np.stack({call}({given}))")))
    for where, given in of_windows.items():
        if given:
            lines += _joined(where, f"[{call}({given}) for window in batch]")
    paths = f"[{call}(path) for path in wav_files(batch, sample_rate)]"
    return lines + _joined("it takes paths of files", paths)


def _joined(where: str, rows: str) -> list[Line]:
    """Return lines that make one matrix of vectors, or of matrices of one row."""
    return [Line(where, _of_batch(f"np.{join}({rows})")) for join in ("stack", "concatenate")]


def _of_batch(written: str) -> str:
    """Return a function of the batch, and of the sample rate where that is spoken of."""
    return f"lambda batch{f', {RATE}' if RATE in written else ''}: {written}"


def of_modules(written: Written, asked: Asked, method: str | None) -> list[Line]:
    """Return lines for torch modules.

    Parameters
    ----------
    written : Written
    asked : Asked
    method : str or None
        The one that embeds, where it is not the one that `as_encoder` would take.
    """
    named = "" if method is None else f"method={method!r}"
    mapping = asked.mapping("batch")
    front_ends = {
        "it takes an axis of channels": _of_batch("batch[:, None]"),
        "it takes a list of windows": "list",
        "it takes a mapping": mapping and _of_batch(f"({mapping},)"),
        "it takes its input by name": "".join(
            _of_batch(f'{{"{name}": batch}}') for name in asked.names
        ),
        "it takes windows with their sample rate": _of_batch("((batch, sample_rate),)"),
    }
    gradients = "it needs gradients, without which torch modules are run"
    return [
        replace(ONE_ROW, options=", ".join(filter(None, [ONE_ROW.options, named]))),
        *(Line(where, f"(model, {made})", named) for where, made in front_ends.items() if made),
        Line("it takes arrays", f"lambda batch: {written.call}(batch)"),
        Line(gradients, f"lambda batch: {written.output}"),
        Line(gradients, f"lambda batch: {written.call}({written.batch}.requires_grad_())"),
        Line(_NO_ROWS, written.by_window),
    ]


def what_is_asked(call: Callable[..., Any], audio: Any, rate: int) -> Asked:  # noqa: ANN401
    """Return what a callable asks of its input, of audio as it would get it."""
    return Asked(_keys_asked(call, audio, rate), _names_needed(call))


def _keys_asked(call: Callable[..., Any], audio: Any, rate: int) -> tuple[str, ...]:  # noqa: ANN401
    """Return the keys that a callable asks a mapping for; none where it asks for none."""

    class Recording(dict[str, Any]):
        def __missing__(self, key: str) -> Any:  # noqa: ANN401
            self[key] = rate if key in RATE_NAMES else audio
            return self[key]

    given = Recording()
    _succeeds(lambda: call(given))
    plain = all(isinstance(key, str) and key.isidentifier() for key in given)
    return tuple(given) if plain and len(given) <= _MOST_KEYS else ()


def _names_needed(call: Callable[..., Any]) -> tuple[str, ...]:
    """Return the one parameter that a callable must be given by name; none where it is not one."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return ()
    needed = tuple(
        p.name
        for p in parameters
        if p.kind is p.KEYWORD_ONLY and p.default is p.empty and p.name not in RATE_NAMES
    )
    return needed if len(needed) == 1 else ()


def noise_like(batch: Samples) -> Samples:
    """Return windows of noise: what raises on them too does not raise for what windows hold."""
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((_TRIED_ROWS, batch.shape[1]))).astype(np.float32)


def embeds(encoder: Encoder, windows: Samples, rate: int) -> bool:
    """Tell whether an encoder gives embeddings of windows at its own rate."""

    def run() -> None:
        for first in range(0, len(windows), encoder.batch_size):
            batch = windows[first : first + encoder.batch_size]
            encoder._checked(encoder.forward(batch.copy(), rate), len(batch), first)

    return _succeeds(run)


def line_that_works(
    lines: Iterable[Line],
    obj: object,
    windows: Samples,
    rate: int,
    options: Mapping[str, Any],
) -> str:
    """Return the first line that makes an encoder of an object, as a message's end; empty if none.

    Parameters
    ----------
    lines : iterable of Line
    obj : object
        What lines call ``model``.
    windows : float32[n, samples]
    rate : int
        Of the windows, in Hz.
    options : mapping
        Of `as_encoder`, which the line is to keep.
    """
    from pytest_nnrel.encoders.adapting import as_encoder
    from pytest_nnrel.encoders.windows import wav_files

    names = {"as_encoder": as_encoder, "model": obj, "np": np, "wav_files": wav_files}
    if "torch" in sys.modules:
        names["torch"] = sys.modules["torch"]
    for line in lines:
        code = line.code(options)
        if _succeeds(partial(_try, code, names, windows, rate)):
            return f"; {line.where}: {code}"
    return ""


def _try(code: str, names: Mapping[str, Any], windows: Samples, rate: int) -> None:
    """Raise where a line makes no encoder that embeds."""
    if not embeds(eval(code, dict(names)), windows, rate):
        raise ValueError(code)


def _succeeds(run: Callable[[], object]) -> bool:
    """Tell whether something does not raise; it warns of nothing, and draws the same each time."""
    try:
        with warnings.catch_warnings(), global_rngs_seeded(0), errors_unheard():
            warnings.simplefilter("ignore")
            run()
    except Exception:
        return False
    return True
