"""Whether the reference encoders keep clips of games that none of them heard.

python benchmarks/other_music.py --data OPEN

The autoencoder learns from recorded music: of most games that the bundled clips are of it heard
other tracks. Here are the clips of the other games, and recorded test clips to make them as many;
the documentation makes a table of what is stored. OPEN is an open corpus with recorded music, see
``reference_models/README.md``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from reference_encoders import ENCODERS, results_of, stored_on

import reference_models
from pytest_nnrel import Corpus, quick_grid, within_consistency
from pytest_nnrel.runtime.files import replace_text
from reference_models.datasets.recorded import PACKAGES
from reference_models.paper.corpus import consistency_corpus

STORED = Path(__file__).parent / "other_music.json"
#: Games of which the autoencoder heard other tracks than the bundled ones.
HEARD = frozenset(PACKAGES["train"] + PACKAGES["validation"])


def strangers(data: Path) -> Corpus:
    """Return clips of games that no encoder heard, as many as are bundled: so chance is the same.

    Clips of one track do not compete with each other.
    """
    bundled = Corpus.bundled()
    known = {clip.id for clip in bundled if clip.labels["source_package"] in HEARD}
    together = consistency_corpus(len(bundled) + len(known), data)
    return together.subset(lambda clip: clip.id not in known)


def main() -> None:
    """Measure, and keep what was measured of each encoder's weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="an open corpus")
    corpus = strangers(parser.parse_args().data)
    known = stored_on(corpus, STORED)
    for name in ENCODERS:
        found = results_of(name, known)
        if found:
            continue
        encoder = reference_models.load(name)
        within = {t.name: within_consistency(encoder, t, corpus=corpus).value for t in quick_grid()}
        found["within"] = within
        replace_text(STORED, json.dumps(known, indent=1) + "\n")
        print(f"{name}: mean C_W {sum(within.values()) / len(within):.3f}", flush=True)


if __name__ == "__main__":
    main()
