"""The package's own distances, one a file: what lies here is found."""

from pytest_nnrel.runtime.registry import import_modules

import_modules(__name__, __path__)
