"""The pytest plugin: options, marker, fixtures, and the way from a test to the report.

Standard library and pytest only at import: installed, the plugin costs an unrelated run nothing.
Pytest finds hooks and fixtures here, by their names.
"""

from pytest_nnrel.plugin.fixtures import (
    _nnrel_no_alias,
    nnrel_baseline,
    nnrel_corpus,
    nnrel_transform,
    pytest_fixture_setup,
    pytest_generate_tests,
    pytest_itemcollected,
)
from pytest_nnrel.plugin.options import pytest_addoption
from pytest_nnrel.plugin.required import pytest_collect_file
from pytest_nnrel.plugin.running import (
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_runtest_setup,
)
from pytest_nnrel.plugin.session import (
    pytest_collection_finish,
    pytest_configure,
    pytest_runtest_logstart,
    pytest_sessionfinish,
    pytest_unconfigure,
)

__all__ = [
    "_nnrel_no_alias",
    "nnrel_baseline",
    "nnrel_corpus",
    "nnrel_transform",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_fixture_setup",
    "pytest_generate_tests",
    "pytest_itemcollected",
    "pytest_runtest_logstart",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_sessionfinish",
    "pytest_unconfigure",
]
