"""Proves the lab itself, with nmap, ping and captures: what lab.toml says is so."""

import json
import os
import pathlib
import re
import secrets
import signal
import statistics
import subprocess
import time

import pytest

from support import LAB, LINK_ADDRESSES, Lab, keeper, netns, nmap_states
from netlab.describe import Description

HOSTS = Description().hosts
FAMILIES = ["v4", "v6"]
# All 65,535 ports, where nmap needs seconds; elsewhere the open ports and a sample of the others.
WHOLE = ["near", "web", "ssh", "redis", "dns", "quiet", "prohibited", "anyip", "tunnel"]
LOSSY = [name for name, host in HOSTS.items() if host.loss] + ["dburst"]
SAMPLED = [name for name, host in HOSTS.items() if host.tcp and name not in WHOLE + LOSSY]
SAMPLE = [1, 7, 79, 81, 1000, 2000, 3005, 9999, 40000, 65534]


def compare(states, truth):
    assert set(states) == set(truth)
    wrong = {port: (states[port], truth[port]) for port in truth if states[port] != truth[port]}
    assert not wrong, f"{len(wrong)} ports differ (nmap, description): {dict(list(wrong.items())[:10])}"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", WHOLE)
def test_every_port_is_as_described(lab, name, family):
    host = lab.host(name)
    compare(nmap_states(lab, getattr(host, family), "1-65535", "-sS"), host.tcp_states())


def sample(host):
    return {port: state for port, state in host.tcp_states().items() if port in SAMPLE or port in host.tcp}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_ports_are_as_described(lab, name, family):
    host = lab.host(name)
    truth = sample(host)
    compare(nmap_states(lab, getattr(host, family), ",".join(map(str, truth)), "-sS"), truth)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", LOSSY)
def test_ports_behind_loss_are_as_described(lab, name, family):
    """nmap misses some: what it does find must be true, and all is found in a few runs."""
    host = lab.host(name)
    truth = sample(host)
    unseen = set(truth)
    for _ in range(8):
        states = nmap_states(lab, getattr(host, family), ",".join(map(str, sorted(unseen))), "-sS", "-T4")
        found = {port: state for port, state in states.items() if state != "filtered no-response"}
        assert found == {port: truth[port] for port in found}
        unseen -= set(found)
        if not unseen:
            return
    pytest.fail(f"nmap found no answer from {sorted(unseen)}")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["dns", "quiet", "drop", "prohibited"])
def test_udp_is_as_described(lab, name, family):
    host = lab.host(name)
    states = nmap_states(lab, getattr(host, family), "53,161,40000", "-sU", "--max-retries", "2", proto="udp")
    closed = host.udp_rest
    assert states == {port: "open udp-response" if port in host.udp else closed for port in (53, 161, 40000)}


@pytest.mark.parametrize("address", ["198.19.0.0", "198.19.77.1", "198.19.255.255", "2001:db8:aaaa::",
                                     "2001:db8:aaaa:1:2:3:4:5", "2001:db8:aaaa:ffff:ffff:ffff:ffff:ffff"])
def test_every_address_of_the_network_answers(lab, address):
    truth = {port: "open syn-ack" if port in lab.host("anyip").tcp else "closed reset" for port in range(1, 1001)}
    compare(nmap_states(lab, address, "1-1000", "-sS"), truth)


TALK = r"""
import socket, ssl, sys
def say(host, port, data, tls=False):
    s = socket.create_connection((host, port), timeout=5)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        s = context.wrap_socket(s)
    s.sendall(data)
    return s.recv(200).decode()
http = b"GET / HTTP/1.0\r\n\r\n"
print(say("web", 80, http).split("\r")[0], say("web", 8080, http).split("\r")[0], say("web", 443, http, True).split("\r")[0],
      say("ssh", 22, b"").strip()[:15], say("redis", 6379, b"PING\r\n").strip(), sep="|")
"""


def test_servers_are_real(lab):
    out = lab.run("/usr/bin/python3", "-c", TALK, check=True).stdout.strip()
    ok = "HTTP/1.1 200 OK"
    assert out == "|".join([ok, ok, ok, "SSH-2.0-OpenSSH", "+PONG"])


RESOLVE = r"""
import json, socket, sys
hosts, answer = json.load(sys.stdin), {}
for name in hosts:
    found = sorted({a[4][0] for a in socket.getaddrinfo(name, 1)})
    answer[name] = [found, [socket.gethostbyaddr(a)[0] for a in found]]
try:
    answer["outside"] = [a[4][0] for a in socket.getaddrinfo("www.example.org", 1)]
except OSError:
    answer["outside"] = None
print(json.dumps(answer))
"""


def test_resolver_knows_every_host_and_nothing_else(lab):
    names = {f"{name}.{lab.zone}": host for name, host in lab.hosts.items()}
    out = lab.run("/usr/bin/python3", "-c", RESOLVE, input=json.dumps(list(names)), check=True).stdout
    expected = {name: [sorted([h.v4, h.v6]), [name, name]] for name, h in names.items()}
    assert json.loads(out) == expected | {"outside": None}


def ping(lab, address, count, interval_ms):
    """The numbers of the echos that came back, in that order, and their round trips in ms."""
    program = pathlib.Path(__file__).with_name("echo.py")
    out = lab.run("/usr/bin/python3", program, address, count, interval_ms, check=True).stdout
    came = json.loads(out)
    return [number for number, _ in came], [rtt for _, rtt in came]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", [n for n, h in HOSTS.items() if h.loss])
def test_loss_is_as_described(lab, name, family):
    host, count = lab.host(name), 2000
    came, _ = ping(lab, getattr(host, family), count, 0.2)
    share = 1 - (1 - host.loss / 100) ** 2
    deviation = (share * (1 - share) / count) ** 0.5
    assert abs((count - len(came)) / count - share) < 4.5 * deviation


def test_loss_comes_in_bursts(lab):
    count = 8000
    came = set(ping(lab, lab.host("dburst").v4, count, 0.1)[0])
    lost = [number not in came for number in range(1, count + 1)]
    again = [after for before, after in zip(lost, lost[1:]) if before]
    assert 0.025 < sum(lost) / count < 0.085
    assert sum(again) / len(again) > 0.5, "a loss should mostly be followed by another"


def test_quiet_hosts_lose_nothing(lab):
    for name in ("quiet", "near", "anyip", "tunnel", "d20"):
        assert len(ping(lab, lab.host(name).v4, 300, 0.5)[0]) == 300, name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["d0", "d20", "d100", "d300", "dburst", "dbottle"])
def test_round_trip_is_as_described(lab, name, family):
    host = lab.host(name)
    _, rtts = ping(lab, getattr(host, family), 40, 10)
    assert host.rtt_ms <= min(rtts) < host.rtt_ms + 2
    assert statistics.median(rtts) < host.rtt_ms + 8


def test_jitter_is_as_described(lab):
    came, rtts = ping(lab, lab.host("djitter").v4, 400, 2)
    assert len(came) == 400
    assert 30 <= min(rtts) < 40
    assert 46 < statistics.median(rtts) < 55
    assert 56 < statistics.quantiles(rtts, n=10)[-1] < 69, "a tenth of them should take 61 ms or more"
    assert came != sorted(came), "packets should overtake each other"


FLOOD = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 40000))
for i in range(int(sys.argv[2])):
    try:
        s.send(b"x" * 18)
    except ConnectionRefusedError:
        pass
"""


def test_bottleneck_limits_the_rate_and_drops_what_does_not_fit(lab):
    host = lab.host("dbottle")
    with lab.capture("eth0", host="dbottle", filter="udp port 40000") as seen:
        lab.run("/usr/bin/python3", "-c", FLOOD, host.v4, 8000, check=True)
        time.sleep(0.3)
    times = [p.time for p in seen.only(dst=host.v4, dport=40000, proto="udp")]
    assert 200 < len(times) < 8000
    assert (len(times) - 1) / (times[-1] - times[0]) < 20000 * 1.05


@pytest.mark.parametrize("name, limit", [("rstlimit", 100), ("icmplimit", 50)])
def test_limited_answers_are_limited(lab, name, limit):
    host = lab.host(name)
    with lab.capture(filter=f"src host {host.v4}") as seen:
        nmap_states(lab, host.v4, "1000-2999", "-sS", "--min-rate", "4000", "--max-retries", "0")
    answers = [p.time for p in seen.packets if p.flags in ("R", "RA") or p.icmp == (3, 3)]
    span = answers[-1] - answers[0]
    assert 5 <= len(answers) <= limit * span + 25
    assert len(answers) < 1000


def test_capture_sees_what_was_sent(lab):
    host = lab.host("web")
    with lab.capture(filter="tcp") as seen:
        nmap_states(lab, host.v4, "80,81", "-sS", "-g", "4444", "--ttl", "33")
    syns = seen.only(flags="S", dst=host.v4)
    assert {(p.src, p.sport, p.dport, p.ttl) for p in syns} == {(lab.host("scanner").v4, 4444, n, 33) for n in (80, 81)}
    assert [p.ttl for p in seen.only(flags="SA", sport=80)] == [63], "one router lies between"
    assert len(seen.only(flags="RA", sport=81)) == 1


def test_tunnel_has_no_link_addresses(lab):
    out = lab.run("ip", "-j", "link", "show", "dev", "tun0", check=True).stdout
    assert json.loads(out)[0]["link_type"] == "none"
    assert "dev tun0" in lab.run("ip", "route", "get", lab.host("tunnel").v4, check=True).stdout
    assert "dev eth1" in lab.run("ip", "route", "get", "198.19.3.4", check=True).stdout


OUTSIDE = ["192.0.2.1", "203.0.113.9", "2001:4860:4860::1"]


def test_no_route_leads_out(lab):
    for host in lab.state()["netns"]:
        for address in OUTSIDE:
            done = lab.run("ip", "route", "get", address, host=host)
            assert done.returncode != 0 or "unreachable" in done.stdout, f"{host}: {done.stdout}"
        for version in ("-4", "-6"):
            assert lab.run("ip", version, "route", "show", "default", host=host, check=True).stdout == ""


def test_nothing_of_it_is_in_the_host_namespace(lab):
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    assert LINK_ADDRESSES not in links
    own = netns.inode("/proc/self/ns/net")
    assert own not in lab.state()["inodes"].values()


def processes(lab):
    state = lab.state()
    return [*netns.members(set(state["inodes"].values()), state["token"]), state["keeper"]]


def gone(pids, within=5):
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not any(netns.start_time(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def test_down_leaves_nothing(fresh_lab):
    lab = fresh_lab()
    with lab.popen("sleep", "1000") as sleeper:
        pids = processes(lab)
        assert sleeper.pid in pids and len(pids) > 10
        lab.down()
        sleeper.wait(timeout=5)
    assert gone(pids) and not lab.directory.exists()


@pytest.mark.parametrize("victims", ["keeper", "everything"])
def test_up_clears_what_a_crash_left(fresh_lab, victims):
    lab = fresh_lab()
    with lab.popen("sleep", "1000") as sleeper:  # survives the keeper
        pids = processes(lab)
        for pid in [lab.state()["keeper"]] + ([p for p in pids if p != sleeper.pid] if victims == "everything" else []):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        assert gone([lab.state()["keeper"]]) and sleeper.poll() is None
        again = Lab.up(lab.name)
        sleeper.wait(timeout=5)
    assert gone(pids)
    assert len(ping(again, again.host("web").v4, 3, 10)[0]) == 3


def test_two_labs_side_by_side(lab, fresh_lab):
    other = fresh_lab()
    assert not set(lab.state()["inodes"].values()) & set(other.state()["inodes"].values())
    for it in (lab, other):
        assert len(ping(it, it.host("web").v4, 3, 10)[0]) == 3
    before = set(processes(lab))
    other.down()
    assert set(processes(lab)) == before
    assert len(ping(lab, lab.host("web").v6, 3, 10)[0]) == 3


def test_lab_ends_with_its_owner(fresh_lab):
    with subprocess.Popen(["sleep", "1000"]) as owner:
        lab = fresh_lab(owner.pid)
        pids = processes(lab)
        owner.kill()
    assert gone(pids)
    assert not lab.directory.exists() and not lab.directory.with_name(f"{lab.name}.lock").exists()


def test_up_is_quick_and_says_when_it_is_up_already(fresh_lab):
    begin = time.monotonic()
    lab = fresh_lab()
    assert time.monotonic() - begin < 6
    done = subprocess.run([LAB, "up", "--name", lab.name], capture_output=True, text=True, check=True)
    assert "already" in done.stdout


def test_command_line(lab):
    table = subprocess.run([LAB, "hosts", "--json"], capture_output=True, text=True, check=True).stdout
    hosts = {h["name"]: h for h in json.loads(table)["hosts"]}
    assert hosts["web"]["tcp"] == [80, 443, 8080] and hosts["anyip"]["interface"] == "eth1"
    run = [LAB, "run", "--name", lab.name]
    assert subprocess.run([*run, "sh", "-c", "exit 7"], check=False).returncode == 7
    out = subprocess.run([*run, "--user", "nobody", "id", "-un"], capture_output=True, text=True, check=True).stdout
    assert out == "nobody\n"
    assert subprocess.run([*run, "no-such-program"], capture_output=True, check=False).returncode == 127
    done = subprocess.run([LAB, "up", "--name", "../x"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no name for a lab" in done.stderr


PLAIN = """zone = "lab.example"
[host.scanner]
what = "here"
on = "lan"
[host.r1]
what = "router"
on = "lan"
at = 1
router = true
[host.dns]
what = "names"
behind = "r1"
net = 1
"""


def test_hosts_named_as_words_of_ip(tmp_path):
    """An interface is named after each of them, and ip(8) has its own reading of these words."""
    on_lan = ["mtu", "dev", "type"]
    behind = ["index", "peer", "netns", "address", "up", "help"]
    text = PLAIN
    text += "".join(f'[host.{name}]\nwhat = "x"\non = "lan"\nat = {i}\n' for i, name in enumerate(on_lan, 10))
    text += "".join(f'[host.{name}]\nwhat = "x"\nbehind = "r1"\nnet = {i}\n' for i, name in enumerate(behind, 10))
    text += '[host.name]\nwhat = "x"\nbehind = "scanner"\nnet = 30\nbox = { both = "delay=1" }\n'
    (tmp_path / "words.toml").write_text(text)
    lab = Lab.up(f"t-{secrets.token_hex(4)}", plan=str(tmp_path / "words"))
    try:
        for name in [*on_lan, *behind, "name"]:
            for address in (lab.host(name).v4, lab.host(name).v6):
                lab.run("ping", "-n", "-c1", "-W5", address, check=True)
    finally:
        lab.down()


@pytest.mark.parametrize("name", ["lo", "eth0", "all", "default", "switch", "box", '"a b"', '"a/b"', '"a:b"'])
def test_names_that_no_host_can_have(tmp_path, name):
    (tmp_path / "words.toml").write_text(PLAIN + f'[host.{name}]\nwhat = "x"\nbehind = "r1"\nnet = 10\n')
    done = subprocess.run([LAB, "up", "--name", "t-nobody", "--plan", tmp_path / "words"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"host {name.strip(chr(34))}: " in done.stderr and "name" in done.stderr


@pytest.mark.parametrize("words", [
    ["link", "tun:a"], ["delay=1"], ["link", "a", "b"], ["link", "tun:a", "tun:b", "delay=-1"],
    ["link", "tun:a", "tun:b", "delay=1x"], ["link", "tun:a", "tun:b", "loss=101"], ["link", "tun:a", "tun:b", "burst=1"],
    ["link", "tun:a", "tun:b", "rate=5"], ["link", "tun:a", "tun:b", "rate=1pps", "queue=0"], ["--seed", "x"], ["--seed"],
    ["link", "tun:a", "tun:b", "nonsense=1"], ["link", "tun:a", "tun:b", "dist=odd"], []])
def test_delay_box_refuses_bad_words(lab, words):
    done = lab.run(keeper.program("delaybox"), *words, host="box", timeout=5)
    assert done.returncode in (1, 2) and "delaybox: " in done.stderr


def test_box_counts_add_up(fresh_lab):
    """Every packet that came is lost, went on or is under way; frames come whole, none for want of a slot is lost."""
    lab = fresh_lab()
    for name in ("d20", "dburst", "tunnel"):
        ping(lab, lab.host(name).v4, 500, 0.1)
    boxes = [pid for pid in processes(lab) if pathlib.Path(f"/proc/{pid}/comm").read_text() == "delaybox\n"]
    assert len(boxes) == len(lab.description.boxed())
    for pid in boxes:
        os.kill(pid, signal.SIGUSR1)
    time.sleep(0.2)
    came_to = {}
    for log in (lab.directory / "log").glob("box-*.log"):
        for line in filter(lambda text: "->" in text, log.read_text().splitlines()):
            n = {key: int(value) for key, value in re.findall(r"(came|lost|queue full|no slot|went|refused|under way|too long) (\d+)", line)}
            assert n["came"] == sum(n.values()) - n["came"] - n["too long"]
            assert n["no slot"] == n["too long"] == 0
            came_to[log.stem] = max(came_to.get(log.stem, 0), n["came"])
    assert came_to["box-d20"] >= 500 and came_to["box-tunnel"] >= 500 and came_to["box-d300"] < 500
