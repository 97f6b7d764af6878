"""Print the README's table: C_W of both example encoders and of the audio on the bundled clips."""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_nnrel import MFCCEncoder, audio_consistency, quick_grid, within_consistency

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from encoder import LogMelEncoder  # type: ignore[import-not-found]


def main() -> None:
    """Measure the quick grid and print a Markdown row for each magnitude."""
    encoders = [MFCCEncoder(), LogMelEncoder()]
    print("| transformation | mfcc | log-mel | audio |\n|---|---|---|---|")
    for transform in quick_grid():
        values = [within_consistency(encoder, transform).value for encoder in encoders]
        values.append(audio_consistency(transform).value)
        print(f"| {transform.name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


if __name__ == "__main__":
    main()
