"""The battery: the checks of an encoder one after the other, what they found, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel import recording
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.encoders.global_rngs import global_rngs_seeded
from pytest_nnrel.errors import EncoderError, SanityCheckError, SettingError
from pytest_nnrel.recording import Verdict, record_verdict
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.scalars import is_one_of
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.sanity.check import sanity_checks
from pytest_nnrel.sanity.symptom import FaultError, SkippedError, Symptom
from pytest_nnrel.sanity.under_test import EncoderUnderTest, clips_and_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.sanity.check import SanityCheck


@dataclass(frozen=True)
class Finding:
    """What a check found to be broken.

    Attributes
    ----------
    check : str
        A name of `sanity_checks`.
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
        In the order of `sanity_checks`; empty for a sound encoder.
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
    encoder: EncoderLike,
    *,
    corpus: Corpus | None = None,
    checks: str | Sequence[str] | None = None,
    seed: int | None = None,
) -> SanityReport:
    """Assert that an encoder is not broken: each of `sanity_checks` finds nothing.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one. At most 32 of its clips serve.
    checks : str or sequence of str, optional
        Names of `sanity_checks`; all where omitted.
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
    EncoderError
        If none of the checks could be made.
    NNRelError
        If the encoder cannot be run at all, see `check_encoder`.
    """
    __tracebackhide__ = True
    assertion = "assert_encoder_sane"
    with recording.errors_recorded(assertion):
        report = check_encoder(encoder, corpus=corpus, checks=checks, seed=seed)
        if not (report.findings or report.passed):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in report.skipped.items())
            raise EncoderError(
                f"no sanity check could be made of encoder {report.encoder!r} ({reasons}); ask for"
                " others, or for none by name: all that can be made"
            )
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
    encoder: EncoderLike,
    *,
    corpus: Corpus | None = None,
    checks: str | Sequence[str] | None = None,
    seed: int | None = None,
) -> SanityReport:
    """Return what the `sanity_checks` find in an encoder.

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
    clips, seed = clips_and_seed(corpus, seed)
    settled = as_encoder(encoder)
    findings: list[Finding] = []
    passed: list[str] = []
    skipped: dict[str, str] = {}
    content = digest("sanity", seed, clips.fingerprint)
    with global_rngs_seeded(int(content[:8], 16)):
        tested = EncoderUnderTest(settled, clips, seed)
        for check in progress(chosen, len(chosen), f"sanity of {settled.name}", unit="check"):
            try:
                symptom = check().look(tested)
            except FaultError as fault:
                symptom = Symptom(str(fault), None)
            except SkippedError as reason:
                skipped[check.name] = str(reason)
                continue
            except EncoderError as error:
                skipped[check.name] = f"the encoder refuses such input: {error}"
                continue
            if symptom is None:
                passed.append(check.name)
            elif isinstance(symptom, Symptom):
                findings.append(Finding(check.name, symptom.seen, symptom.size, check.cause))
            else:
                raise SanityCheckError(
                    f"sanity check {check.name!r} of {check.__module__} returned {symptom!r}; look"
                    " returns a Symptom, or None where nothing is wrong"
                )
    return SanityReport(
        settled.name,
        tuple(findings),
        tuple(passed),
        skipped,
        clips.name,
        len(clips),
        tuple(settled.assumptions(clips.sample_rate)),
    )


def failure_message(report: SanityReport, reproduction: str) -> str:
    """Return what the assertion prints: each finding, what was skipped, how to redo it."""
    titles = {name: check.title for name, check in sanity_checks().items()}
    lines = [_headline(report)]
    for finding in report.findings:
        size = "cannot be compared"
        if finding.size is not None:
            size = f"{finding.size:.2g} of the spread (median distance between clips)"
        lines += [
            "",
            f"{finding.check}: {titles[finding.check]}",
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


def _chosen(checks: str | Sequence[str] | None) -> list[type[SanityCheck]]:
    known = sanity_checks()
    if checks is None:
        return list(known.values())
    if not isinstance(checks, Iterable):
        raise SettingError(f"checks takes names of sanity checks, not {checks!r}")
    asked = [checks] if isinstance(checks, str) else list(checks)
    unknown = [name for name in asked if not is_one_of(name, known)]
    if unknown or not asked:
        problem = f"no sanity check is called {unknown[0]!r}" if unknown else "no check is named"
        raise SettingError(f"{problem}; there are {', '.join(known)}")
    return [check for name, check in known.items() if name in asked]
