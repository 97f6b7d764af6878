"""Commands of ``python -m pytest_nnrel``: what a run found, seen, heard, compared and checked."""
