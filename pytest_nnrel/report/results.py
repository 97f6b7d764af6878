"""What a run found, as plain values: the content of ``results.json``. Standard library only.

The schema is in ``schema.json`` beside this module; fields that vary between runs which found the
same are marked there with ``"volatile": true``.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from pytest_nnrel.errors import ResultsError
from pytest_nnrel.measurement import MEASURES
from pytest_nnrel.runtime.versions import NOT_INSTALLED, library_version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_nnrel.measurement import CorpusFacts, PlainMeasurement
    from pytest_nnrel.recording import PlainTest, PlainVerdict, Results

FORMAT = "pytest-nnrel results"
#: Raised whenever a reader of the old schema would misread the new one.
SCHEMA_VERSION = 1
#: What parts of a file are read as, by their type in the schema.
_KINDS: dict[str, type] = {"object": dict, "array": list}
#: Distributions whose versions decide measured values.
_DISTRIBUTIONS = (
    "pytest-nnrel", "pytest", "numpy", "scipy", "numba", "librosa", "soxr", "soundfile",
    "pyloudnorm", "pedalboard", "lameenc", "torch",
)  # fmt: skip
#: Stands for the test where none is known, such as in a thread while several tests run.
NO_TEST = "(no test)"
#: What a verdict is called that does not hold in a test that fails no run.
EXPECTED = "expected"
_WELL = ("passed", "xfailed", "skipped")
#: What only a failed Hypothesis test carries.
_OF_HYPOTHESIS = ("examples", "passed_over")


class Collector:
    """Gathers what test reports carry, whatever their order; a rerun replaces the run before."""

    def __init__(self) -> None:
        self._phases: dict[str, list[tuple[str, dict[str, Any] | None]]] = {}

    def add(self, test: str, phase: str, outcome: str, carried: dict[str, Any] | None) -> None:
        """Take one phase of a test.

        Parameters
        ----------
        test : str
            Its node id.
        phase : str
            ``"setup"`` starts a test anew.
        outcome : str
            ``"passed"``, ``"failed"``, ``"skipped"``, ``"xfailed"``, ``"rerun"`` or ``"crashed"``.
        carried : dict or None
            What was recorded: ``Sink.as_dict()``.
        """
        if phase == "setup":
            self._phases[test] = []
        # Subtests report within the call of their test.
        self._phases.setdefault(test, []).append((outcome, carried))

    def results(self, about: dict[str, Any]) -> Results:
        """Return the content of ``results.json``.

        Parameters
        ----------
        about : dict
            Its ``"settings"`` and ``"run"``.
        """
        measurements: dict[str, PlainMeasurement] = {}
        corpora: dict[str, dict[str, Any]] = {}
        audits: dict[str, dict[str, Any]] = {}
        tests = []
        for test, phases in sorted(self._phases.items()):
            verdicts = []
            extras: dict[str, list[Any]] = {}
            for _, carried in phases:
                if carried is not None:
                    measurements.update(carried["measurements"])
                    corpora.update(carried["corpora"])
                    audits.update(carried["audits"])
                    verdicts += carried["verdicts"]
                    extras |= {key: carried[key] for key in _OF_HYPOTHESIS if carried.get(key)}
            outcomes = {outcome for outcome, _ in phases}
            recorded = any(
                carried is not None and (carried["measurements"] or carried["verdicts"])
                for _, carried in phases
            )
            if recorded or "crashed" in outcomes:
                entry = {"test": test, "outcome": _worst(outcomes), "verdicts": verdicts}
                tests.append(cast("PlainTest", entry | extras))
        return {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "settings": about["settings"],
            "run": about["run"],
            "environment": environment(),
            "corpora": dict(sorted(corpora.items())),
            "audits": dict(sorted(audits.items())),
            "measurements": _without_graver_maps(dict(sorted(measurements.items()))),
            "tests": tests,
        }

    def baselines(self) -> list[tuple[str, dict[str, Any]]]:
        """Return content for baseline files, with their paths, in the tests' order."""
        return [
            content
            for _, phases in sorted(self._phases.items())
            for _, carried in phases
            if carried is not None
            for content in carried["baselines"]
        ]


def _without_graver_maps(measurements: dict[str, PlainMeasurement]) -> dict[str, PlainMeasurement]:
    """Return measurements of which only the mildest of a family keep the map that they carry."""
    mildest: dict[tuple[object, ...], float] = {}
    for measured in measurements.values():
        place, gravity = _place_of(measured)
        if "map" in measured["details"]:
            mildest[place] = min(gravity, mildest.get(place, gravity))
    kept = {}
    for key, measured in measurements.items():
        place, gravity = _place_of(measured)
        details = measured["details"].copy()
        if "map" in details and gravity > mildest[place]:
            del details["map"]
        kept[key] = measured.copy()
        kept[key]["details"] = details
    return kept


def _place_of(measured: PlainMeasurement) -> tuple[tuple[object, ...], float]:
    identity, transform = measured["details"]["identity"], measured["details"]["transform"]
    place = (
        identity.get("encoder"),
        identity.get("encoder_fingerprint"),
        identity.get("seed"),
        identity["corpus"],
        identity.get("latent_distance"),
        transform["family"],
    )
    severity = transform["severity"]
    return place, float("inf") if severity is None else abs(severity)


def _worst(outcomes: set[str]) -> str:
    for outcome in ("crashed", "failed", "rerun", "xfailed", "skipped"):
        if outcome in outcomes:
            return outcome
    return "passed"


def outcome_of(verdict: PlainVerdict, test: PlainTest) -> str:
    """Return what became of a verdict: "expected" where it does not hold, and its test is well.

    Such are those of tests that are marked xfail, and within ``pytest.raises``.
    """
    expected = verdict["outcome"] != "holds" and test["outcome"] in _WELL
    return EXPECTED if expected else verdict["outcome"]


def environment() -> dict[str, str]:
    """Return Python, platform and the versions of what decides measured values."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    versions = {name: library_version(name) for name in _DISTRIBUTIONS}
    return found | {name: v for name, v in versions.items() if v != NOT_INSTALLED}


def load_results(path: Path) -> Results:
    """Read a ``results.json``.

    Raises
    ------
    ResultsError
        If the file is missing, incomplete, no results file, or of a newer schema.
    """
    try:
        # Some editors begin with a byte order mark.
        results = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ResultsError(f"{path} is no JSON: {error}") from error
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise ResultsError(f"{path} is no results file of pytest-nnrel")
    if results.get("schema_version") != SCHEMA_VERSION:
        raise ResultsError(
            f"{path} has schema version {results.get('schema_version')}, and this pytest-nnrel"
            f" reads {SCHEMA_VERSION}; read it with the version that wrote it"
        )
    told = schema()
    broken = [
        part
        for part, described in told["properties"].items()
        if not isinstance(results.get(part), _KINDS.get(described.get("type"), object))
        and (part in results or part in told["required"])
    ]
    if broken:
        raise ResultsError(
            f"{path} is incomplete or was changed: {', '.join(map(repr, broken))} missing, or not"
            " what the schema says; run the tests with --nnrel-report again"
        )
    return cast("Results", results)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``results.json``."""
    text = resources.files(__package__).joinpath("schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def stable(results: Results) -> dict[str, Any]:
    """Return results without the fields that the schema marks volatile, floats to 6 digits.

    Two runs that found the same give equal values.
    """
    kept = _without_volatile(results, schema(), schema())
    assert isinstance(kept, dict)
    return kept


def _without_volatile(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:  # noqa: ANN401
    while "$ref" in node:
        node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, dict):
        other = node.get("additionalProperties")
        fallback = other if isinstance(other, dict) else {}
        below = {key: node.get("properties", {}).get(key, fallback) for key in value}
        return {
            key: _without_volatile(item, below[key], root)
            for key, item in value.items()
            if not below[key].get("volatile")
        }
    if isinstance(value, list):
        return [_without_volatile(item, node.get("items", {}), root) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


#: Characters of a fingerprint that tell namesakes apart; as many as "no fingerprint" has.
_MARK_LENGTH = 14


def told_apart(results: Results) -> Results:
    """Return results in which encoders that share a name bear a piece of their fingerprint too.

    Otherwise views, which go by names, would draw several encoders as one. Those without a
    fingerprint cannot be told from each other.
    """
    known: dict[str, set[str | None]] = {}
    for measurement in results["measurements"].values():
        if encoder := measurement["details"].get("encoder"):
            known.setdefault(encoder["name"], set()).add(encoder["fingerprint"])
    shared = {name for name, fingerprints in known.items() if len(fingerprints) > 1}
    if not shared:
        return results
    measurements = results["measurements"].copy()
    for key, measurement in measurements.items():
        details = measurement["details"].copy()
        encoder = details.get("encoder")
        if encoder and encoder["name"] in shared:
            mark = (encoder["fingerprint"] or "no fingerprint")[:_MARK_LENGTH]
            details["encoder"] = encoder.copy()
            details["encoder"]["name"] = f"{encoder['name']} ({mark})"
            measurements[key] = measurement.copy()
            measurements[key]["details"] = details
    marked = results.copy()
    marked["measurements"] = measurements
    return marked


def subject_of(measurement: PlainMeasurement) -> str:
    """Return the encoder's name; for audio space, that."""
    encoder = measurement["details"].get("encoder")
    return str(encoder["name"]) if encoder else "audio space"


def kind_of(measurement: PlainMeasurement) -> str:
    """Return measure and distances, such as ``C_W euclidean``."""
    identity = measurement["details"]["identity"]
    distances = filter(None, (identity.get("audio_distance"), identity.get("latent_distance")))
    pairs = identity.get("pairs", "all")
    suffix = "" if pairs == "all" else f" ({pairs} pairs)"
    suffix += " (all neighbours)" if "neighbours" in identity else ""
    suffix += f" (among originals by {identity['index']})" if "index" in identity else ""
    return f"{MEASURES[measurement['measure']].symbol} {' x '.join(distances)}".rstrip() + suffix


def conditions_of(measurements: Iterable[PlainMeasurement]) -> list[Conditions]:
    """Return what was measured on each corpus, in the order of the measurements."""
    found: dict[str, Conditions] = {}
    for measurement in measurements:
        corpus, transform = measurement["details"]["corpus"], measurement["details"]["transform"]
        of_corpus = found.setdefault(corpus["fingerprint"], Conditions(corpus))
        of_corpus.names.add(transform["name"])
        if measurement["measure"] in ("within", "audio"):
            of_corpus.chances.add(measurement["details"].get("chance", 0.0))
        if transform["asked"] != transform["name"]:
            of_corpus.aliases.add(f"{transform['asked']} is {transform['name']}")
        unchanged = transform.get("unchanged")
        if unchanged:
            of_corpus.unchanged.add(
                f"{transform['name']}: {unchanged['clips']} of {unchanged['of']}"
            )
    return list(found.values())


@dataclass(frozen=True)
class Conditions:
    """What was measured on a corpus.

    Attributes
    ----------
    corpus : dict
    names : set of str
        Conditions.
    aliases : set of str
        Magnitudes that came down to one of these.
    unchanged : set of str
        How many clips a transformation gave back as they were, of those that did.
    chances : set of float
        Levels of chance of C_W: in a grouped corpus fewer originals compete.
    """

    corpus: CorpusFacts
    names: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    chances: set[float] = field(default_factory=set)

    @property
    def chance(self) -> float:
        """How often a clip's own original is nearest by chance, under the reading that was used."""
        return max(self.chances, default=1 / self.corpus["clips"])


def assumptions_of(measurements: Iterable[PlainMeasurement]) -> dict[str, list[str]]:
    """Return what was taken for granted, and the names of the encoders that do not say it."""
    found: dict[str, set[str]] = {}
    for measurement in measurements:
        # Absent from the audio's own measurements, and from results that were written without it.
        for assumption in measurement["details"].get("encoder", {}).get("assumed", ()):
            found.setdefault(assumption, set()).add(subject_of(measurement))
    return {assumption: sorted(found[assumption]) for assumption in sorted(found)}


def describe_value(measurement: PlainMeasurement) -> str:
    """Return value and interval, such as ``0.896 [0.832, 0.937]``."""
    if measurement["measure"] == "exemplar":  # one clip has no interval
        return f"{measurement['value']:g}"
    low, high = measurement["ci"]
    return f"{measurement['value']:.3f} [{low:.3f}, {high:.3f}]"


def describe_beside(measurement: PlainMeasurement) -> str:
    """Return what is read beside a value; nothing where there is none of it.

    Of C_acc both within-space rates, as spaces that fail together agree; in a grouped corpus how
    many clips are nearer to a relative than to their original, which is no error.
    """
    details, found = measurement["details"], []
    if measurement["measure"] == "accuracy":
        audio, latent = (details["within"][space]["value"] for space in ("audio", "latent"))
        found.append(f"C_W audio {audio:.3f}, latent {latent:.3f}")
    if nearer := details.get("relative_nearer"):
        found.append(f"{nearer} nearer to a relative")
    return "; ".join(found)


def describe_fully(measurement: PlainMeasurement) -> str:
    """Return value, interval and what is read beside them in one line."""
    beside = describe_beside(measurement)
    return describe_value(measurement) + (f" ({beside})" if beside else "")


def describe(carried: dict[str, Any]) -> list[str]:
    """Return a line for each measurement, with its verdict if it has one, for JUnit properties.

    Verdicts on something else than one measurement have a line of their own.
    """
    judged: dict[str, dict[str, Any]] = {
        verdict["measurement"]: verdict for verdict in carried["verdicts"]
    }
    lines = []
    for key, measurement in carried["measurements"].items():
        verdict = judged.get(key)
        line = (
            f"{subject_of(measurement)}: {kind_of(measurement)}"
            f" {measurement['details']['transform']['name']} = {describe_fully(measurement)}"
            f" n={measurement['n']}"
        )
        if verdict is not None:
            bounds = {"min": verdict["minimum"], "max": verdict.get("maximum")}
            line += "".join(f" {name}={b:g}" for name, b in bounds.items() if b is not None)
            line += f" {verdict['outcome']}"
        lines.append(line)
    return lines + [verdict["headline"] for verdict in carried["verdicts"] if verdict["headline"]]
