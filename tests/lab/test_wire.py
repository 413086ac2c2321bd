"""Options that shape packets, order and number of tries: each is seen in a capture by tcpdump, read by tshark."""

import collections
import pathlib
import re
import subprocess
import tempfile

import pytest

from support import PRTIP, need
from wire import (EXTRA, MSS, NEAR, SCANNER, SILENT, WEB, by_port, gaps, probes, scan, words)

FAMILIES = ["v4", "v6"]
TECHNIQUES = ["-sS", "-sT"]
BLIND = "-n -Pn "


@pytest.fixture(scope="module")
def lab(wire_lab):
    return wire_lab


def ours(seen, family, source=None):
    return [p for p in seen.packets if p.src == (source or SCANNER[family])]


# ---- techniques and discovery


@pytest.mark.parametrize("family", FAMILIES)
def test_syn_scan_sends_one_syn_and_the_kernel_resets(lab, family):
    """-sS and -Pn: nothing but a SYN for each port; what resets the open one is the kernel."""
    seen, _ = scan(lab, f"{BLIND} -sS -p 22,80 {WEB[family]}", f"host {WEB[family]}")
    syns = probes(seen)
    assert sorted(p.dport for p in syns) == [22, 80]
    assert all(p.options == MSS[family] and p.ttl == 64 and p.ack == 0 for p in syns)
    assert len({p.seq for p in syns}) == 2
    open_one = next(p for p in syns if p.dport == 80)
    others = [p for p in ours(seen, family) if p.flags != "S"]
    assert [(p.flags, p.dport, p.sport, p.seq) for p in others] == [("R", 80, open_one.sport, open_one.seq + 1)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("engine", ["epoll", "uring"])
def test_connect_scan_makes_whole_connections(lab, family, engine):
    seen, _ = scan(lab, f"{BLIND} -sT --engine {engine} -p 22,80 {WEB[family]}", f"host {WEB[family]}")
    ports = collections.defaultdict(list)
    for p in seen.packets:
        mine = p.src == SCANNER[family]
        ports[p.dport if mine else p.sport].append((">" if mine else "<") + p.flags)
    assert set(ports) == {22, 80} and ports[22] == [">S", "<RA"]
    assert ports[80][:3] == [">S", "<SA", ">A"] and ports[80][-1] in (">RA", ">R")
    assert probes(seen, dport=80)[0].options != MSS[family]  # the kernel's, with more in it


def kinds(packets, family):
    """What each packet asks, as far as it belongs to host discovery."""
    names = {("icmp", 8): "echo", ("icmpv6", 128): "echo", ("icmp", 13): "timestamp"}
    return [names.get((p.proto, p.icmp[0])) if p.icmp else f"{p.flags}{p.dport}" for p in packets if p.dst == WEB[family]]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_routed_host_is_discovered_first(lab, family, technique):
    seen, _ = scan(lab, f"-n {technique} -p 25 {WEB[family]}", f"host {WEB[family]}")
    asked = kinds([p for p in ours(seen, family) if p.flags != "R"], family)
    wanted = {"echo", "S443", "A80"} | ({"timestamp"} if family == "v4" else set())
    assert set(asked[:len(wanted)]) == wanted and asked[len(wanted):] == ["S25"]


@pytest.mark.parametrize("family", FAMILIES)
def test_sn_scans_no_port(lab, family):
    seen, _ = scan(lab, f"-n -sn {WEB[family]}", f"host {WEB[family]}")
    asked = kinds([p for p in ours(seen, family) if p.flags != "R"], family)
    assert sorted(asked) == sorted(["echo", "S443", "A80"] + (["timestamp"] if family == "v4" else []))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_silent_host_is_asked_at_most_three_times(lab, family):
    address = SILENT[family]
    seen, done = scan(lab, f"-n -sn --initial-rtt-timeout 150ms -e eth0 {address[:-1]}9", f"dst host {address[:-1]}9")
    assert "0 hosts up" in done.stdout
    asked = collections.Counter(p.icmp or f"{p.flags}{p.dport}" for p in seen.packets)
    assert len(asked) == (4 if family == "v4" else 3) and set(asked.values()) == {3}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("engine", ["auto", "afpacket"])
def test_a_neighbour_is_discovered_by_arp_or_ndp(lab, family, engine):
    """Seen from the other end: frames that pass by the queueing discipline are hidden from a capture on this one."""
    lab.run("ip", "neigh", "flush", "dev", "eth0")
    seen, _ = scan(lab, f"-n -sS --engine {engine} -p 22 {NEAR[family]}", host="near")
    mine = [p for p in seen.packets if p.eth_src == "02:00:00:00:00:02"]
    asked = [p for p in mine if (p.proto == "arp" if family == "v4" else p.icmp == (135, 0))]
    assert asked and asked[0].eth_dst == ("ff:ff:ff:ff:ff:ff" if family == "v4" else "33:33:ff:00:00:10")
    syns = [p for p in mine if p.flags == "S"]
    assert [p.dport for p in syns] == [22] and asked[0].time <= syns[0].time
    assert not [p for p in mine if p.icmp in ((8, 0), (128, 0), (13, 0)) or "A" in p.flags]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_neighbour_from_earlier_is_asked_again(lab, family):
    """An entry that the kernel has not confirmed of late is no proof that a host is up (with -Pn none is asked for)."""
    gone = {"v4": "198.18.0.14", "v6": "2001:db8::14"}[family]
    for address in (NEAR[family], gone):
        lab.run("ip", "neigh", "replace", address, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0", check=True)
    done = lab.prtip("-n", "-Pn", "-p22", "--max-retries", "0", gone, check=True)
    assert "(1 host up)" in done.stdout
    lab.run("ip", "neigh", "replace", gone, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0", check=True)
    seen, done = scan(lab, f"-n -sn {NEAR[family]} {gone}", host="near")
    lab.run("ip", "neigh", "flush", "dev", "eth0", check=True)
    assert "(1 host up)" in done.stdout and f"report for {NEAR[family]}\n" in done.stdout
    mine = [p for p in seen.packets if p.eth_src == "02:00:00:00:00:02"]
    asked = [p for p in mine if (p.proto == "arp" if family == "v4" else p.icmp == (135, 0))]
    assert ("ff:ff:ff:ff:ff:ff" if family == "v4" else "33:33:ff:00:00:10") in {p.eth_dst for p in asked}


def test_a_pace_holds_for_neighbours_too(lab):
    """With -T2 several neighbours are asked one by one, not by the kernel all at once."""
    seen, _ = scan(lab, "-n -sn -T2 --max-retries 0 198.18.0.10-13", "arp and ether src 02:00:00:00:00:02", host="near")
    asked = [p for p in seen.packets if p.eth_dst == "ff:ff:ff:ff:ff:ff" and p.dst in {f"198.18.0.{i}" for i in range(10, 14)}]
    assert len(asked) == 4 and min(gaps(asked)) >= 0.39


# ---- what a packet carries


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_ttl(lab, family, technique):
    seen, _ = scan(lab, f"-n {technique} --ttl 7 -p 22 {WEB[family]}", f"host {WEB[family]}")
    mine = [p for p in ours(seen, family) if p.flags != "R"]  # the kernel's reset has its own
    assert len(mine) >= 4 and {p.ttl for p in mine} == {7}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_source_port(lab, family, technique):
    seen, _ = scan(lab, f"{BLIND} {technique} -g 53 -p 22,80,81 {WEB[family]}", f"host {WEB[family]}")
    assert sorted(p.dport for p in probes(seen)) == [22, 80, 81]
    assert {p.sport for p in ours(seen, family)} == {53}


def test_source_port_is_kept_for_all_tries(lab):
    seen, _ = scan(lab, f"{BLIND} -sS --source-port 60000 --max-retries 2 --initial-rtt-timeout 150ms -p 7000 {SILENT['v4']}",
                   f"host {SILENT['v4']}")
    assert [p.sport for p in probes(seen)] == [60000] * 3 and len({p.seq for p in probes(seen)}) == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_source_address(lab, family, technique):
    seen, done = scan(lab, f"-n {technique} -S {EXTRA['v4']},{EXTRA['v6']} -p 22,80 {WEB[family]}", f"host {WEB[family]}")
    assert {p.src for p in probes(seen)} == {EXTRA[family]} and {p.dport for p in probes(seen)} >= {22, 80}
    assert not ours(seen, family)
    assert re.search(r"^80/tcp +open", done.stdout, re.M)


def test_a_source_address_of_others_is_refused(lab):
    seen, done = scan(lab, f"{BLIND} -sS -S 198.18.0.99 -p 80 {WEB['v4']}", f"host {WEB['v4']}", status=2)
    assert not seen.packets and "198.18.0.99" in done.stderr


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("iface", ["eth0", "eth1"])
def test_interface(lab, technique, iface):
    """198.19.0.0/16 is behind eth1; with -e eth0 it is looked for there."""
    other = {"eth0": "eth1", "eth1": "eth0"}[iface]
    with lab.capture(other, filter="dst host 198.19.1.1") as unwanted:
        seen, _ = scan(lab, f"{BLIND} {technique} --engine {'rawip' if technique == '-sS' else 'epoll'} -e {iface} -p 80 198.19.1.1",
                       "dst host 198.19.1.1", iface=iface)
    assert [p.dport for p in probes(seen)] == [80] and not unwanted.packets


def test_an_unknown_interface_is_refused(lab):
    done = lab.prtip(*words(f"{BLIND} --interface eth9 -p 80 {WEB['v4']}"))
    assert done.returncode == 2 and "eth9" in done.stderr


@pytest.mark.parametrize("iface, target", [("tun0", "198.18.60.2"), ("tun0", "2001:db8:60::2"), ("lo", "127.0.0.1"), ("lo", "::1")])
def test_links_without_addresses(lab, iface, target):
    seen, _ = scan(lab, f"{BLIND} -sS -p 80,81 {target}", f"host {target} and tcp", iface=iface)
    assert sorted(p.dport for p in probes(seen)) == [80, 81]


# ---- which positions, in which order


@pytest.mark.parametrize("family", FAMILIES)
def test_ascending_order(lab, family):
    """-r: addresses, then ports; more of them than a host's budget lets out at once."""
    targets = {"v4": "198.18.11.2 198.18.13.2", "v6": "2001:db8:11::2 2001:db8:13::2"}[family]
    seen, _ = scan(lab, f"{BLIND} -sS -r -p 100-700 {targets}", "tcp")
    order = [(p.dst, p.dport) for p in probes(seen)]
    assert len(order) == 2 * 601 and order == sorted(order)


def positions(seen):
    return [(p.dst, p.dport) for p in probes(seen)]


SPREAD = "-sS -p 100-400 198.18.11.2 198.18.13.2"
EVERY = {(address, port) for address in ("198.18.11.2", "198.18.13.2") for port in range(100, 401)}


def random_order(lab, arguments):
    """At a stated rate: else a host over its budget is passed over for a moment, and others overtake."""
    return positions(scan(lab, f"{BLIND} --rate 5000 {SPREAD} {arguments}", "tcp")[0])


def runs(order):
    """How many neighbours in time are neighbours in the numbering."""
    return sum(a[0] == b[0] and abs(a[1] - b[1]) == 1 for a, b in zip(order, order[1:]))


def test_seeds_and_samples(lab):
    first, again = (random_order(lab, "--seed 7") for _ in range(2))
    other, own, own2 = random_order(lab, "--seed 8"), random_order(lab, ""), random_order(lab, "")
    for order in (first, other, own):
        assert len(order) == len(EVERY) and set(order) == EVERY and runs(order) < 20
    assert first == again and len({tuple(o) for o in (first, other, own, own2)}) == 4
    sample = random_order(lab, "--seed 7 --max-probes 50")
    assert sample == first[:50]


@pytest.mark.parametrize("found", [BLIND, "-n "])
def test_shards_are_disjoint_and_complete(lab, found):
    parts = []
    for i in (1, 2, 3):
        seen, _ = scan(lab, f"{found} {SPREAD} --seed 7 --shard {i}/3", "tcp")
        parts.append([p for p in positions(seen) if p in EVERY])  # without discovery's
    assert sorted(len(part) for part in parts) == [200, 201, 201]
    assert set().union(*parts) == EVERY


def test_discovery_shards_by_address(lab):
    asked = []
    for i in (1, 2):
        seen, _ = scan(lab, f"-n -sn --seed 3 --shard {i}/2 198.19.1.0/28", "icmp[icmptype] == icmp-echo", iface="eth1")
        asked.append({p.dst for p in seen.packets})
    assert not asked[0] & asked[1] and asked[0] | asked[1] == {f"198.19.1.{i}" for i in range(16)}


@pytest.mark.parametrize("arguments, ports", [
    ("-p 80,443,8080-8082", {80, 443, 8080, 8081, 8082}),
    ("-p -3,65534-", {1, 2, 3, 65534, 65535}),
    ("--ports ssh,T:https", {22, 443}),
    ("-p 80-90 --exclude-ports 82-84,http", {81, 85, 86, 87, 88, 89, 90}),
    ("-p U:53,T:80 --exclude-ports U:53", {80}),
])
def test_ports(lab, arguments, ports):
    seen, _ = scan(lab, f"{BLIND} -sS {arguments} {WEB['v4']}", f"dst host {WEB['v4']}")
    assert sorted(p.dport for p in probes(seen)) == sorted(ports)


def test_port_counts(lab):
    sets = {}
    for arguments in ("--top-ports 10", "-F", "--top-ports 100", ""):
        seen, _ = scan(lab, f"{BLIND} -sS {arguments} {WEB['v4']}", f"dst host {WEB['v4']}")
        sets[arguments] = [p.dport for p in probes(seen)]
    assert [len(s) for s in sets.values()] == [10, 100, 100, 1000] and all(len(set(s)) == len(s) for s in sets.values())
    assert set(sets["--top-ports 10"]) < set(sets["-F"]) == set(sets["--top-ports 100"]) < set(sets[""])


def test_all_ports(lab):
    seen, _ = scan(lab, f"{BLIND} -sS -p- {WEB['v4']}", "tcp[tcpflags] == tcp-syn", host="web")
    assert {p.dport for p in probes(seen)} == set(range(1, 65536))


def test_targets_and_exclusions(lab, tmp_path):
    some = tmp_path / "some"
    some.write_text("198.19.1.1 # one\n198.19.1.4-5\n198.19.1.7\n")
    for arguments, last in [
        ("198.19.1.0/29", {0, 1, 2, 3, 4, 5, 6, 7}),
        ("198.19.1.0/29 --exclude 198.19.1.3,198.19.1.5-6", {0, 1, 2, 4, 7}),
        (f"198.19.1.0/29 --excludefile {some}", {0, 2, 3, 6}),
        (f"-iL {some}", {1, 4, 5, 7}),
        ("198.19.1.2,4-5", {2, 4, 5}),
    ]:
        seen, _ = scan(lab, f"{BLIND} -sS -p 80 {arguments}", "tcp[tcpflags] == tcp-syn", iface="eth1")
        assert sorted(p.dst for p in probes(seen)) == [f"198.19.1.{i}" for i in sorted(last)], arguments
    seen, _ = scan(lab, f"{BLIND} -sS -p 80 2001:db8:aaaa::/126 --exclude 2001:db8:aaaa::1", "ip6 and tcp", iface="eth1")
    assert sorted(p.dst for p in probes(seen)) == ["2001:db8:aaaa::", "2001:db8:aaaa::2", "2001:db8:aaaa::3"]


@pytest.mark.parametrize("arguments", ["-sL", "--dry-run -p 80"])
def test_nothing_is_sent(lab, arguments):
    seen, _ = scan(lab, f"-n {arguments} {WEB['v4']} {WEB['v6']}", f"host {WEB['v4']} or host {WEB['v6']}")
    assert not seen.packets


# ---- tries


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries(lab, family, retries):
    """A silent port is tried again so often, each time from its own port with its own number, and later."""
    seen, _ = scan(lab, f"{BLIND} -sS --max-retries {retries} --initial-rtt-timeout 200ms -p 7000,7001 {SILENT[family]}",
                   f"host {SILENT[family]}")
    tries = by_port(probes(seen))
    assert set(tries) == {7000, 7001}
    for packets in tries.values():
        first = packets[0].sport
        assert [p.sport for p in packets] == list(range(first, first + retries + 1))
        assert len({p.seq for p in packets}) == retries + 1
        assert all(gap >= 0.19 for gap in gaps(packets))


def test_only_the_silent_are_sent_again(lab):
    seen, _ = scan(lab, f"{BLIND} -sS --max-retries 2 -p 22,443,7000 {SILENT['v4']}", f"host {SILENT['v4']}")
    assert {port: len(packets) for port, packets in by_port(probes(seen)).items()} == {22: 1, 443: 1, 7000: 3}


def test_connect_retries(lab):
    seen, _ = scan(lab, f"{BLIND} -sT --max-retries 2 --initial-rtt-timeout 200ms -p 7000 {SILENT['v4']}", f"host {SILENT['v4']}")
    assert len(probes(seen)) == len({p.sport for p in probes(seen)}) == 3
    assert min(gaps(probes(seen))) >= 0.19


@pytest.mark.parametrize("family", FAMILIES)
def test_confidence_chooses_the_tries(lab, family):
    """At the loss assumed beforehand (2 %): two tries are the least, three are enough for 0.9999, five for 1 - 10^-8."""
    tries = []
    for wanted in ("0.5", "0.9999", "0.99999999"):
        seen, _ = scan(lab, f"{BLIND} -sS --confidence {wanted} --initial-rtt-timeout 120ms -p 7000-7063 {SILENT[family]}",
                       f"host {SILENT[family]}")
        counts = {len(packets) for packets in by_port(probes(seen)).values()}
        assert len(counts) == 1
        tries.append(counts.pop())
    assert tries == [2, 3, 5]


def test_confidence_on_a_lossy_host(lab):
    """More confidence, more frames for what stays unanswered behind 20 % loss each way."""
    most = []
    for wanted in ("0.5", "0.999999"):
        seen, _ = scan(lab, f"{BLIND} -sS --seed 1 --confidence {wanted} -p 1-400 198.18.34.2", "dst host 198.18.34.2")
        most.append(max(len(packets) for packets in by_port(probes(seen)).values()))
    assert most[0] < most[1]


# ---- engines


def traced(lab, calls, arguments):
    """What each thread that made such calls did."""
    need("strace")
    with tempfile.TemporaryDirectory(prefix="prtip-strace-") as directory:
        command = ["strace", "-ff", "-qq", "-s", "0", "-o", f"{directory}/thread", "-e", f"trace={calls}"]
        lab.run(*command, PRTIP, *words(arguments), check=True)
        texts = [path.read_text() for path in pathlib.Path(directory).iterdir()]
    return [text for text in texts if "(" in text]


@pytest.mark.parametrize("family", FAMILIES)
def test_frame_engines(lab, family):
    """The same probes from either; which sockets they leave by is seen by strace."""
    sent, calls = {}, {}
    for engine in ("afpacket", "rawip"):
        arguments = f"{BLIND} -sS --engine {engine} --seed 5 --rate 5000 -p 20-59 {WEB[family]}"
        seen, _ = scan(lab, arguments, f"dst host {WEB[family]}", host="web")
        sent[engine] = [(p.dport, p.ttl, p.options, p.window) for p in probes(seen)]
        calls[engine] = traced(lab, "socket,sendmmsg", arguments)[0]
    assert len(sent["afpacket"]) == 40 and sent["afpacket"] == sent["rawip"]
    for engine, kind in (("afpacket", "AF_PACKET"), ("rawip", {"v4": "AF_INET", "v6": "AF_INET6"}[family])):
        opened = re.findall(r"^socket\((\w+), SOCK_RAW.*\) = (\d+)", calls[engine], re.M)
        senders = {kind for kind, fd in opened if f"sendmmsg({fd}," in calls[engine] and kind != "AF_NETLINK"}
        assert senders == {kind} and ("AF_PACKET" in calls[engine]) == (engine == "afpacket")


@pytest.mark.parametrize("engine, made", [("epoll", False), ("uring", True)])
def test_stream_engines(lab, engine, made):
    calls = traced(lab, "io_uring_setup,connect,sendmmsg", f"{BLIND} -sT --engine {engine} -p 80,81 {WEB['v4']}")
    calls = "".join(calls)
    assert ("io_uring_setup" in calls) == made and "connect(" in calls and "sendmmsg" not in calls


def test_afpacket_on_loopback_is_refused(lab):
    seen, done = scan(lab, f"{BLIND} -sS --engine afpacket -p 80 127.0.0.1", "tcp", iface="lo", status=1)
    assert not seen.packets and "rawip" in done.stderr


def batch_sizes(lab, arguments):
    """Sizes of each sending thread's batches."""
    texts = traced(lab, "sendmmsg", arguments)
    return [list(map(int, re.findall(r"^sendmmsg\(.*\], (\d+), .*\) = \d+", text, re.M))) for text in texts]


@pytest.mark.parametrize("engine", ["afpacket", "rawip"])
def test_batch_size(lab, engine):
    (sizes,) = batch_sizes(lab, f"{BLIND} -sS --engine {engine} --rate 100000 --batch-size 7 --max-retries 0 -p 9000-9699 198.19.9.9")
    assert sum(sizes) == 700 and max(sizes) == 7 and sizes.count(7) >= 90


@pytest.mark.parametrize("engine", ["afpacket", "rawip"])
@pytest.mark.parametrize("given, size", [("", 256), ("--receive-batch 16", 16), ("--receive-batch 1024", 1024)])
def test_receive_batch(lab, engine, given, size):
    """How many frames each recvmmsg asks for; not one call more than needed when all of them came at once."""
    texts = traced(lab, "recvmmsg", f"{BLIND} -sS --engine {engine} -p 20-59 {given} {WEB['v4']}")
    asked = [int(n) for text in texts for n in re.findall(r"^recvmmsg\(.*, (\d+), MSG_DONTWAIT, NULL\) ", text, re.M)]
    assert asked and set(asked) == {size}


@pytest.mark.parametrize("engine", ["afpacket", "rawip"])
def test_send_threads(lab, engine):
    """Each of the threads sends; with the program's choice of a small scan none is started."""
    arguments = f"{BLIND} -sS --engine {engine} --max-retries 0 -p 9000-9999 198.19.9.8-9"
    three, none = batch_sizes(lab, f"{arguments} --send-threads 3"), batch_sizes(lab, arguments)
    assert len(three) == 3 and len(none) == 1
    assert sum(map(sum, three)) == sum(map(sum, none)) == 2000


# ---- names


def questions(seen):
    """(server, name, type) of each question asked."""
    fields = ["ip.dst", "ipv6.dst", "dns.qry.name", "dns.qry.type", "dns.flags.response"]
    command = ["tshark", "-n", "-r", seen.path, "-Y", "dns", "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    rows = [line.split("\t") for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()]
    return [(v4 or v6, name, int(kind)) for v4, v6, name, kind, response in rows if response in ("0", "False")]


RESOLVER, RESOLVER6 = "198.18.14.2", "2001:db8:14::2"
PTR, A, AAAA = 12, 1, 28
WEB_PTR, NEAR_PTR, GONE_PTR = (f"{a}.18.198.in-addr.arpa" for a in ("2.11", "10.0", "14.0"))


@pytest.mark.parametrize("arguments, asked", [
    (f"-n -Pn -p 80 {WEB['v4']}", set()),
    (f"-Pn -p 80 {WEB['v4']}", {(RESOLVER, WEB_PTR, PTR)}),
    ("-sn 198.18.0.10 198.18.0.14", {(RESOLVER, NEAR_PTR, PTR)}),
    ("-sn -R 198.18.0.10 198.18.0.14", {(RESOLVER, NEAR_PTR, PTR), (RESOLVER, GONE_PTR, PTR)}),
    (f"-Pn -p 80 --dns-servers {RESOLVER6} {WEB['v4']}", {(RESOLVER6, WEB_PTR, PTR)}),
    ("-n -Pn -p 80 web.lab.example", {(RESOLVER, "web.lab.example", A), (RESOLVER, "web.lab.example", AAAA)}),
    ("-n -Pn -p 80 -6 web.lab.example", {(RESOLVER, "web.lab.example", AAAA)}),
    ("-n -Pn -p 80 --ipv6 web.lab.example", {(RESOLVER, "web.lab.example", AAAA)}),
])
def test_questions_to_the_resolver(lab, arguments, asked):
    seen, _ = scan(lab, arguments, "port 53")
    assert set(questions(seen)) == asked


def test_names_choose_the_addresses(lab):
    for arguments, addresses in [("", [WEB["v4"]]), ("-6", [WEB["v6"]]), ("--resolve-all", [WEB["v4"], WEB["v6"]])]:
        seen, _ = scan(lab, f"{BLIND} -sS -p 81 {arguments} web.lab.example", f"host {WEB['v4']} or host {WEB['v6']}")
        assert sorted(p.dst for p in probes(seen)) == sorted(addresses), arguments


# ---- the trace

TCP_LINE = re.compile(r"^(SENT|RCVD) \([\d.]+s\) TCP \[?([\da-f.:]+?)\]?:(\d+) > \[?([\da-f.:]+?)\]?:(\d+) ([A-Z]+) ttl=(\d+) seq=(\d+)", re.M)
ICMP_LINE = re.compile(r"^(SENT|RCVD) \([\d.]+s\) ICMP ([\da-f.:]+) > ([\da-f.:]+) type=(\d+) code=(\d+) ttl=(\d+)", re.M)


@pytest.mark.parametrize("family", FAMILIES)
def test_packet_trace_tells_what_was_sent_and_received(lab, family):
    """Line by line: the trace has each packet of ours once, and each answer."""
    seen, done = scan(lab, f"-n -sS --packet-trace --max-retries 1 -p 22,25,7000 {SILENT[family]}", f"host {SILENT[family]}")
    told = collections.Counter((way, src, dst, flags, int(sport), int(dport), int(ttl), int(seq))
                               for way, src, sport, dst, dport, flags, ttl, seq in TCP_LINE.findall(done.stderr))
    told.update((way, src, dst, (int(kind), int(code)), int(ttl)) for way, src, dst, kind, code, ttl in ICMP_LINE.findall(done.stderr))
    were = collections.Counter()
    for p in seen.packets:
        way = "SENT" if p.src == SCANNER[family] else "RCVD"
        if p.flags == "R" and way == "SENT":
            continue  # the kernel's
        were[(way, p.src, p.dst, p.icmp, p.ttl) if p.icmp else (way, p.src, p.dst, p.flags, p.sport, p.dport, p.ttl, p.seq)] += 1
    assert told == were and len(told) >= 8


def test_packet_trace_of_connections(lab):
    seen, done = scan(lab, f"{BLIND} -sT --packet-trace -p 22,80 {WEB['v4']}", f"host {WEB['v4']}")
    told = re.findall(r"^CONN \([\d.]+s\) TCP ([\d.]+):(\d+) (.*)$", done.stderr, re.M)
    assert sorted(told) == sorted([(WEB["v4"], port, what) for port, what in
                                   [("22", "..."), ("80", "..."), ("22", "refused"), ("80", "connected")]])
    assert len(probes(seen)) == 2
