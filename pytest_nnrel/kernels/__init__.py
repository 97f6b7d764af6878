"""Compiled kernels: lanes of vectors, and how they are compiled."""
