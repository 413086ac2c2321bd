"""The whole way of a probe, once for each kind of scan: quick enough to run under the sanitizers as well."""

import json
import xml.etree.ElementTree

import pytest

pytestmark = pytest.mark.asan

HOSTS = ("web", "ssh", "quiet", "drop", "prohibited", "lossy10", "near")
PORTS = "21-25,80,111,443,1000-1010,5432,8080,8443,31337,65535"
TECHNIQUES = {"syn": "-sS", "connect": "-sT"}


def expand(text):
    for part in text.split(","):
        low, _, high = part.partition("-")
        yield from range(int(low), int(high or low) + 1)


def clean(done):
    """Nothing was said on standard error that a sanitizer says."""
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return done


def records(done, kind):
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["kind"] == "summary" and sum(r["kind"] == "summary" for r in lines) == 1
    return [r for r in lines if r["kind"] == kind]


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
@pytest.mark.parametrize("family", [4, 6])
def test_open_ports_are_the_true_ones(lab, family, technique):
    hosts = {str(h.v6 if family == 6 else h.v4): h for h in map(lab.host, HOSTS)}
    done = clean(lab.prtip("-n", technique, "-p", PORTS, "-oJ", "-", *hosts))
    assert done.returncode == 0, done.stderr
    found = [(r["ip"], r["port"]) for r in records(done, "port")]
    wanted = set(expand(PORTS))
    assert sorted(found) == sorted((ip, port) for ip, h in hosts.items() for port in h.tcp if port in wanted)
    assert all(r["state"] == "open" for r in records(done, "port"))


def test_names_and_every_format(lab, tmp_path):
    done = clean(lab.prtip("-F", "-v", "--reason", "-oA", tmp_path / "all", "web", "ssh", "tunnel"))
    assert done.returncode == 0, done.stderr
    tree = xml.etree.ElementTree.parse(tmp_path / "all.xml")
    names = {n.get("name") for n in tree.iter("hostname") if n.get("type") == "user"}
    assert names == {"web", "ssh", "tunnel"}
    for ending in ("nmap", "gnmap", "jsonl"):
        text = (tmp_path / f"all.{ending}").read_text()
        assert all(str(lab.host(name).v4) in text for name in names)


def test_a_network_is_discovered(lab):
    done = clean(lab.prtip("-n", "-sn", "-oJ", "-", "198.18.0.0/28", "198.18.11.0/29"))
    assert done.returncode == 0, done.stderr
    up = {r["ip"] for r in records(done, "host") if r["state"] == "up"}
    assert {str(lab.host(name).v4) for name in ("scanner", "r1", "near", "web")} <= up


def test_a_network_of_one_kernel(lab):
    done = clean(lab.prtip("-n", "-Pn", "-p", "22,80,443,444", "--engine", "afpacket", "-oJ", "-", "198.19.7.0/24"))
    assert done.returncode == 0, done.stderr
    found = [(r["ip"], r["port"]) for r in records(done, "port")]
    assert len(found) == len(set(found)) == 3 * 256


@pytest.mark.parametrize("words", [["-sL", "web"], ["--dry-run", "-p-", "198.18.0.0/16"], ["--help"], ["--version"], ["--man"],
                                   ["--completion", "bash"]], ids=lambda words: words[0])
def test_what_sends_nothing(lab, words):
    done = clean(lab.prtip(*words))
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize("words", [[], ["-p", "80abc", "web"], ["--no-such-option"], ["198.18.0.300"]], ids=str)
def test_what_is_refused(lab, words):
    done = clean(lab.prtip(*words))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
