"""Print the reference's table: C_W of the paper's encoders under the grid `field`.

On the bundled clips; the encoders are those that `reference_models` ships.
"""

from __future__ import annotations

from pytest_nnrel import field_grid, within_consistency
from reference_models import load

ENCODERS = ("mfcc", "at", "ir", "vs", "ae")


def main() -> None:
    """Measure and print a Markdown row for each transformation as soon as it is there."""
    encoders = [load(name) for name in ENCODERS]
    print(f"| | {' | '.join(name.upper() for name in ENCODERS)} |\n|---|{'---|' * len(ENCODERS)}")
    for transform in field_grid():
        values = [within_consistency(encoder, transform).value for encoder in encoders]
        cells = " | ".join(f"{value:.3f}" for value in values)
        print(f"| `{transform.name}` | {cells} |", flush=True)


if __name__ == "__main__":
    main()
