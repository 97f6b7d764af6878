"""Corpora as Python that makes them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.corpus import manifest, mirdata
from pytest_nnrel.corpus.bundled import BUNDLED
from pytest_nnrel.corpus.geometry import SAMPLE_RATE, SOURCE_SECONDS, WINDOW_SECONDS

if TYPE_CHECKING:
    from pytest_nnrel.corpus.geometry import Geometry


def expression_of(
    origin: str | None, segments: int, grouping: str | None, geometry: Geometry
) -> str | None:
    """Return the call that makes a corpus of an origin; None where it has none."""
    if origin is None:
        return None
    if origin == BUNDLED:
        return "Corpus.bundled()"
    options: dict[str, tuple[object, object]] = {
        "segments": (segments, 1),
        "groups": (grouping, None),
        "sample_rate": (geometry.sample_rate, SAMPLE_RATE),
        "source_seconds": (geometry.source_seconds, SOURCE_SECONDS),
        "window_seconds": (geometry.window_seconds, WINDOW_SECONDS),
    }
    method = "from_manifest" if manifest.is_manifest(origin) else "from_directory"
    places = [origin]
    if origin.startswith(mirdata.PREFIX):
        name, version, home = mirdata.parsed(origin)
        method, places = "from_mirdata", [name] if home is None else [name, home]
        options = {"version": (version, "default"), **options}
    arguments = [repr(place) for place in places]
    arguments += [f"{k}={value!r}" for k, (value, default) in options.items() if value != default]
    return f"Corpus.{method}({', '.join(arguments)})"
