"""What a requirement that does not hold says: figures, facts, worst clips and how to hear them."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import (
    BUNDLED,
    SAMPLE_RATE,
    SOURCE_SECONDS,
    WINDOW_SECONDS,
)
from pytest_nnrel.errors import MagnitudeError
from pytest_nnrel.experiment.noise_scale import as_noise
from pytest_nnrel.measurement import MEASURES
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.statistics import intervals
from pytest_nnrel.transforms import modules_of, parse_transform

if TYPE_CHECKING:
    from pytest_nnrel import recording
    from pytest_nnrel.measurement import CorpusFacts, Details, Measurement, Rates
    from pytest_nnrel.requirement import Requirement


def failure_message(
    measurement: Measurement, required: Requirement, outcome: recording.Outcome, reproduction: str
) -> str:
    """Return what an assertion prints: what was measured, which clips, how to hear and redo it."""
    details = measurement.details
    lines = [_headline(measurement, required, outcome), ""]
    if required.high is not None:
        lines.append(f"  {'asked':<10} {required.text}")
    lines += [f"  {name:<10} {value}" for name, value in _facts(measurement)]
    too_high = required.high is not None and measurement.value > required.high
    lines += ["", *_worst_clips(measurement, too_high=too_high), "", *_hearing(measurement)]
    if reproduction:
        lines += ["", f"redo:    {reproduction}"]
    else:
        lines += ["", f"redo:    the same call with seed={details['identity']['seed']}"]
    return "\n".join(lines)


def _headline(measurement: Measurement, required: Requirement, outcome: recording.Outcome) -> str:
    symbol = MEASURES[measurement.measure].symbol
    name = measurement.details["transform"]["name"]
    encoder = measurement.details["encoder"]["name"]
    if measurement.measure == "exemplar":
        worst = measurement.worst[0]
        return f"{encoder}: {worst['id']} under {name} is not nearest to its own original"
    interval = f"95 % CI [{measurement.ci[0]:.3f}, {measurement.ci[1]:.3f}]"
    if outcome == "undecided":
        bound = required.at_issue(measurement)
        return (
            f"{encoder}: {symbol} = {measurement.value:.3f} under {name}, but {interval} holds"
            f" {bound:g}: {too_few_clips(measurement, bound)}"
        )
    return (
        f"{encoder}: {symbol} = {measurement.value:.3f} {required.missed_by(measurement)}"
        f" under {name} ({interval}, n = {measurement.n})"
    )


def too_few_clips(measurement: Measurement, minimum: float) -> str:
    """Return that an interval is too wide to decide, and how many clips would do."""
    value, n = measurement.value, measurement.n
    if measurement.outcomes:
        effective = measurement.details.get("effective_clips", n)
        needed = intervals.clips_to_decide(value, minimum, per_clip=effective / n)
    else:
        needed = intervals.clips_to_narrow(value, measurement.ci, minimum, n)
    enough = (
        f"about {needed:,} clips would decide at this value"
        if needed
        else "more clips would narrow the interval"
    )
    return f"too few clips (n = {n}) to tell; {enough}"


def _facts(measurement: Measurement) -> list[tuple[str, str]]:
    details = measurement.details
    identity, transform, corpus = details["identity"], details["transform"], details["corpus"]
    distances = {"latent": identity.get("latent_distance"), "audio": identity.get("audio_distance")}
    named = [f"{name} ({space} space)" for space, name in distances.items() if name]
    facts = [("distance", ", ".join(named))]
    if "pairs" in identity:
        facts.append(("pairs", identity["pairs"] + _sampled_text(details)))
    facts.append(("corpus", f"{corpus['name']}: {_clips(corpus)}, chance {_chance(measurement)}"))
    if "encoder" in details:
        facts += [("assumed", assumption) for assumption in details["encoder"]["assumed"]]
    for scale in ("audio", "perceived"):
        told = details.get("damage", {}).get(scale)
        if told and (likened := as_noise(transform["family"], scale, told["median"])):
            facts.append(("damage", likened))
    if transform["asked"] != transform["name"]:
        facts.append(("alias", f"{transform['asked']} is {transform['name']} at this sample rate"))
    if "within" in details:
        rates = details["within"]
        facts.append(
            (
                "within",
                f"C_W audio {rates['audio']['value']:.3f}, latent {rates['latent']['value']:.3f}"
                + (" (two spaces that fail together agree)" if _both_fail(rates) else ""),
            )
        )
    if "control" in details:
        control = details["control"]
        interval = "[{:.3f}, {:.3f}]".format(*control["ci"])
        beside = f"C_W {control['value']:.3f} {interval} under random noise of the same energy"
        facts.append(("control", beside))
    if details.get("ties"):
        facts.append(("ties", f"{details['ties']} clips are as near to another original: errors"))
    if details.get("non_finite"):
        facts.append(
            ("not finite", f"{details['non_finite']} clips have a NaN or infinite distance: errors")
        )
    if blamed := details.get("undefined_originals"):
        facts.append(
            (
                "undefined",
                f"no distance to the originals of {a_few(blamed)}, which makes errors of the"
                " others: an embedding of zeros has no direction; compare by another distance,"
                " or leave them out",
            )
        )
    if details.get("relative_nearer"):
        facts.append(("relatives", relatives_text(measurement)))
    unchanged = transform.get("unchanged")
    if unchanged:
        facts.append(
            (
                "unchanged",
                f"{unchanged['clips']} of {unchanged['of']} clips came back as they were, and"
                " count as nearest to themselves",
            )
        )
    padding = transform.get("zero_padding")
    if padding:
        facts.append(
            (
                "padding",
                f"{padding['clips']} clips fell short of the window by up to"
                f" {padding['max_seconds']:.2f} s and were padded with zeros; use longer sources",
            )
        )
    return facts


def _clips(corpus: CorpusFacts) -> str:
    grouped = corpus["groups"] < corpus["clips"]
    return f"{corpus['clips']} clips" + (f" of {corpus['groups']} groups" if grouped else "")


def _chance(measurement: Measurement) -> str:
    """Return how often a clip's own original is nearest by chance."""
    others = measurement.details.get("others")
    if others is None:
        return f"{1 / measurement.details['corpus']['clips']:.3g}"
    return f"{sum(1 / (1 + count) for count in others) / len(others):.3g}"


def relatives_text(measurement: Measurement) -> str:
    """Return how many clips are nearer to a relative than to their original, and what it means."""
    count = measurement.details["relative_nearer"]
    return (
        f"{count} clips are as near, or nearer, to another clip of their own group: a relative, and"
        " no error (neighbours='all' counts them)"
    )


def _both_fail(rates: Rates) -> bool:
    return bool(rates["audio"]["value"] < 0.5 and rates["latent"]["value"] < 0.5)


def _worst_clips(measurement: Measurement, *, too_high: bool) -> list[str]:
    left = sum(not outcome for outcome in measurement.outcomes)
    kinds = {
        "accuracy": f"the spaces disagree on {left} of {measurement.n} clips; latent space, worst",
        "rho": "latent space, worst clips",
    }
    title = kinds.get(measurement.measure, f"{left} of {measurement.n} left their original; worst")
    if too_high:
        title = f"{measurement.n - left} of {measurement.n} are nearest to their original; farthest"
    width = max(len(clip["id"]) for clip in measurement.worst)
    rows = [f"{title}:", f"  {'clip':<{width}}  to its own  to another  nearest other original"]
    rows += [
        f"  {clip['id']:<{width}}  {_number(clip['own_distance']):>10}"
        f"  {_number(clip['neighbour_distance']):>10}  {clip['neighbour']}"
        for clip in measurement.worst
    ]
    return rows


def _number(value: float | None) -> str:
    return "not finite" if value is None or not math.isfinite(value) else f"{value:.5g}"


def _hearing(measurement: Measurement) -> list[str]:
    clip = measurement.worst[0]
    transform = measurement.details["transform"]["name"]
    corpus = measurement.details["corpus"]
    origin, modules = corpus["origin"], []
    try:
        parsed = parse_transform(transform)
    except MagnitudeError:
        origin = None
    else:
        modules = modules_of(parsed)
        if parsed.of_encoder:
            return [
                f"listen:  write transformed_clip({clip['id']!r}, {transform}, encoder,"
                " corpus=corpus).samples with soundfile"
            ]
    if origin is None:
        return [
            "listen:  write transform.apply(corpus[corpus.index(ID)]).samples with soundfile, for"
            f" ID {clip['id']!r}"
        ]
    command = ["python", "-m", "pytest_nnrel", "show", clip["id"], "--transform", transform]
    for module in modules:
        command += ["--import", module]
    command += ["--against", clip["neighbour"]]
    options = {
        "corpus": (origin, BUNDLED),
        "sample-rate": (corpus["sample_rate"], SAMPLE_RATE),
        "source-seconds": (corpus["source_seconds"], SOURCE_SECONDS),
        "window-seconds": (corpus["window_seconds"], WINDOW_SECONDS),
        "segments": (corpus["segments"], 1),
    }
    for option, (value, default) in options.items():
        if value != default:
            command += [f"--{option}", str(value)]
    if measurement.details["identity"]["seed"]:
        command += ["--seed", str(measurement.details["identity"]["seed"])]
    return [f"listen:  {shlex.join(command)}"]


def _sampled_text(details: Details) -> str:
    if "sampled" not in details:
        return ""
    told = details["sampled"]
    return (
        f": {told['pairs']:,} of {told['of']:,}, which adds a standard error of {told['error']:.1g}"
    )
