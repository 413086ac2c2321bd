"""One lab per session, with a name of its own; it goes down with this process, however that ends."""

import os
import secrets

import pytest
from _pytest.runner import runtestprotocol

import responder
import wire
from support import Lab
from truth import Oracle

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


# Of what real time decides (loss in bursts, limits, queues, rates, on a busy machine), a failure is looked at once
# more, and said. These files are as strict the second time.
ONCE_MORE = {"test_truth.py", "test_truth_ways.py", "test_wire.py", "test_wire_timing.py", "test_lab.py", "test_bad_events.py",
             "test_responder.py"}
looked_at_again = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.path.name not in ONCE_MORE:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    faults = [str(report.longrepr) for report in reports if report.failed]
    # What a sanitizer says is a fault however seldom it comes.
    if faults and not any("Sanitizer: " in f or "runtime error: " in f for f in faults):
        looked_at_again.append((item.nodeid, faults[0][-300:]))
        item._initrequest()  # fixtures are set up anew
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    """Says what was skipped and why, also without -rs."""
    for nodeid, text in looked_at_again:
        terminalreporter.write_line(f"failed at first, run once more: {nodeid}: {text!r}")
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


@pytest.fixture(scope="module")
def sweep_lab():
    """One behind whose router the responder answers for whole networks."""
    responder.need_built()
    it = Lab.up(f"t-{secrets.token_hex(4)}", plan="sweep")
    yield it
    it.down()


@pytest.fixture(scope="session")
def oracle(lab):
    """What nmap says, asked once in the session."""
    return Oracle(lab)


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
