"""What makes an encoder consistent while it is trained, by torch (extra ``torch``).

It is imported by its users: ``from pytest_nnrel.training import ConsistencyLoss``.
"""

try:
    import torch as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        "pytest_nnrel.training needs torch; pip install 'pytest-nnrel[torch]'"
    ) from error

from pytest_nnrel.training.loss import ConsistencyLoss
from pytest_nnrel.training.monitor import ConsistencyMonitor, EpochConsistency
from pytest_nnrel.training.pool import TransformedPool
from pytest_nnrel.training.views import TransformedViews

__all__ = [
    "ConsistencyLoss", "ConsistencyMonitor", "EpochConsistency", "TransformedPool",
    "TransformedViews",
]  # fmt: skip
