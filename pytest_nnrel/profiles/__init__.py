"""Profiles: C_W against damage in every family, and one score beside the MFCC baseline."""

from pytest_nnrel.profiles.measuring import assert_profile, profile
from pytest_nnrel.profiles.scored import (
    LEVELS,
    FamilyProfile,
    Point,
    Profile,
    profile_of,
)

__all__ = [
    "LEVELS", "FamilyProfile", "Point", "Profile", "assert_profile", "profile", "profile_of",
]  # fmt: skip
