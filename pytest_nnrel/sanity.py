"""Sanity of an encoder: what is broken, told from what is fragile, before anything is measured.

Conventions
-----------
The *spread* of a corpus is the median Euclidean distance between embeddings of different clips.
How far a check moves embeddings is given in spreads. What must not matter at all (the batch, the
order, the process) may cost rounding; what must not matter much (a gain, another resampler) may
cost a share of the spread, by limits that sound encoders stay well below.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import soxr

from pytest_nnrel import audio, recording
from pytest_nnrel.encoders import Encoder, as_encoder
from pytest_nnrel.encoders.global_rngs import global_rngs_seeded
from pytest_nnrel.errors import EncoderError, SettingError
from pytest_nnrel.experiment import WITNESS_TOLERANCE, experiment_on
from pytest_nnrel.progress import progress
from pytest_nnrel.recording import Verdict, record_verdict
from pytest_nnrel.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_nnrel.audio import Samples
    from pytest_nnrel.corpus import Clip, Corpus
    from pytest_nnrel.encoders.protocol import Floats

    Matrix = npt.NDArray[np.float64]

#: Clips that are encoded, evenly spread over the corpus.
CLIPS = 32

# Limits, each with what sound encoders show on 32 bundled clips, in windows of 1 s and 2 s: the
# MFCC encoder, spectral bands in numpy, log-mel statistics, and with three random seeds each CNNs
# on log spectra, on log-mel bands and on raw samples, and transformers on patches of log spectra.
# Where a limit is one of medians over clips, so are the figures.

#: Farthest clip, in spreads, where only rounding may differ. Shown: up to 5e-6.
ROUNDING = WITNESS_TOLERANCE
#: Farthest clip with float64 in place of float32. Shown: 0.003, by a logarithm with its floor
#: below what float32 can tell from zero.
FLOAT64_LIMIT = 0.02
#: Least ratio of the spread to the median length of an embedding: below, the tolerance for
#: rounding would be finer than float32. Shown: 0.009 and more, the least by an untrained VGG.
COLLAPSED = 1e-4
#: Largest share of clips that may have the same embedding as another clip. Shown: none.
TWIN_SHARE = 0.1
#: Largest share of dimensions that are the same for all clips. Shown: up to 0.53, of ReLUs.
DEAD_SHARE = 0.9
#: Range of a dimension, relative to its largest value, that is rounding.
_CONSTANT = 1e-6
#: Least share of the possible rank. Shown: 0.87 and more.
RANK_SHARE = 0.1
#: Singular values below this share of the largest do not count as rank.
_NEGLIGIBLE = 1e-3
#: Silence that is appended, in seconds.
SILENCE_SECONDS = 0.1
#: Least share of the spread that is left with it. Shown: 0.67 and more.
SILENCE_SPREAD = 0.2
#: Median displacement by it, in spreads. Shown: up to 1.62, by transformers.
SILENCE_LIMIT = 5.0
#: Median displacement by one sample's shift. Shown: up to 0.089, by CNNs on raw samples.
SHIFT_LIMIT = 0.3
#: Gain in dB, and median displacement by it. Shown: up to 0.22, by CNNs on raw samples.
GAIN_DB = 1.0
GAIN_LIMIT = 0.7
#: Median displacement by rounding to 16 bits. Shown: up to 0.145, by a transformer on a log
#: spectrum with its floor at -160 dB.
INT16_LIMIT = 0.5
#: Median displacement by soxr's VHQ in place of its HQ. Shown: up to 0.112, by a transformer on
#: all bins up to the Nyquist frequency. scipy's `resample_poly`, whose default filter lets some
#: of what aliases through, moves that transformer by 0.82: not for an encoder to answer for.
RESAMPLER_LIMIT = 0.35
#: After this long a fresh process is given up.
PROCESS_SECONDS = 300.0

_STEPS_OF_16_BITS = 2**15
#: Lines of a fresh process's error output that a reason quotes.
_QUOTED_LINES = 3


@dataclass(frozen=True)
class Finding:
    """What a check found to be broken.

    Attributes
    ----------
    check : str
        A name of `CHECKS`.
    seen : str
        What was seen.
    size : float or None
        How far embeddings moved, relative to the spread of the corpus; None where nothing moved
        that could be compared.
    cause : str
        The usual cause.
    """

    check: str
    seen: str
    size: float | None
    cause: str


@dataclass(frozen=True)
class SanityReport:
    """What a sanity battery found.

    Attributes
    ----------
    encoder : str
        Its name.
    findings : tuple of Finding
        In the order of `CHECKS`; empty for a sound encoder.
    passed : tuple of str
        Checks that found nothing.
    skipped : dict of str to str
        Checks that could not be made, and why.
    corpus : str
        Name of the corpus.
    clips : int
        Clips that were encoded.
    assumed : tuple of str
        What was taken for granted of the encoder, such as a sample rate that it does not state.
    """

    encoder: str
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    skipped: dict[str, str]
    corpus: str
    clips: int
    assumed: tuple[str, ...] = ()


def assert_encoder_sane(
    encoder: Any,  # noqa: ANN401
    *,
    corpus: Corpus | None = None,
    checks: str | Sequence[str] | None = None,
    seed: int | None = None,
) -> SanityReport:
    """Assert that an encoder is not broken: each check of `CHECKS` finds nothing.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one. At most 32 of its clips serve.
    checks : str or sequence of str, optional
        Names of `CHECKS`; all where omitted.
    seed : int, optional
        Of the order in which clips are encoded again; the run's where omitted.

    Returns
    -------
    SanityReport
        Without findings.

    Raises
    ------
    AssertionError
        If a check finds something. The message lists what was seen, how large it is against the
        spread of the corpus, and the usual cause.
    NNRelError
        If the encoder cannot be run at all, see `check_encoder`.
    """
    __tracebackhide__ = True
    assertion = "assert_encoder_sane"
    with recording.errors_recorded(assertion):
        report = check_encoder(encoder, corpus=corpus, checks=checks, seed=seed)
        message = failure_message(report, recording.reproduction()) if report.findings else ""
        record_verdict(
            Verdict(
                assertion,
                "fails" if message else "holds",
                None,
                None,
                message,
                subject=report.encoder,
                headline=_headline(report),
            )
        )
    if message:
        raise AssertionError(message)
    return report


def check_encoder(
    encoder: Any,  # noqa: ANN401
    *,
    corpus: Corpus | None = None,
    checks: str | Sequence[str] | None = None,
    seed: int | None = None,
) -> SanityReport:
    """Return what the checks of `CHECKS` find in an encoder.

    Parameters
    ----------
    encoder, corpus, checks, seed
        As in `assert_encoder_sane`.

    Returns
    -------
    SanityReport

    Raises
    ------
    SettingError
        If there is no such check.
    TooFewClipsError
        If the corpus has fewer than two clips.
    EncoderError
        If the encoder raises on the corpus, or returns no embedding matrix.

    Notes
    -----
    Global random states and the modes of modules are left as they were found.
    """
    chosen = _chosen(checks)
    run = experiment_on(corpus, seed)
    subset = run.corpus.subset(min(CLIPS, len(run.corpus)))
    settled = as_encoder(encoder)
    findings: list[Finding] = []
    passed: list[str] = []
    skipped: dict[str, str] = {}
    content = digest("sanity", run.seed, subset.fingerprint)
    with global_rngs_seeded(int(content[:8], 16)):
        bench = _Bench(settled, subset, run.seed)
        for name in progress(chosen, len(chosen), f"sanity of {settled.name}", unit="check"):
            check = CHECKS[name]
            try:
                symptom = check.look(bench)
            except _FaultError as fault:
                symptom = Symptom(str(fault), None)
            except _SkippedError as reason:
                skipped[name] = str(reason)
                continue
            except EncoderError as error:
                skipped[name] = f"the encoder refuses such input: {error}"
                continue
            if symptom is None:
                passed.append(name)
            else:
                findings.append(Finding(name, symptom.seen, symptom.size, check.cause))
    return SanityReport(
        settled.name,
        tuple(findings),
        tuple(passed),
        skipped,
        subset.name,
        len(subset),
        tuple(settled.assumptions(subset.sample_rate)),
    )


def failure_message(report: SanityReport, reproduction: str) -> str:
    """Return what the assertion prints: each finding, what was skipped, how to redo it."""
    lines = [_headline(report)]
    for finding in report.findings:
        size = "cannot be compared"
        if finding.size is not None:
            size = f"{finding.size:.2g} of the spread (median distance between clips)"
        lines += [
            "",
            f"{finding.check}: {CHECKS[finding.check].title}",
            f"  seen   {finding.seen}",
            f"  size   {size}",
            f"  cause  usually {finding.cause}",
            f'  redo   assert_encoder_sane(encoder, checks=["{finding.check}"])',
        ]
    if len(report.findings) > 1:
        lines += ["", "The first finding often explains those after it."]
    if report.skipped:
        lines += ["", "skipped:"]
        lines += [f"  {name}: {reason}" for name, reason in report.skipped.items()]
    if reproduction:
        lines += ["", f"redo:    {reproduction}"]
    return "\n".join(lines)


def _headline(report: SanityReport) -> str:
    made = len(report.findings) + len(report.passed)
    skipped = f"; skipped: {', '.join(report.skipped)}" if report.skipped else ""
    found = f"{len(report.findings)} of {made} sanity checks find something"
    if not report.findings:
        found = f"no finding in {made} sanity checks"
    assumed = "".join(f"; {assumption}" for assumption in report.assumed)
    return f"{report.encoder}: {found} on {report.corpus} ({report.clips} clips{skipped}){assumed}"


def _chosen(checks: str | Sequence[str] | None) -> list[str]:
    if checks is None:
        return list(CHECKS)
    asked = [checks] if isinstance(checks, str) else list(checks)
    unknown = [name for name in asked if name not in CHECKS]
    if unknown or not asked:
        problem = f"no sanity check is called {unknown[0]!r}" if unknown else "no check is named"
        raise SettingError(f"{problem}; there are {', '.join(CHECKS)}")
    return [name for name in CHECKS if name in asked]


# ---------------------------------------------------------------------------------------------
# Running the encoder


class Symptom(NamedTuple):
    """What a check saw, and its size relative to the spread."""

    seen: str
    size: float | None


class _SkippedError(Exception):
    """A check that cannot be made; its text says why."""


class _FaultError(Exception):
    """Output that is a finding whatever was asked; its text says what was seen."""


class _NonFiniteError(EncoderError):
    """Output that holds NaN or infinite values."""


class _Observed(Encoder):
    """An encoder whose changes to its input are kept to look at, not refused.

    Parameters
    ----------
    inner : Encoder
    batch_size : int, optional
        The encoder's own where omitted.
    dtype : dtype
        Of the batches that it is handed.
    """

    def __init__(
        self,
        inner: Encoder,
        *,
        batch_size: int | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__(
            inner.name,
            subject=inner.subject,
            sample_rate=inner.sample_rate,
            window_seconds=inner.window_seconds,
            batch_size=inner.batch_size if batch_size is None else batch_size,
            device=inner.device,
        )
        self._inner = inner
        self._dtype = dtype
        self.left_behind: list[npt.NDArray[Any]] = []

    def _forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        given = batch.astype(self._dtype)
        with np.errstate(all="ignore"):  # what comes of it is judged, warned about or not
            out = self._inner._forward(given, sample_rate)
        self.left_behind.append(given)
        return out

    def _checked(self, out: Any, expected: int, first: int) -> Floats:  # noqa: ANN401
        try:
            return super()._checked(out, expected, first)
        except EncoderError as error:
            if error.rows:  # the only complaint about some rows of an output
                raise _NonFiniteError(str(error), error.rows) from error
            raise

    def _check_rounding(self, embeddings: Floats) -> None:
        """Let pass what is as good as equal: that is a finding."""

    def _check_rows(self, batch: Samples, sample_rate: int) -> None:
        """Run nothing twice, so that what is left behind is in the windows' order."""


@dataclass(frozen=True)
class _SecondRun:
    """What was observed while the same windows were encoded again."""

    embeddings: Matrix | None
    left_behind: Samples
    consumed: list[str]
    training: list[Any]


@dataclass
class _Bench:
    """An encoder on the windows of a corpus, and its embeddings that all checks compare with.

    Clips whose embeddings are not finite are set aside, so that the rest can be checked.
    """

    encoder: Encoder
    corpus: Corpus
    seed: int
    rate: int = field(init=False)
    seconds: float = field(init=False)
    clips: list[Clip] = field(init=False)
    windows: Samples = field(init=False)
    set_aside: list[str] = field(init=False)
    _baseline: Matrix | None = field(init=False)

    def __post_init__(self) -> None:
        self.rate = self.encoder.sample_rate or self.corpus.sample_rate
        self.seconds = self.encoder.window_seconds or self.corpus.window_seconds
        self.corpus.require_source(self.seconds, f"encoder {self.encoder.name!r}")
        windows = self.corpus.windows(sample_rate=self.rate, window_seconds=self.seconds)
        kept = np.arange(len(windows))
        self._baseline = None
        while self._baseline is None and len(kept) >= 2:
            try:
                self._baseline = self._encode(_Observed(self.encoder), windows[kept])
            except _NonFiniteError as error:
                kept = np.delete(kept, list(error.rows))
        self.set_aside = [id_ for i, id_ in enumerate(self.corpus.ids) if i not in kept]
        if self._baseline is None:
            kept = np.arange(len(windows))
        self.windows = windows[kept]
        self.clips = [self.corpus[int(i)] for i in kept]

    @property
    def embeddings(self) -> Matrix:
        """Embeddings of the windows, float64[n, d]."""
        if self._baseline is None:
            raise _SkippedError("fewer than two clips have finite embeddings")
        return self._baseline

    @cached_property
    def spread(self) -> float:
        """Median distance between embeddings of different clips."""
        return spread_of(self.embeddings)

    @cached_property
    def collapsed(self) -> float | None:
        """Ratio of the spread to the median length of an embedding, if it is but rounding."""
        length = float(np.median(np.linalg.norm(self.embeddings, axis=1)))
        if self.spread > COLLAPSED * length:
            return None
        return self.spread / length if length > 0.0 else 0.0

    @cached_property
    def second_run(self) -> _SecondRun:
        """What is observed while the windows are encoded once more."""
        observed = _Observed(self.encoder)
        embeddings: Matrix | None = None
        _draw_from_global_rngs()  # so that a seed which every run sets is a change as well
        before = _rng_digests()
        with _modules_in_training() as training, suppress(_NonFiniteError):
            embeddings = self._encode(observed, self.windows)
        after = _rng_digests()
        consumed = [name for name, state in before.items() if after[name] != state]
        left = np.concatenate(observed.left_behind)
        return _SecondRun(embeddings, left, consumed, training)

    def encode(
        self,
        windows: Samples,
        *,
        batch_size: int | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> Matrix:
        """Return embeddings of as many numbers as the first, float64[k, d].

        Raises
        ------
        _FaultError
            If they hold NaN or infinite values, or another count of numbers.
        EncoderError
            If the encoder raises.
        """
        expected = self.embeddings.shape[1]
        try:
            observed = _Observed(self.encoder, batch_size=batch_size, dtype=dtype)
            embeddings = self._encode(observed, windows)
        except _NonFiniteError as error:
            raise _FaultError(
                f"NaN or infinite values for {len(error.rows)} or more of {len(windows)} clips,"
                " whose embeddings are finite otherwise"
            ) from error
        if embeddings.shape[1] != expected:
            raise _FaultError(f"embeddings of {embeddings.shape[1]} numbers instead of {expected}")
        return embeddings

    def displacements(self, embeddings: Matrix, reference: Matrix | None = None) -> Matrix:
        """Return how far each clip has moved, in spreads, float64[n]."""
        if self.collapsed is not None:
            raise _SkippedError("all embeddings are equal, so there is no spread to compare with")
        base = self.embeddings if reference is None else reference
        return np.asarray(np.linalg.norm(embeddings - base, axis=1) / self.spread)

    def centres(self, signals: Sequence[Samples]) -> Samples:
        """Return the centre window of each signal at the encoder's rate, float32[n, samples]."""
        return np.stack([audio.centre(signal, self.windows.shape[1]) for signal in signals])

    def _encode(self, observed: _Observed, windows: Samples) -> Matrix:
        return observed.encode(windows, self.rate).astype(np.float64)


def spread_of(embeddings: Matrix) -> float:
    """Return the median distance between different rows of float[n, d]."""
    first, second = np.triu_indices(len(embeddings), k=1)
    return float(np.median(np.linalg.norm(embeddings[first] - embeddings[second], axis=1)))


# ---------------------------------------------------------------------------------------------
# Global states


def _rng_digests() -> dict[str, str]:
    """Return a digest of each global random state; torch's only where it is loaded."""
    digests = {
        "random": digest(random.getstate()),
        "numpy.random": digest(*np.random.get_state()),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        digests["torch"] = digest(torch.get_rng_state().numpy())
    return digests


def _draw_from_global_rngs() -> None:
    random.random()
    np.random.random()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.rand(1)


@contextmanager
def _modules_in_training() -> Iterator[list[Any]]:
    """Collect torch modules that run in training mode where that changes their output.

    A hook sees what is run, wherever a callable keeps it, and in the mode that it is run in:
    modules that an encoder holds but does not run, or evaluates properly, are no finding.
    """
    seen: list[Any] = []
    torch = sys.modules.get("torch")
    if torch is None:
        yield seen
        return

    def note(module: Any, _: Any) -> None:  # noqa: ANN401
        if module.training and _depends_on_mode(torch, module):
            seen.append(module)

    handle = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


def _depends_on_mode(torch: Any, module: Any) -> bool:  # noqa: ANN401
    layers = torch.nn.modules
    if isinstance(module, layers.dropout._DropoutNd):
        return bool(module.p > 0)
    if isinstance(module, layers.batchnorm._BatchNorm):
        return module.running_mean is not None  # without, it takes the batch's in either mode
    if isinstance(module, layers.RNNBase | layers.MultiheadAttention):
        return bool(module.dropout > 0)
    return False


# ---------------------------------------------------------------------------------------------
# Checks that only rounding may tell


def _unchanged(
    bench: _Bench, encode: Callable[[], Matrix], what: str, limit: float = ROUNDING
) -> Symptom | None:
    """Check that the same windows give the same embeddings, in their order."""
    try:
        embeddings = encode()
    except EncoderError as error:  # of windows that it took before
        return Symptom(str(error), None)
    moved = bench.displacements(embeddings)
    farthest = int(moved.argmax())
    if moved[farthest] <= limit:
        return None
    return Symptom(
        f"{what}, {int((moved > limit).sum())} of {len(moved)} clips get another embedding,"
        f" {bench.clips[farthest].id!r} the farthest from its first",
        float(moved[farthest]),
    )


def _same_twice(bench: _Bench) -> Symptom | None:
    def again() -> Matrix:
        expected, embeddings = bench.embeddings, bench.second_run.embeddings
        if embeddings is None or embeddings.shape != expected.shape:
            raise _FaultError("NaN, infinite values or other lengths, unlike the first time")
        return embeddings

    return _unchanged(bench, again, "encoded a second time")


def _batch_size(bench: _Bench) -> Symptom | None:
    if bench.encoder.batch_size == 1:
        raise _SkippedError("its batch_size is 1, so that it never gets more")
    n = min(bench.encoder.batch_size, len(bench.windows))
    return _unchanged(
        bench,
        lambda: bench.encode(bench.windows, batch_size=1),
        f"encoded alone instead of in batches of {n}",
    )


def _batch_order(bench: _Bench) -> Symptom | None:
    seed = int(digest("sanity", bench.seed, bench.corpus.fingerprint), 16)
    cycle = np.random.default_rng(seed).permutation(len(bench.windows))
    source = np.empty_like(cycle)
    source[cycle] = np.roll(cycle, 1)  # one cycle through all places: no clip keeps its own

    def reordered() -> Matrix:
        embeddings = np.empty_like(bench.embeddings)
        embeddings[source] = bench.encode(bench.windows[source])
        return embeddings

    return _unchanged(bench, reordered, "encoded in another order")


def _float64(bench: _Bench) -> Symptom | None:
    # Integers are never handed over: encoders are promised floats at full scale ±1, and most sound
    # functions take integers for samples 32768 times as loud without complaint.
    try:
        embeddings = bench.encode(bench.windows, dtype=np.float64)
    except EncoderError as error:
        raise _SkippedError(f"it takes float32 only: {error}") from error
    what = "given the same samples as float64"
    return _unchanged(bench, lambda: embeddings, what, FLOAT64_LIMIT)


def _fresh_process(bench: _Bench) -> Symptom | None:
    expected = bench.embeddings
    fresh = _encode_elsewhere(bench.encoder, bench.windows, bench.rate)
    if fresh.shape != expected.shape:
        return Symptom(
            f"embeddings of {fresh.shape[1]} numbers instead of {expected.shape[1]}", None
        )
    return _unchanged(bench, lambda: fresh, "encoded in a fresh process")


_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from pytest_nnrel import sanity; sanity._encode_here(*sys.argv[2:])"
)


def _encode_elsewhere(encoder: Encoder, windows: Samples, rate: int) -> Matrix:
    """Return the embeddings that a new interpreter computes, which hashes text differently."""
    from joblib import wrap_non_picklable_objects

    # joblib's wrapper pickles closures, lambdas and what the main script defines as well.
    travelling = wrap_non_picklable_objects(_Observed(encoder), keep_wrapper=False)
    try:
        pickled = pickle.dumps((travelling, windows, rate))
    except Exception as error:
        raise _SkippedError(
            f"it cannot be pickled for another process ({type(error).__name__}: {error})"
        ) from error
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
        except subprocess.TimeoutExpired as error:
            raise _SkippedError(f"a fresh process took over {PROCESS_SECONDS:g} s") from error
        if done.returncode:
            last = " | ".join(done.stderr.strip().splitlines()[-_QUOTED_LINES:])
            raise _SkippedError(f"it cannot be run in a fresh process: {last}")
        return np.asarray(np.load(returned), dtype=np.float64)


def _encode_here(given: str, returned: str) -> None:
    """Encode what another process has pickled; the fresh process's side of `_encode_elsewhere`."""
    encoder, windows, rate = pickle.loads(Path(given).read_bytes())
    np.save(returned, encoder.encode(windows, rate))


# ---------------------------------------------------------------------------------------------
# Checks that may move embeddings by a share of the spread


def _steady(moved: Matrix, limit: float, what: str) -> Symptom | None:
    """Check that the median clip stays within a limit, given in spreads."""
    size = float(np.median(moved))
    if size <= limit:
        return None
    return Symptom(
        f"{what}, half of the clips move by {size:.2g} spreads or more, where {limit:g} is much",
        size,
    )


def _trailing_silence(bench: _Bench) -> Symptom | None:
    if bench.encoder.window_seconds is not None:
        raise _SkippedError(f"its window is fixed, {bench.encoder.window_seconds:g} s")
    silence = round(SILENCE_SECONDS * bench.rate)
    embeddings = bench.encode(np.pad(bench.windows, ((0, 0), (0, silence))))
    moved = bench.displacements(embeddings)
    what = f"with {SILENCE_SECONDS:g} s of silence at the end"
    left = spread_of(embeddings) / bench.spread
    if left < SILENCE_SPREAD:
        return Symptom(
            f"{what}, the clips are drawn together to {left:.2g} of their spread",
            float(np.median(moved)),
        )
    return _steady(moved, SILENCE_LIMIT, what)


def _sample_shift(bench: _Bench) -> Symptom | None:
    signals = [audio.resample(clip.samples, clip.sample_rate, bench.rate) for clip in bench.clips]
    one_later = [np.append(signal[1:], np.float32(0.0)) for signal in signals]
    moved = bench.displacements(bench.encode(bench.centres(one_later)))
    return _steady(moved, SHIFT_LIMIT, "cut one sample later")


def _gain(bench: _Bench) -> Symptom | None:
    louder = bench.windows * np.float32(10.0 ** (GAIN_DB / 20.0))
    moved = bench.displacements(bench.encode(louder))
    return _steady(moved, GAIN_LIMIT, f"{GAIN_DB:g} dB louder")


def _int16(bench: _Bench) -> Symptom | None:
    steps = np.round(bench.windows * np.float32(_STEPS_OF_16_BITS))
    rounded = np.clip(steps, -_STEPS_OF_16_BITS, _STEPS_OF_16_BITS - 1) / _STEPS_OF_16_BITS
    moved = bench.displacements(bench.encode(rounded.astype(np.float32)))
    return _steady(moved, INT16_LIMIT, "rounded to 16 bits, as files hold it")


def _resampler(bench: _Bench) -> Symptom | None:
    given = [clip.samples for clip in bench.clips]
    from_rate, reference = bench.corpus.sample_rate, bench.embeddings
    if from_rate == bench.rate:  # nothing to resample: from twice the rate back down, then
        from_rate = 2 * bench.rate
        given = [audio.resample(samples, bench.rate, from_rate) for samples in given]
        back = [audio.resample(samples, from_rate, bench.rate) for samples in given]
        reference = bench.encode(bench.centres(back))
    other = [soxr.resample(samples, from_rate, bench.rate, quality="VHQ") for samples in given]
    moved = bench.displacements(bench.encode(bench.centres(other)), reference)
    return _steady(
        moved,
        RESAMPLER_LIMIT,
        f"resampled from {from_rate} to {bench.rate} Hz by soxr's VHQ instead of its HQ",
    )


# ---------------------------------------------------------------------------------------------
# Checks of the output and of side effects


def _finite(bench: _Bench) -> Symptom | None:
    if bench.set_aside:
        return Symptom(
            f"NaN or infinite values for {len(bench.set_aside)} of {len(bench.corpus)} clips,"
            f" {bench.set_aside[0]!r} among them",
            None,
        )
    silent = np.zeros_like(bench.windows[:2])
    silent[1, silent.shape[1] // 2 :] = bench.windows[1, silent.shape[1] // 2 :]
    try:
        bench.encode(silent)
    except _FaultError:
        return Symptom("NaN or infinite values for a window that is silent, or half of it", None)
    return None


def _collapse(bench: _Bench) -> Symptom | None:
    embeddings = bench.embeddings
    if bench.collapsed is not None:
        return Symptom(
            "all embeddings are equal: the median distance between clips is"
            f" {bench.collapsed:.1g} of the median length of an embedding",
            None,
        )
    seen = []
    n, d = embeddings.shape
    dead = int((np.ptp(embeddings, axis=0) <= _CONSTANT * np.abs(embeddings).max(axis=0)).sum())
    if dead > DEAD_SHARE * d:
        seen.append(f"{dead} of {d} dimensions are the same for all clips")
    scale = np.linalg.norm(embeddings, axis=1).max()
    apart = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    twins = int((apart.min(axis=1) <= COLLAPSED * scale).sum())
    if twins > TWIN_SHARE * n:
        seen.append(f"{twins} of {n} clips have the same embedding as another clip")
    possible = min(n - 1, d - dead)
    # Dimensions in units of their own deviation: a large one is no reason for others to count less.
    deviations = embeddings.std(axis=0)
    alive = deviations > _CONSTANT * np.abs(embeddings).max(axis=0)
    centred = (embeddings - embeddings.mean(axis=0))[:, alive] / deviations[alive]
    values = np.linalg.svd(centred, compute_uv=False)
    rank = int((values > _NEGLIGIBLE * values[0]).sum())
    if possible > 1 and rank <= max(1.0, RANK_SHARE * possible):
        seen.append(f"embeddings of {n} clips in {d} dimensions differ in {rank} directions only")
    return Symptom("; ".join(seen), None) if seen else None


def _training_mode(bench: _Bench) -> Symptom | None:
    modules = list(dict.fromkeys(bench.second_run.training))
    if not modules:
        return None
    kinds = sorted({type(module).__name__ for module in modules})
    seen = f"{len(modules)} modules run in training mode: {', '.join(kinds)}"
    for module in modules:
        module.training = False
    try:
        moved = bench.displacements(bench.encode(bench.windows))
    except (_FaultError, _SkippedError, EncoderError):
        return Symptom(seen, None)
    finally:
        for module in modules:
            module.training = True
    return Symptom(f"{seen}; evaluated, the median clip is elsewhere", float(np.median(moved)))


def _in_place(bench: _Bench) -> Symptom | None:
    left = bench.second_run.left_behind
    changed = int((left != bench.windows[: len(left)]).any(axis=1).sum())
    if not changed:
        return None
    seen = f"{changed} of {len(left)} windows are changed by encoding them"
    try:
        moved = bench.displacements(bench.encode(left))
    except (_FaultError, _SkippedError, EncoderError):
        return Symptom(seen, None)
    return Symptom(f"{seen}; encoded again, the median clip moves", float(np.median(moved)))


def _global_rng(bench: _Bench) -> Symptom | None:
    consumed = bench.second_run.consumed
    if not consumed:
        return None
    seen = f"encoding moves the global random state of {', '.join(consumed)}"
    embeddings = bench.second_run.embeddings
    if embeddings is None or bench.collapsed is not None:
        return Symptom(seen, None)
    moved = bench.displacements(embeddings)
    return Symptom(f"{seen}; from one run to the next the farthest clip moves", float(moved.max()))


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    title : str
        What it compares.
    look : callable
        Returns a symptom, or None.
    cause : str
        The usual cause of a symptom.
    """

    title: str
    look: Callable[[_Bench], Symptom | None]
    cause: str


#: Checks by name, in the order in which they are made.
CHECKS: dict[str, Check] = {
    "finite": Check(
        "output that is finite, on silence as well",
        _finite,
        "a logarithm of zero, or a division by a level or deviation that is zero in silence:"
        " add a floor",
    ),
    "training_mode": Check(
        "dropout or batch normalisation in training mode",
        _training_mode,
        "a module that was loaded without .eval(), or whose train() or eval() is overridden",
    ),
    "in_place": Check(
        "input left as it was",
        _in_place,
        "x *= gain, x -= mean or clip(..., out=x) where a copy is needed: x = x * gain",
    ),
    "global_rng": Check(
        "global random states left as they were",
        _global_rng,
        "a random crop, dither or dropout, or a seed that is set while encoding; use a generator"
        " of its own, seeded by the content",
    ),
    "same_twice": Check(
        "the same input twice",
        _same_twice,
        "a random crop, dither or dropout at inference, or a state carried from call to call",
    ),
    "batch_size": Check(
        "a batch of 1 against a batch of n",
        _batch_size,
        "normalisation by the batch's own maximum, mean or deviation, batch normalisation in"
        " training mode, or squeeze() without an axis",
    ),
    "batch_order": Check(
        "the order in the batch",
        _batch_order,
        "batch and time axis mixed up in a reshape, a recurrent layer with batch_first wrong, or a"
        " position in the batch that leaks",
    ),
    "float64": Check(
        "float32 against float64",
        _float64,
        "bytes that are taken for float32 whatever they are, or a scale chosen by dtype",
    ),
    "int16": Check(
        "samples rounded to 16 bits",
        _int16,
        "a logarithm with a floor far below -96 dB, or features of the last bits",
    ),
    "gain": Check(
        "a gain of 1 dB",
        _gain,
        "a threshold on absolute level, quantisation, integers that wrap around, or a missing"
        " normalisation before a saturating layer",
    ),
    "sample_shift": Check(
        "a shift of one sample",
        _sample_shift,
        "raw or decimated samples used as features, or phase kept where magnitude was meant",
    ),
    "trailing_silence": Check(
        "silence at the end",
        _trailing_silence,
        "the last frame or state taken for the whole, attention or statistics over padding, or a"
        " size that depends on the length",
    ),
    "resampler": Check(
        "the choice of resampler",
        _resampler,
        "features next to the Nyquist frequency, where resamplers differ, or decimation without a"
        " low-pass filter",
    ),
    "collapse": Check(
        "embeddings that differ: equal ones, rank, dead dimensions",
        _collapse,
        "weights that were not loaded, input scaled to integers or to zero, a saturated or dead"
        " last layer, or training that collapsed",
    ),
    "fresh_process": Check(
        "the same result in a fresh process",
        _fresh_process,
        "weights drawn when a module is imported or first called, hash() of text, the order of a"
        " set, or a state that earlier calls left",
    ),
}
