"""Reporting: the controller, or the only process, collects what tests recorded, and writes."""

from __future__ import annotations

import os
import shlex
import time
import warnings
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nnrel.errors import FewClipsWarning, NNRelError
from pytest_nnrel.plugin.stash import CARRIED
from pytest_nnrel.runtime.versions import commit_of

if TYPE_CHECKING:
    from pytest_nnrel.plugin.run import Run
    from pytest_nnrel.recording import Results
    from pytest_nnrel.report.results import Collector

_NOTHING_FAILED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
#: Where GitHub Actions has the file whose Markdown it shows on the page of a run.
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


class Reporter:
    """Collects what tests recorded, writes the report and the summary. Not there in workers."""

    def __init__(self, config: pytest.Config, run: Run) -> None:
        self._config = config
        self._run = run
        self._collector: Collector | None = None
        self._problem: str | None = None
        self._notes: list[str] = []
        self._written: dict[str, str] = {}
        #: Tests that failed, or broke in setup or teardown.
        self._failed: set[str] = set()
        #: Whether an assertion failed that no test is known to have made, and so fails none.
        self._failed_outside = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        carried = getattr(report, CARRIED, None)
        crashed = report.when not in ("setup", "call", "teardown")  # xdist lost the worker
        outcome: str = "crashed" if crashed else report.outcome
        if report.when == "setup":
            self._failed.discard(report.nodeid)
        if outcome == "failed":
            self._failed.add(report.nodeid)
        elif outcome == "skipped" and hasattr(report, "wasxfail"):
            outcome = "xfailed"
        if self._collector is not None or carried is not None or crashed:
            self._collected().add(report.nodeid, report.when or "", outcome, carried)

    def _collected(self) -> Collector:
        if self._collector is None:
            from pytest_nnrel.report.results import Collector

            self._collector = Collector()
        return self._collector

    def _collect_outside(self, process: str, content: dict[str, Any] | None) -> None:
        """Take what a process recorded of no test, if anything."""
        if content and any(content.values()):  # be it the corpus alone, of what is a test's
            from pytest_nnrel.report.results import NO_TEST

            held = all(verdict["outcome"] == "holds" for verdict in content["verdicts"])
            self._collected().add(NO_TEST, process, "passed" if held else "failed", content)
            self._failed_outside |= not held

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401  # of xdist
        # A worker that crashed has none.
        output = getattr(node, "workeroutput", {})
        self._collect_outside(node.gateway.id, output.get(CARRIED))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._collect_outside("", self._run.sink.take())
        if self._failed_outside and session.exitstatus in _NOTHING_FAILED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._write_baselines(session)
        if self._run.report is None or self._config.option.collectonly:
            return
        from pytest_nnrel.report import write_report

        results = self._collected().results(self._about(int(session.exitstatus)))
        try:
            write_report(self._run.report, results)
            self._write_summary(self._run.report, results)
        except OSError as error:  # hooks do not raise: say it, and fail the run
            self._problem = f"the report could not be written to {self._run.report}: {error}"
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def _write_summary(self, folder: Path, results: Results) -> None:
        from pytest_nnrel.report import markdown

        text = markdown.summary_text(results)
        markdown.write_summary(folder, text)
        page = os.environ.get(STEP_SUMMARY)
        if page:
            try:
                markdown.append_step_summary(Path(page), text)
            except OSError as error:  # the report has it all: no reason to fail the run
                self._notes.append(f"the summary could not be appended to ${STEP_SUMMARY}: {error}")

    def _write_baselines(self, session: pytest.Session) -> None:
        contents = [] if self._collector is None else self._collector.baselines()
        if not contents:
            return
        from pytest_nnrel.baselines import Records, write_baseline

        by_path: dict[str, list[Records]] = {}
        for path, content in contents:
            by_path.setdefault(path, []).append(Records.of_baseline(content))
        for path, parts in by_path.items():
            try:
                records = reduce(Records.joined, parts)
                write_baseline(Path(path), records)
            except (OSError, NNRelError) as error:
                self._problem = f"the baseline could not be written to {path}: {error}"
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            else:
                self._written[path] = records.summary

    def _about(self, exit_status: int) -> dict[str, Any]:
        run, invocation = self._run, self._config.invocation_params
        workers = getattr(self._config.option, "numprocesses", None)
        return {
            "settings": {
                "corpus": run.corpus.name,
                "clips": run.corpus.clips,
                "grid": run.grid,
                "seed": run.settings.seed,
                **run.corpus.geometry,
            },
            "run": {
                "commit": commit_of(self._config.rootpath),
                "command": shlex.join(["pytest", *map(str, invocation.args)]),
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.started)),
                "seconds": time.time() - run.started,
                "workers": workers or 0,
                "exit_status": exit_status,
                "failed": len(self._failed),
            },
        }

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        lines: list[str] = []
        few = ""
        if self._collector is not None:
            from pytest_nnrel.report.findings import few_text, rows_of
            from pytest_nnrel.report.terminal import summary_lines

            results = self._collector.results(self._about(0))
            lines = summary_lines(results)
            few = few_text(rows_of(results["tests"], results["measurements"]))
        if few:
            try:
                warnings.warn(few, FewClipsWarning, stacklevel=1)
            except FewClipsWarning:  # where warnings are errors; hooks do not raise
                lines.append(few)
        lines += [f"baseline: {what} written to {path}" for path, what in self._written.items()]
        lines += self._notes
        if self._problem is not None:
            lines.append(self._problem)
        elif self._run.report is not None:
            lines.append(f"report: {self._run.report / 'index.html'}")
        if lines:
            terminalreporter.write_sep("=", "nnrel")
            for line in lines:
                terminalreporter.write_line(line)
