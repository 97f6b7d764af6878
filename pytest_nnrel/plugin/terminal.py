"""Progress bars on the terminal that pytest writes to."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import pytest


def progress_stream(config: pytest.Config) -> TextIO | None:
    """Return the terminal that pytest writes to, for progress bars; None where there is none."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not reporter.isatty:
        return None
    capture = config.pluginmanager.get_plugin("capturemanager")
    return TerminalStream(reporter, capture)  # type: ignore[return-value]  # what tqdm needs


class TerminalStream:
    """Pytest's terminal as a file that can be written to while tests run, and are captured."""

    encoding = "utf-8"

    def __init__(self, reporter: pytest.TerminalReporter, capture: Any) -> None:  # noqa: ANN401
        self._reporter = reporter
        self._capture = capture

    def write(self, text: str) -> None:
        # As pytest's own live logging does.
        lifted = self._capture.global_and_fixture_disabled() if self._capture else nullcontext()
        with lifted:
            self._reporter.ensure_newline()
            self._reporter.write(text, flush=True)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return True
