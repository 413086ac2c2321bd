"""Hosts that take only so many SYNs a second: their closed ports look as if resets were limited, and flooded they would hide
nearly all of their open ports."""

import pytest

from truth import all_states, check_true_where_answered, described, read_json

FAMILIES = ["v4", "v6"]


@pytest.fixture
def limit(lab):
    """Sets what the host `quiet` takes."""
    def put(rate, burst=100):
        rule = f"tcp flags & (syn|ack) == syn limit rate over {rate}/second burst {burst} packets drop"
        chain = f"type filter hook input priority 0; policy accept; {rule};"
        lab.run("nft", "-f", "-", input=f"table inet limits {{ chain c {{ {chain}\n }}\n}}", host="quiet", check=True)
    yield put
    lab.run("nft", "delete", "table", "inet", "limits", host="quiet", check=True)


def scan(lab, family, last, *more):
    """What was said, and what is true, of ports 1 to `last`."""
    host, ports = lab.host("quiet"), range(1, last + 1)
    address = getattr(host, family)
    done = lab.prtip("-n", "-Pn", "-sS", f"-p1-{last}", "-oJ", "-", "--all-states", *more, address, timeout=120, check=True)
    found = read_json(done.stdout)
    assert found.repeated == []
    truth = {port: state for port, state in described(host, "-sS", address).items() if port in ports}
    return found.summary, all_states(found, address, ports), truth


# A narrower range where little is taken: what counts is found out in a second, and the rest is waiting.
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rate, last", [(500, 10000), (2000, 30000), (20000, 65535)])
def test_every_open_port_of_a_host_that_limits_probes(lab, limit, rate, last, family):
    limit(rate)
    summary, states, truth = scan(lab, family, last)
    check_true_where_answered(states, truth, max(30, last // 200), summary)
    assert summary["confidence_reached"] > 0.99 and summary["missed_bound"] < 5
    assert summary["hosts_unsure"] == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_what_cannot_be_found_out_is_said(lab, limit, tmp_path, family):
    """30 a second would take half an hour, and no open port shows itself: then no result is vouched for."""
    limit(30, 5)
    report = tmp_path / "report"
    summary, states, truth = scan(lab, family, 65535, "-oN", str(report))
    missed = sum(state.startswith("open") and not states[port].startswith("open") for port, state in truth.items())
    assert missed <= summary["missed_bound"]
    assert summary["hosts_unsure"] == 1 or missed == 0
    if summary["hosts_unsure"]:
        assert summary["missed_expected"] > 0.5 and summary["confidence_reached"] < 0.9
        assert "no open port told which" in report.read_text() and "--max-rate" in report.read_text()
