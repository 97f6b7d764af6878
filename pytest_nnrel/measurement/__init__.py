"""What was measured, as typed plain values. Standard library only.

A measurement is made of builtins that JSON can hold, so that tests, processes, reports and files
see the same.
"""

from pytest_nnrel.measurement.facts import (
    MEASURES,
    Apart,
    Control,
    CorpusFacts,
    Damage,
    Details,
    EncoderFacts,
    IdentityFacts,
    Least,
    Map,
    Measure,
    Misfit,
    Padding,
    PlainMeasurement,
    Range,
    Rate,
    Rates,
    TransformFacts,
    Unchanged,
    WorstClip,
)
from pytest_nnrel.measurement.measurement import AmongClips, Clips, Measurement, Part
from pytest_nnrel.measurement.namesakes import namesakes

__all__ = [
    "MEASURES",
    "AmongClips",
    "Apart",
    "Clips",
    "Control",
    "CorpusFacts",
    "Damage",
    "Details",
    "EncoderFacts",
    "IdentityFacts",
    "Least",
    "Map",
    "Measure",
    "Measurement",
    "Misfit",
    "Padding",
    "Part",
    "PlainMeasurement",
    "Range",
    "Rate",
    "Rates",
    "TransformFacts",
    "Unchanged",
    "WorstClip",
    "namesakes",
]
