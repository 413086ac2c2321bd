"""One lab per session, with a name of its own; it goes down with this process, however that ends."""

import os
import secrets

import pytest

import wire
from support import Lab

ROOT_NEEDED = "needs root (network namespaces): sudo /usr/bin/python3 -m pytest tests/lab"


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=ROOT_NEEDED))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """In CI a test that does not run is a failure."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI takes as a failure: {report.longrepr}"


def pytest_terminal_summary(terminalreporter):
    """Says what was skipped and why, also without -rs."""
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"skipped {report.nodeid}: {reason}")


@pytest.fixture(scope="session")
def lab():
    it = Lab.up(f"t-{secrets.token_hex(4)}")
    yield it
    it.down()


@pytest.fixture(scope="session")
def wire_lab():
    """A lab with more addresses and rules than lab.toml says, for the tests that look at the scanner's packets."""
    it = Lab.up(f"t-{secrets.token_hex(4)}")
    wire.prepare(it)
    yield it
    it.down()


@pytest.fixture
def fresh_lab():
    """Makes labs that a test may break: fresh_lab() is up and is taken down at the end of the test."""
    made = []

    def make(owner=None):
        made.append(Lab.up(f"t-{secrets.token_hex(4)}", owner))
        return made[-1]
    yield make
    for it in made:
        it.down()
