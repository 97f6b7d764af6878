"""What is said of measurements that share all names and differ."""

from __future__ import annotations


def namesakes(encoder: str, *, transform: str, distance: str) -> str:
    """Return that what shares a name gave different outcomes, why that may be, and what to do.

    Parameters
    ----------
    encoder, transform, distance : str
        Names.
    """
    return (
        f"{transform}, {distance}: two encoders called {encoder!r}, or two distances of one name,"
        " gave different outcomes in one run; name them apart: as_encoder(..., name=). If it is one"
        " encoder, it is not deterministic: assert_encoder_sane(encoder) tells"
    )
