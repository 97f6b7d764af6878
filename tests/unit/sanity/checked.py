"""What tests of the sanity checks share."""

from pytest_nnrel import sanity_checks

#: All but the one that starts a process.
IN_PROCESS = [name for name in sanity_checks() if name != "fresh_process"]


def found(report):
    """Return the names of the checks that found something."""
    return {finding.check for finding in report.findings}
