"""The XDP engine against the lab's responder, whose truth is known: what it finds, what it counts, what it leaves alone."""

import json
import re
import resource
import subprocess
import time

import pytest

from responder import IFACE, PLAIN, answering, change, counted, states, stats, truth
from support import PRTIP
from truth import read_json
from wire import waited_for_processor

V4, V6, PORTS = "198.18.16.0/22", "2001:db8:1::1000/118", "1-20"
FAMILIES = {"v4": V4, "v6": V6}
OURS, GATEWAY = {"v4": "198.19.255.2", "v6": "2001:db8:ffff::2"}, {"v4": "198.19.255.1", "v6": "2001:db8:ffff::1"}
# For the kernel behind the responder, through the gateway.
BEYOND = {"v4": ("198.19.254.0/24", "198.19.254.7"), "v6": ("2001:db8:2::/48", "2001:db8:2::7")}


@pytest.fixture
def lab(sweep_lab):
    change(sweep_lab, *PLAIN, "--pass", "off")
    return sweep_lab


def engine(lab, *arguments, ports=PORTS, check=True, timeout=100):
    return lab.prtip("--engine", "xdp", "-n", "-Pn", "-p", ports, *arguments, timeout=timeout, check=check)


def sweep(lab, targets, *arguments, ports=PORTS):
    return read_json(engine(lab, "--all-states", "-oJ", "-", *arguments, targets, ports=ports).stdout)


def attached(lab, host="scanner"):
    return "xdp" in lab.run("ip", "link", "show", "dev", IFACE, host=host, check=True).stdout


def check_sums(s):
    """The counters fit together; the expression of each is in docs/output.md."""
    assert s["positions"] == s["answered"] + s["silent"] + s["unsent"], s
    assert s["frames"] == s["first_tries"] + s["resends"], s
    assert s["answers"] == s["records"] + s["duplicates"] + s["late"] + s["rejected"], s


# ---- what is found


@pytest.mark.parametrize("family", FAMILIES)
def test_found_is_true(lab, family):
    change(lab, "--seed", "77", "--open", "15000")
    expected = truth(FAMILIES[family], PORTS, "--seed", "77", "--open", "15000")
    with counted(lab) as seen:
        said = sweep(lab, FAMILIES[family])
    assert states(said) == answering(expected)
    assert said.repeated == []
    check_sums(said.summary)
    assert said.summary["not_taken"] == 0
    assert seen[family]["syns"] == said.summary["frames"]


@pytest.mark.parametrize("family", FAMILIES)
def test_loss(lab, family):
    """10 % in each direction: every open port."""
    change(lab, "--open", "15000", "--loss-in", "100000", "--loss-out", "100000")
    expected = truth(FAMILIES[family], PORTS, "--open", "15000")
    said = sweep(lab, FAMILIES[family])
    found = states(said)
    assert {k for k, v in found.items() if v == "open"} == {k for k, v in expected.items() if v == "open"}
    assert all(expected[k] == v for k, v in found.items())
    check_sums(said.summary)
    assert 0.12 < said.summary["loss"] < 0.26


def test_lies_are_counted_and_not_believed(lab):
    change(lab, "--open", "15000", "--wrong", "50000", "--duplicate", "50000")
    expected = truth(V4, PORTS, "--open", "15000")
    with counted(lab) as seen:
        said = sweep(lab, V4, "--wait", "1s")
    assert states(said) == answering(expected)
    assert said.repeated == []
    check_sums(said.summary)
    sent = seen["v4"]
    assert seen["extras"]["unsent"] == sent["overflow"] == 0
    assert sent["wrong"] > 100 and said.summary["rejected"] == sent["wrong"]
    assert sent["duplicates"] > 100 and said.summary["duplicates"] == sent["duplicates"]


def test_late_answers(lab):
    """Later than the time-out, before the end: still answers, told once."""
    change(lab, "--open", "15000", "--late", "100000", "--late-by", "300")
    expected = truth(V4, PORTS, "--open", "15000")
    said = sweep(lab, V4, "--wait", "1s")
    assert states(said) == answering(expected)
    assert said.repeated == []


# ---- what the kernel and others see


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernel_resets_what_is_half_open(lab, family):
    """A reset for each SYN-ACK, unless told otherwise."""
    change(lab, "--open", "100000")
    with counted(lab) as seen:
        first = sweep(lab, FAMILIES[family])
    assert seen[family]["other"] >= first.summary["open"] > 1000
    with counted(lab) as seen:
        second = sweep(lab, FAMILIES[family], "--keep-half-open")
    assert seen[family]["other"] < 20
    assert states(first) == states(second)


def captured(lab, arguments):
    """The fields of what prtip sends. What the kernel knows of neighbours is forgotten: it might ask one of them just then,
    and that answer would do for prtip too."""
    lab.run("ip", "neigh", "flush", "dev", IFACE, check=True)
    with lab.capture(IFACE, host="responder", filter=f"src host {OURS['v4']} or src host {OURS['v6']} or arp") as seen:
        lab.prtip(*arguments, timeout=60, check=True)
    assert seen.dropped == 0
    command = ["tshark", "-n", "-r", str(seen.path), "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
               "-T", "fields", "-E", "separator=,"]
    for name in ("eth.type", "ip.proto", "ipv6.nxt", "tcp.flags", "icmp.type", "icmpv6.type", "arp.opcode",
                 "ip.checksum.status", "tcp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status",
                 "ip.len", "ipv6.plen", "frame.len", "_ws.malformed"):
        command += ["-e", name]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split(",") for line in out.splitlines()]


def test_every_template_by_tshark(lab):
    """Checksums and lengths of whatever the emitter writes, where the responder's own kernel is meant."""
    kinds = set()
    for family, (network, beyond) in BEYOND.items():
        lab.run("ip", "route", "replace", network, "via", GATEWAY[family], check=True)
        for target, arguments in ((GATEWAY[family], ["-sn"]), (beyond, ["-sn"]), (beyond, ["-Pn", "-p", "22,80"])):
            lines = captured(lab, ["--engine", "xdp", "-n", *arguments, target])
            for ethertype, proto, nxt, flags, icmp, icmp6, arp, *sums, ip_len, plen, length, bad in lines:
                kinds.add((ethertype, proto or nxt, icmp or icmp6 or arp or flags.lstrip("0x")))
                assert not bad
                assert set(sums) <= {"", "1"}, lines  # 1: good
                size = int(ip_len) if ip_len else 40 + int(plen) if plen else 28
                assert int(length) in (14 + size, max(60, 14 + size))  # the kernel's own ARP is not filled up
    assert kinds >= {("0x0806", "", "1"), ("0x0800", "1", "8"), ("0x0800", "1", "13"), ("0x0800", "6", "2"), ("0x0800", "6", "10"),
                     ("0x86dd", "58", "135"), ("0x86dd", "58", "128"), ("0x86dd", "6", "2"), ("0x86dd", "6", "10")}


def test_other_traffic_does_not_notice(lab):
    """Pings across the interface while it is swept."""
    pings = lab.popen("ping", "-n", "-i", "0.01", "-c", "200", GATEWAY["v4"], stdout=subprocess.PIPE, text=True)
    engine(lab, "--rate", "100000", "--max-probes", "200000", "198.18.0.0/16")
    text = pings.communicate(timeout=30)[0]
    assert re.search(r"200 packets transmitted, (199|200) received", text), text


# ---- pace


@pytest.mark.parametrize("option", ["--rate", "--max-rate"])
def test_rates(lab, option):
    def check():
        running = lab.popen(PRTIP, "--engine", "xdp", "-n", "-Pn", option, "50000", "-p", "1-100", "-oJ", "/dev/null", "--max-retries",
                            "0", "198.18.0.0/16", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        before, begin, waited = stats(lab)["v4"]["syns"], time.monotonic(), waited_for_processor(running.pid)
        time.sleep(2)
        after, end, waited = stats(lab)["v4"]["syns"], time.monotonic(), waited_for_processor(running.pid) - waited
        running.terminate()
        running.wait(10)
        rate = (after - before) / (end - begin)
        assert rate <= 50000 * 1.02
        if option == "--rate":
            assert rate >= 50000 * (0.97 - waited / (end - begin))
    try:
        check()
    except AssertionError as first:
        print(f"once more, after: {first}")
        check()


# ---- who else is there, and what remains


def test_nothing_remains_after_kill(lab):
    change(lab, "--pass", "off")
    running = lab.popen(PRTIP, "--engine", "xdp", "-n", "-Pn", "-p", "1-100", "-oJ", "/dev/null", "198.18.0.0/16",
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    assert attached(lab)
    running.kill()
    running.wait(10)
    until = time.monotonic() + 5
    while attached(lab) and time.monotonic() < until:
        time.sleep(0.05)
    assert not attached(lab)
    lab.run("ping", "-n", "-c1", "-W2", GATEWAY["v4"], check=True)


def test_interrupted_report_is_whole(lab, tmp_path):
    running = lab.popen(PRTIP, "--engine", "xdp", "-n", "-Pn", "-p", "1-100", "-oJ", tmp_path / "x", "198.18.0.0/16",
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    running.send_signal(2)
    assert running.wait(10) == 130
    lines = [json.loads(line) for line in (tmp_path / "x").read_text().splitlines()]
    s = lines[-1]
    assert s["kind"] == "summary" and s["interrupted"]
    assert 0 < s["positions_done"] < s["positions"] == 65536 * 100
    assert s["positions_done"] == s["answered"] + s["silent"] + s["unsent"]
    assert not attached(lab)


def test_another_program_is_respected(lab):
    change(lab, "--pass", "on")
    done = engine(lab, "198.18.0.1", check=False)
    assert done.returncode == 1
    assert done.stderr == "prtip: --engine xdp: another XDP program is attached to eth0\n"
    assert attached(lab)


def test_the_packet_socket_steps_in(lab):
    """A scan that is large enough for XDP, where it cannot be: as if nothing had been."""
    change(lab, "--pass", "on")
    done = lab.prtip("-d", "-n", "-Pn", "-p", "1-200", "--max-probes", "600000", "--max-retries", "0", "-oJ", "/dev/null",
                     "198.18.0.0/16", timeout=60, check=True)
    assert "engine xdp is not used: another XDP program is attached to eth0" in done.stderr
    assert "frames leave through afpacket" in done.stderr


def test_it_is_chosen_for_large_scans(lab):
    for probes, name in (("600000", "xdp"), ("100000", "afpacket")):
        done = lab.prtip("-d", "-n", "-Pn", "-p", "1-200" if name == "xdp" else "1", "--max-probes", probes, "--max-retries", "0",
                         "-oJ", "/dev/null", "198.18.0.0/16", timeout=60, check=True)
        assert f"frames leave through {name}" in done.stderr


@pytest.mark.parametrize("there, why", [
    (None, "the module libprtip-xdp.so is missing: it is neither in {folder} nor in "),
    (b"no ELF file", "cannot load the module xdp: {folder}/libprtip-xdp.so: "),
    (b"", "cannot load the module xdp: {folder}/libprtip-xdp.so: "),
])
def test_the_module_is_not_usable(lab, tmp_path, there, why):
    """Forced, that is an error whose one line says why; else the packet socket does it."""
    alone = tmp_path / "prtip"
    alone.write_bytes(PRTIP.read_bytes())
    alone.chmod(0o755)
    if there is not None:
        (tmp_path / "libprtip-xdp.so").write_bytes(there)
    done = lab.run(alone, "--engine", "xdp", "-n", "-Pn", "-p1", "198.18.0.1")
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (1, 1, "")
    assert done.stderr.startswith("prtip: --engine xdp: " + why.format(folder=tmp_path))
    done = lab.run(alone, "-d", "-n", "-Pn", "-p", "1-200", "--max-probes", "600000", "--max-retries", "0", "-oJ", "/dev/null",
                   "198.18.0.0/16", timeout=60, check=True)
    assert "engine xdp is not used: " + why.format(folder=tmp_path) in done.stderr
    assert "frames leave through afpacket" in done.stderr


def test_trace(lab):
    """What no capture on this side sees."""
    done = engine(lab, "--packet-trace", "--max-retries", "0", "198.18.0.0/30", ports="1-8")
    assert len(re.findall(r"^SENT .* > 198\.18\.0\.[0-3]:[1-8] S ", done.stderr, re.M)) == 32, done.stderr
    assert "RCVD" in done.stderr


def test_little_xdp_batches(lab):
    """A round of one frame is slow and right."""
    expected = truth("198.18.0.0/26", PORTS)
    for batch in ("1", "256"):
        assert states(sweep(lab, "198.18.0.0/26", "--xdp-batch", batch)) == answering(expected)


def test_it_rests_while_it_waits(lab):
    """Nothing to send for three seconds: the emitter does not turn its thumbs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    engine(lab, "--max-retries", "0", "--wait", "3s", "198.18.0.0/28")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
