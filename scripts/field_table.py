"""Print the reference's table: C_W of the paper's encoders under the grid `field`.

On the bundled clips; the encoders are those that `reference_models` ships. Run it as
``python scripts/field_table.py`` or, for some families only, with their names.
"""

from __future__ import annotations

import sys

from pytest_nnrel import field_grid, within_consistency
from reference_models import load
from reference_models.paper.results import ENCODERS


def main() -> None:
    """Measure and print a Markdown row for each transformation as soon as it is there."""
    encoders = [load(name) for name in ENCODERS]
    print(f"| | {' | '.join(name.upper() for name in ENCODERS)} |\n|---|{'---|' * len(ENCODERS)}")
    chosen = sys.argv[1:]
    for transform in field_grid():
        if chosen and type(transform).__name__ not in chosen:
            continue
        values = [within_consistency(encoder, transform).value for encoder in encoders]
        cells = " | ".join(f"{value:.3f}" for value in values)
        print(f"| `{transform.name}` | {cells} |", flush=True)


if __name__ == "__main__":
    main()
