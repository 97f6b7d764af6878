"""Attacks on encoders: what they are aimed at, and the search for what is withstood least."""

from pytest_nnrel.experiment.attacks.target import aimed, question_to

__all__ = ["aimed", "question_to"]
