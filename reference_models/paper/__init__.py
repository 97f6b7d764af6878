"""The paper's experiment: what it measured, what is measured here, and what follows from it."""
