"""Damage told as the pink noise that does as much: a number that most have an ear for."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nnrel.runtime.settings import Scale

#: Families that the audio's distance compares with pink noise. In decibels of it, both scales are
#: within 6 dB of each other for these (12 bundled clips), and up to 21 dB apart for others: MFCCs
#: move far with the colour of a sound, which is hardly heard, and little with echoes, gaps and
#: shifts in time.
COMPARED_IN_AUDIO = ("EnvironmentalNoise", "MP3", "WhiteNoise")
#: The loudest noise, in dB, that it compares with: beyond, MFCCs of low rates are farther from the
#: original than those of any noise, and what is heard is not.
LOUDEST_IN_AUDIO = 6.0
#: Which scale it is, in words.
_NAMES: dict[Scale, str] = {"audio": "by audio distance", "perceived": "as heard, by Zimtohrli"}
#: What is told in steps of, in dB: a rung of `PinkNoise`.
_STEP = 0.5


def as_noise(family: str, scale: Scale, damage: float) -> str:
    """Return which pink noise does as much damage, in words.

    Parameters
    ----------
    family : str
        Of what did the damage.
    scale : {"audio", "perceived"}
    damage : float
        Median over clips.

    Returns
    -------
    str
        Such as ``as damaging as PinkNoise(snr_db=18), as heard, by Zimtohrli``. Empty for noise
        itself, for what changes nothing, for damage that is not finite, and
        where the scale cannot compare.
    """
    if family == "PinkNoise" or not 0.0 < damage < math.inf:
        return ""
    if scale == "audio" and family not in COMPARED_IN_AUDIO:
        return ""
    curve = _curves().get(scale)
    if curve is None:
        return ""
    damages, ratios = curve
    how = _NAMES[scale]
    if damage < damages[0]:
        return f"less damaging than PinkNoise(snr_db={ratios[0]:g}), {how}"
    if damage > damages[-1]:
        if scale == "audio":
            return ""
        return f"more damaging than PinkNoise(snr_db={ratios[-1]:g}), {how}"
    import numpy as np

    ratio = round(float(np.interp(damage, damages, ratios)) / _STEP) * _STEP
    return f"as damaging as PinkNoise(snr_db={ratio:g}), {how}"


@cache
def _curves() -> dict[Scale, tuple[list[float], list[float]]]:
    """Return damages and ratios by scale, the faintest noise first: medians of the bundled clips.

    ``scripts/ship_profiles.py`` measures them.
    """
    file = resources.files("pytest_nnrel").joinpath("data", "noise_damage.json")
    plain = json.loads(file.read_text(encoding="utf-8"))
    found: dict[Scale, tuple[list[float], list[float]]] = {}
    for scale in _NAMES:
        points = sorted(
            (told["damage"][scale], float(told["snr_db"]))
            for told in plain["conditions"]
            if scale in told["damage"] and (scale != "audio" or told["snr_db"] >= LOUDEST_IN_AUDIO)
        )
        if len(points) > 1:
            found[scale] = [damage for damage, _ in points], [ratio for _, ratio in points]
    return found
