"""Write the README's first own test, and a model for it, into a folder.

    python .ci/first_own_test.py README.md FOLDER

Standard library only.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: The encoder that the README's example imports.
MY_MODEL = """
from pytest_nnrel import MFCCEncoder


class MyEncoder(MFCCEncoder):
    @classmethod
    def load(cls, path):
        return cls()
"""


def write(readme: str, folder: Path) -> None:
    """Write ``my_model.py``, ``conftest.py`` and ``test_encoder.py``."""
    examples = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (conftest,) = [text for text in examples if "MyEncoder.load" in text]
    (tests,) = [text for text in examples if "def test_sane" in text]
    files = {"my_model.py": MY_MODEL, "conftest.py": conftest, "test_encoder.py": tests}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2]))
