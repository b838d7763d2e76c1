"""Prints how many crash points were played: twice the effects of an uninterrupted run."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted = [
        (report.nodeid.rpartition("[")[2].rstrip("]"), dict(report.user_properties))
        for report in terminalreporter.getreports("passed")
        if "crash points" in dict(getattr(report, "user_properties", ()))
    ]
    if not counted:
        return
    terminalreporter.section("crash points")
    for name, found in sorted(counted):
        terminalreporter.write_line(
            f"{found['crash points']:>5} = 2 x {found['effects']:>3} effects  {name}"
        )
    total = sum(found["crash points"] for _, found in counted)
    terminalreporter.write_line(f"{total:>5} in all")
