"""The states the program reports, port by port, beside nmap's and the lab's description."""

import pytest

from support import nmap_states, port_list
from netlab.describe import Description
from truth import (addresses, all_states, check_agreement, check_same, check_true_where_answered, described, read_json,
                   scan)

HOSTS = Description().hosts
ALL = range(1, 65536)
FAMILIES = ["v4", "v6"]
TECHNIQUES = ["-sS", "-sT"]
QUIET = ["near", "web", "ssh", "redis", "dns", "quiet", "prohibited", "anyip", "tunnel"]
LOSSY = [name for name, host in HOSTS.items() if host.loss] + ["dburst"]
LIMITED = ["rstlimit", "icmplimit"]
DELAYED = ["d20", "d100", "d300", "djitter", "dbottle"]


def passed_over(summary):
    """--confidence is 0.9999 unless given: of 65,535 ports 6.6 may be passed over on average. Where the machine is so busy
    that the path looks worse than it is and less is reached, the summary says so."""
    return max(25, 3 * (1 - summary["confidence_reached"]) * len(ALL))


def nmap_truth(oracle, host, technique, address):
    """nmap's states of all ports. A connect scan differs by what the kernel tells of the same answers, and that is asked
    where it matters (test_errors_have_nmaps_reasons)."""
    states = oracle(address, "1-65535", "-sS")
    check_same(states, described(host, "-sS", address))
    return states if technique == "-sS" else described(host, technique, address)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", QUIET)
def test_every_port_of_a_quiet_host(lab, oracle, tmp_path, name, family, technique):
    host, address = lab.host(name), getattr(lab.host(name), family)
    run = scan(lab, tmp_path / "out", "-n", "-Pn", technique, "-p-", "--all-states", "--reason", address)
    states = all_states(run.json, address, ALL)
    check_same(states, nmap_truth(oracle, host, technique, address))
    check_agreement(run, address, states)
    assert run.json.repeated == []
    assert run.done.stderr == ""


@pytest.mark.parametrize("family", FAMILIES)
def test_connect_scan_of_a_plain_host_is_nmaps(lab, oracle, family):
    address = getattr(lab.host("quiet"), family)
    check_same(described(lab.host("quiet"), "-sT", address), oracle(address, "1-65535", "-sT"))


# What a firewall on the way may answer: nft's word by family, for ports 5000, 5001 …
REJECTS = {
    "v4": ["net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable", "net-prohibited",
           "host-prohibited", "admin-prohibited"],
    "v6": ["no-route", "admin-prohibited", "addr-unreachable", "port-unreachable", "policy-fail", "reject-route"],
}


@pytest.fixture(scope="module")
def rejecting(lab):
    """The firewall in front of prohibited answers ports from 5000 on with each kind of error."""
    rules = []
    for family, word in (("v4", "icmp"), ("v6", "icmpv6")):
        rules += [f'oifname "prohibited" meta nfproto ip{family} tcp dport {5000 + i} reject with {word} {kind}'
                  for i, kind in enumerate(REJECTS[family])]
    chain = "type filter hook forward priority -10; policy accept;\n" + "\n".join(rules)
    lab.run("nft", "-f", "-", input=f"table inet truth {{ chain c {{ {chain}\n }}\n}}", host="fw", check=True)
    yield
    lab.run("nft", "delete", "table", "inet", "truth", host="fw", check=True)


# A connection learns of an ICMPv6 error when it sends its SYN again, after a second: nmap must wait so long.
PATIENCE = ["--initial-rtt-timeout", "4s", "--min-rtt-timeout", "4s", "--max-retries", "2"]


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("family", FAMILIES)
def test_errors_have_nmaps_reasons(lab, rejecting, tmp_path, family, technique):
    address = getattr(lab.host("prohibited"), family)
    ports = f"22,5000-{4999 + len(REJECTS[family])}"
    truth = nmap_states(lab, address, ports, technique, *(PATIENCE if (family, technique) == ("v6", "-sT") else []))
    run = scan(lab, tmp_path / "out", "-n", "-Pn", technique, "-p", ports, "--all-states", "--reason", address)
    states = all_states(run.json, address, port_list(ports))
    check_same(states, truth)
    check_agreement(run, address, states)
    if technique == "-sS":
        assert set(run.normal[address].speakers.values()) == {getattr(lab.host("fw"), family)}
        assert {line.get("from") for line in run.json.ports.values() if line["state"] == "filtered"} == {
            getattr(lab.host("fw"), family)}


def every_port(lab, address, technique, *more, timeout=100):
    done = lab.prtip("-n", "-Pn", technique, "-p-", "-oJ", "-", "--all-states", *more, address, timeout=timeout, check=True)
    found = read_json(done.stdout)
    assert found.repeated == []
    return found


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("name", LOSSY)
def test_every_open_port_behind_loss(lab, name, technique):
    """Three runs out of three."""
    host = lab.host(name)
    for address in (host.v4, host.v6, host.v4):
        found = every_port(lab, address, technique)
        check_true_where_answered(all_states(found, address, ALL), described(host, technique, address),
                                  passed_over(found.summary), found.summary)


def test_every_open_port_of_several_lossy_hosts_at_once(lab, tmp_path):
    every = [(host, address) for host in map(lab.host, LOSSY) for address in addresses(host)]
    run = scan(lab, tmp_path / "out", "-n", "-Pn", "-p-", "--all-states", "--reason", *(a for _, a in every), timeout=120)
    assert run.json.repeated == []
    for host, address in every:
        states = all_states(run.json, address, ALL)
        check_true_where_answered(states, described(host, "-sS", address), passed_over(run.json.summary),
                                  run.json.summary)
        check_agreement(run, address, states)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", LIMITED)
def test_a_host_that_limits_its_answers(lab, name, family, technique):
    host, address = lab.host(name), getattr(lab.host(name), family)
    found = every_port(lab, address, technique)
    check_true_where_answered(all_states(found, address, ALL), described(host, technique, address), len(ALL))
    assert found.summary["hosts_limited"] == 1


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", DELAYED)
def test_a_host_behind_the_delay_box(lab, name, family, technique):
    host, address = lab.host(name), getattr(lab.host(name), family)
    found = every_port(lab, address, technique)
    check_true_where_answered(all_states(found, address, ALL), described(host, technique, address),
                                  passed_over(found.summary), found.summary)
    assert found.summary["hosts_limited"] == 0


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_host_that_drops_everything_else(lab, technique):
    host = lab.host("drop")
    done = lab.prtip("-n", "-Pn", technique, "-p-", "-oJ", "-", "--all-states", *addresses(host), timeout=100, check=True)
    found = read_json(done.stdout)
    assert found.repeated == []
    for address in addresses(host):
        check_same(all_states(found, address, ALL), described(host, technique, address))
        assert found.hosts[address]["counts"] == {"open": len(host.tcp), "filtered": len(ALL) - len(host.tcp)}
