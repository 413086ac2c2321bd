"""Bad events: disks that fill, readers that go, interfaces that vanish, signals at any moment, hostile answers.

Whatever happens: a clear message, the right exit status, whole files, and nothing false in them.
"""

import contextlib
import fcntl
import json
import os
import pty
import random
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

import hostile
from support import PRTIP, ROOT
from wellformed import check_all, check_jsonl, check_xml, json_lines

pytestmark = pytest.mark.asan

SANITIZED = "ASAN_OPTIONS" in os.environ  # such a program needs terabytes of address space, and /proc
W = "198.18.11.2"  # the host web
QUIET = "198.18.21.2"
MANY = "198.19.0.0/22"  # 1,024 addresses, all with 22, 80 and 443
STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@contextlib.contextmanager
def started(lab, *arguments, **options):
    """The program, which does not outlive the test."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    process = lab.popen(PRTIP, *arguments, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ends(process, limit=20):
    out, err = process.communicate(timeout=limit)
    return process.returncode, out, err


def one_line(err, *words):
    assert err.count("\n") == 1 and err.startswith("prtip: "), err
    for word in words:
        assert word in err, err


def open_ports(lines):
    return {(x["ip"], x["port"]) for x in lines if x["kind"] == "port" and x["state"] == "open"}


# ---- outputs

def test_reader_goes_away(lab, tmp_path):
    with started(lab, "-n", "-p22,80,443", "--max-rate", "3000", "-oJ", "-", "-oX", tmp_path / "x.xml", MANY) as p:
        assert json.loads(p.stdout.readline())["kind"] in ("port", "host")
        p.stdout.close()
        assert p.wait(20) == 1
        one_line(p.stderr.read(), "standard output", "Broken pipe")
    check_xml(tmp_path / "x.xml")


@pytest.mark.parametrize("option", ["-oN", "-oX", "-oG", "-oJ"])
def test_full_device(lab, option):
    done = lab.prtip("-n", "-p80", option, "/dev/full", W)
    assert done.returncode == 1
    one_line(done.stderr, "/dev/full", "No space left")


def test_full_standard_output(lab):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = lab.prtip("-n", "-p80", W, stdout=full)
        assert done.returncode == 1
        one_line(done.stderr, "standard output", "No space left")


@pytest.mark.parametrize("option", ["--help", "--version", "--man", "--completion=bash"])
def test_full_standard_output_of_texts(lab, option):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = lab.prtip(option, stdout=full)
        assert done.returncode == 1
        one_line(done.stderr, "standard output", "No space left")


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(KIB) mounts one."""
    where = tmp_path / "small"

    def mount(kib):
        where.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", where], check=True)
        return where
    yield mount
    if os.path.ismount(where):
        subprocess.run(["umount", where], check=True)


@pytest.mark.parametrize("kib", [32, 64, 128, 256])
def test_disk_fills_up(lab, small_disk, kib):
    base = small_disk(kib) / "x"
    done = lab.prtip("-n", "-p22,80,443", "-oA", base, MANY)
    assert done.returncode == 1
    one_line(done.stderr, "cannot write", "No space left")
    check_all(base)
    last = json_lines(base.with_suffix(".jsonl").read_text())[-1]
    assert last["exit_status"] == 1 and "output" in last["error"]


def test_file_size_limit(lab, tmp_path):
    """ulimit -f: an error like any other, not a signal that kills."""
    done = lab.run("sh", "-c", 'ulimit -f 100; exec "$@"', "sh", PRTIP, "-n", "-p80,443", "-oX", tmp_path / "x.xml", MANY,
                   stdout=subprocess.DEVNULL)
    assert done.returncode == 1
    one_line(done.stderr, "x.xml", "File too large")
    check_xml(tmp_path / "x.xml")


def test_one_full_output_leaves_the_others_whole(lab, tmp_path):
    done = lab.prtip("-n", "-p80,443", "-oJ", "/dev/full", "-oX", tmp_path / "x.xml", MANY)
    assert done.returncode == 1
    check_xml(tmp_path / "x.xml")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(lab, tmp_path, closed):
    done = lab.run("sh", "-c", f'exec "$@" {closed}', "sh", PRTIP, "-n", "-Pn", "-p80", "-oA", tmp_path / "x", W)
    no_report = ">&-" in closed.split()
    assert done.returncode == (1 if no_report else 0), done.stderr
    check_all(tmp_path / "x")
    assert no_report or (W, 80) in open_ports(json_lines((tmp_path / "x.jsonl").read_text()))


# ---- the network goes away

def test_interface_goes_down(fresh_lab, tmp_path):
    lab = fresh_lab()
    with started(lab, "-n", "-Pn", "-p-", "--rate", "5000", "--max-retries", "1", "-oA", tmp_path / "x", QUIET) as p:
        time.sleep(0.5)
        lab.run("ip", "link", "set", "eth0", "down", check=True)
        status, _, err = ends(p, 40)
    check_all(tmp_path / "x")
    last = json_lines((tmp_path / "x.jsonl").read_text())[-1]
    assert status in (1, 3) and last["exit_status"] == status, (status, err)
    one_line(err)
    assert re.search("did not get out|Network is down|No such device", err), err


@pytest.mark.parametrize("way", ["-sS", "-sT"])
def test_interface_is_taken_away(fresh_lab, tmp_path, way):
    lab = fresh_lab()
    with started(lab, way, "-n", "-Pn", "-p1-20000", "--max-rate", "5000", "--max-retries", "1", "-oA", tmp_path / "x",
                 QUIET) as p:
        time.sleep(0.5)
        lab.run("ip", "link", "del", "eth0", check=True)
        status, _, err = ends(p, 40)
    check_all(tmp_path / "x")
    assert status in (1, 3), (status, err)
    one_line(err)
    assert re.search("did not get out|Network is down|No such device", err), err


def test_target_vanishes(fresh_lab, tmp_path):
    lab = fresh_lab()
    with started(lab, "-n", "-Pn", "-p1-4000", "--rate", "4000", "--max-retries", "1", "-oA", tmp_path / "x", QUIET) as p:
        time.sleep(0.4)
        lab.run("ip", "link", "set", lab.host("quiet").iface, "down", host="quiet", check=True)
        status, _, err = ends(p, 40)
    assert status == 3, err
    one_line(err, QUIET)
    check_all(tmp_path / "x")
    lines = json_lines((tmp_path / "x.jsonl").read_text())
    assert open_ports(lines) <= {(QUIET, port) for port in lab.host("quiet").tcp}
    assert lines[-1]["hosts_vanished"] == 1 and lines[-1]["missed_bound"] > 1, lines[-1]


# ---- signals

SIGNALLED = ["-R", "-p22,80,443,8080", "--max-rate", "4000", "--max-retries", "2"]


def interrupt(lab, base, moment, number, times=1):
    """Runs a scan of about a second with everything in it and stops it at that moment."""
    with started(lab, *SIGNALLED, "-oA", base, "198.19.0.0/24", QUIET, "web.lab.example") as p:
        time.sleep(moment)
        for _ in range(times):
            p.send_signal(number)
        return ends(p, 10)


@pytest.mark.parametrize("seed", range(40))
def test_signal_at_any_moment(lab, tmp_path, seed):
    rng = random.Random(seed)
    number = rng.choice(list(STOPS))
    moment = rng.choice([0.05, 0.3, 1.2]) * rng.random()
    status, out, err = interrupt(lab, tmp_path / "x", moment, number, times=1 + seed % 2)
    if status < 0:  # before main came to it
        assert -status == number and moment < 0.05
        return
    files = list(tmp_path.iterdir())
    if "before the scan began" in err:
        assert status == STOPS[number] and files == [] and out == ""
        return
    check_all(tmp_path / "x")
    last = json_lines((tmp_path / "x.jsonl").read_text())[-1]
    assert last["exit_status"] == status
    vouched = {"confidence_reached", "missed_expected", "missed_bound"} & set(last)
    assert len(vouched) == (3 if status == 0 else 0), "nothing vouches for positions that were not tried"
    if status == 0:  # it was done
        assert moment > 0.3 and "prtip done" in out
        return
    assert status == STOPS[number], err
    one_line(err, "interrupted")
    assert last["interrupted"] and "Interrupted." in out


@pytest.mark.parametrize("arguments", [["-iL", "FIFO"], ["-iL", "-"], ["--dns-servers", "198.18.22.2", "web.lab.example"]])
def test_signal_while_input_is_awaited(lab, tmp_path, arguments):
    os.mkfifo(tmp_path / "fifo")
    arguments = [str(tmp_path / "fifo") if a == "FIFO" else a for a in arguments]
    with started(lab, *arguments, stdin=subprocess.PIPE) as p:
        time.sleep(0.15)
        p.send_signal(signal.SIGINT)
        assert p.wait(1) == 130
        one_line(p.stderr.read(), "interrupted before")


def test_signal_while_names_are_awaited(lab, tmp_path):
    """The scan is done; nobody answers the questions for its hosts' names."""
    with started(lab, "-R", "-Pn", "-p80", "--dns-servers", "198.18.22.2", "-oA", tmp_path / "x", W) as p:
        time.sleep(0.6)
        p.send_signal(signal.SIGTERM)
        status, out, err = ends(p, 1)
    assert status == 143 and "80/tcp open" in out
    one_line(err, "interrupted")
    check_all(tmp_path / "x")


@pytest.mark.parametrize("ports", ["22,80,443", "22,80,400-500"])  # the second many enough for a writing thread
def test_signal_while_nobody_reads(lab, tmp_path, ports):
    """A pipe that is full and a reader that sleeps."""
    with started(lab, "-n", "-p", ports, "--all-states", "-oJ", "-", "-oX", tmp_path / "x.xml", MANY) as p:
        time.sleep(1.5)
        assert p.poll() is None
        p.send_signal(signal.SIGINT)
        assert p.wait(4) == 130
        json_lines(p.stdout.read())
        assert "interrupted" in p.stderr.read()
    check_xml(tmp_path / "x.xml")


def test_stopped_reader_gets_everything_if_it_goes_on(lab, tmp_path):
    with started(lab, "-n", "-p22,80,443", "-oJ", "-", MANY) as p:
        time.sleep(1.5)
        p.send_signal(signal.SIGINT)
        time.sleep(0.4)
        assert check_jsonl(p.stdout.read())[-1]["exit_status"] == p.wait(2) == 130


def test_ignored_hangup(lab):
    """Under nohup."""
    done = lab.run("sh", "-c", 'trap "" HUP; "$@" & sleep 0.3; kill -HUP $!; wait $!', "sh", PRTIP, "-n", "-Pn", "-p1-2000",
                   "--max-rate", "3000", QUIET)
    assert done.returncode == 0 and "prtip done" in done.stdout and done.stderr == ""


def test_killed(lab, tmp_path):
    """SIGKILL: every line that was written is whole, and what had been found 0.3 s before is there."""
    path = tmp_path / "x.jsonl"
    with started(lab, "-n", "-p22,80,443", "--max-rate", "2000", "-oJ", path, MANY) as p:
        time.sleep(1.0)
        before = json_lines(path.read_text()[:path.read_text().rfind("\n") + 1])
        time.sleep(0.3)
        p.kill()
        assert p.wait() == -9
    after = json_lines(path.read_text())
    assert before and after[:len(before)] == before and len(after) > len(before)


def test_stopped_and_continued(lab, tmp_path):
    with started(lab, "-n", "-Pn", "-p1-3000,5432,31337,65535", "--max-rate", "3000", "-oA", tmp_path / "x", QUIET) as p:
        for _ in range(2):
            time.sleep(0.3)
            p.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            p.send_signal(signal.SIGCONT)
        status, _, err = ends(p)
    assert status == 0 and err == ""
    lines = check_jsonl((tmp_path / "x.jsonl").read_text())
    assert open_ports(lines) == {(QUIET, port) for port in lab.host("quiet").tcp}
    assert len(open_ports(lines)) == sum(1 for x in lines if x["kind"] == "port")


# ---- little of everything

@pytest.mark.parametrize("way", ["-sS", "-sT"])
def test_few_descriptors(lab, way):
    done = lab.run("sh", "-c", 'ulimit -n 64; exec "$@"', "sh", PRTIP, way, "-n", "-Pn", "-p1-2000,5432", "-oJ", "-", QUIET)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert {p for _, p in open_ports(check_jsonl(done.stdout))} == {22, 80, 5432}


@pytest.mark.parametrize("limit", [4, 5, 6, 7, 8, 9, 10, 12])
def test_no_descriptors(lab, tmp_path, limit):
    """Either it is enough, or a line says what is missing; a file that was opened gets its end."""
    done = lab.run("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", PRTIP, "-sT", "-n", "-Pn", "-p79-81", "-oJ",
                   tmp_path / "x", W)
    if done.returncode == 0:
        assert (W, 80) in open_ports(check_jsonl((tmp_path / "x").read_text()))
        return
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "Too many open files" in done.stderr or "module" in done.stderr or "shared object" in done.stderr
    if (tmp_path / "x").exists():
        check_jsonl((tmp_path / "x").read_text())


if not SANITIZED:
    @pytest.mark.parametrize("kib", [3000, 5000, 7000, 9000, 12000, 16000, 24000, 40000, 80000])
    def test_little_memory(lab, tmp_path, kib):
        done = lab.run("sh", "-c", f'ulimit -v {kib}; exec "$@"', "sh", PRTIP, "-n", "-Pn", "-p1-30000", "-oJ", tmp_path / "x", "-oG",
                       tmp_path / "g", QUIET)
        assert done.returncode in (0, 1, 127), (done.returncode, done.stderr)  # 127: not even the loader
        if done.returncode == 0:
            assert {(QUIET, 22), (QUIET, 80), (QUIET, 5432)} <= open_ports(check_jsonl((tmp_path / "x").read_text()))
        else:
            assert done.stderr.count("\n") == 1, done.stderr
            assert re.search(r"memory|allocate|shared object|map|threads", done.stderr), done.stderr

    def test_no_proc(lab):
        done = lab.run("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", PRTIP, "-p80", W)
        assert done.returncode == 0 and "80/tcp open" in done.stdout, done.stderr
        done = lab.run("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", PRTIP, "-p80", "-oX", "-", W)
        assert done.returncode == 1
        one_line(done.stderr, "/proc")


def test_large_lists(lab):
    """-sL of more than fits: every target once, and Ctrl-C is heard."""
    for arguments in (["-oJ", "-"], []):
        done = lab.prtip("-sL", "-n", *arguments, "198.18.0.0/15", timeout=20)
        assert done.returncode == 0 and done.stderr == ""
        listed = re.findall(r"\b198\.1[89]\.\d+\.\d+(?=[\"\n])", done.stdout)
        assert len(listed) == len(set(listed)) == 131072
    with started(lab, "-sL", "-n", "198.18.0.0/15", "2001:db8::/90") as p:
        assert p.stdout.readline().startswith("Starting")
        p.send_signal(signal.SIGINT)
        status, out, err = ends(p)
    assert status == 130 and "Interrupted." in out
    one_line(err, "interrupted")


# ---- the terminal

class Terminal:
    """A pseudo-terminal that keeps what was written to it."""

    def __init__(self, rows=24, columns=100):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.text = ""

    def read_until_end(self, process, limit=20):
        os.close(self.slave)
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if not ready and process.poll() is not None:
                break
            if ready:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.text += data.decode(errors="replace")
        os.close(self.master)
        return process.wait(5)

    def screen(self):
        """The lines as a person sees them: \\r goes back, ESC [ K erases what follows."""
        lines, line, at = [], "", 0
        for piece in re.findall(r"\x1b\[[0-9;]*[a-zA-Z]|.|\n", self.text, re.S):
            if piece == "\n":
                lines.append(line)
                line, at = "", 0
            elif piece == "\r":
                at = 0
            elif piece == "\x1b[K":
                line = line[:at]
            elif not piece.startswith("\x1b"):
                line = line[:at] + piece + line[at + 1:]
                at += 1
        return [*lines, line]


def on_terminal(lab, *arguments, environment=None, stdout=True, stderr=True, meanwhile=None):
    terminal = Terminal()
    kept = {k: v for k, v in os.environ.items() if k == "PATH" or k.endswith("SAN_OPTIONS")}
    env = kept | {"TERM": "xterm"} | (environment or {})
    options = {"env": {k: v for k, v in env.items() if v is not None}, "stdin": subprocess.DEVNULL,
               "stdout": terminal.slave if stdout else subprocess.DEVNULL,
               "stderr": terminal.slave if stderr else subprocess.DEVNULL}
    with started(lab, *arguments, **options) as p:
        if meanwhile:
            meanwhile(p)
        status = terminal.read_until_end(p)
    return status, terminal


SLOW = ["-n", "-Pn", "-p1-3000", "--max-rate", "3000", QUIET]


def test_progress_line_is_erased(lab):
    status, t = on_terminal(lab, *SLOW)
    assert status == 0
    assert "% done" in t.text and "\x1b[1m" in t.text
    screen = t.screen()
    assert not any("% done" in line for line in screen), screen
    assert any(line.startswith("22/tcp open") for line in screen), screen
    assert screen[-1] == "" and screen[-2].startswith(("Loss", "prtip done")), screen


def test_progress_line_makes_way(lab):
    """-v tells ports at once: each line stands alone, whatever is drawn between them."""
    status, t = on_terminal(lab, "-v", "-n", "-p22,80,443", "--max-rate", "2500", "198.19.0.0/23")
    assert status == 0 and "% done" in t.text
    for line in t.screen():
        assert "% done" not in line, line
        assert line.count("198.19.") <= 1, line


def test_progress_line_and_interrupt(lab):
    status, t = on_terminal(lab, *SLOW, meanwhile=lambda p: (time.sleep(0.6), p.send_signal(signal.SIGINT)))
    screen = t.screen()
    assert status == 130 and "% done" in t.text
    assert not any("% done" in line for line in screen), screen
    assert "Interrupted." in screen and any("prtip: interrupted" in line for line in screen), screen


@pytest.mark.parametrize("environment, arguments", [
    ({"NO_COLOR": "1"}, []), ({}, ["--no-color"]),
])
def test_no_colour(lab, environment, arguments):
    _, t = on_terminal(lab, *arguments, *SLOW, environment=environment)
    assert "% done" in t.text and "\x1b[1m" not in t.text


@pytest.mark.parametrize("environment", [{"TERM": None}, {"TERM": ""}, {"TERM": "dumb"}])
def test_no_progress_line_where_none_can_be_erased(lab, environment):
    status, t = on_terminal(lab, *SLOW, environment=environment)
    assert status == 0 and "% done" not in t.text and "\x1b" not in t.text


def test_no_progress_line_in_a_file(lab):
    status, t = on_terminal(lab, *SLOW, stderr=False)
    assert status == 0 and "% done" not in t.text and "\x1b" not in t.text


# ---- hostile peers

@pytest.fixture(scope="module")
def liar(lab):
    """The host redis says nothing of its own any more; hostile.py speaks for it."""
    address = lab.host("redis").v4
    rules = "table inet mute { chain in { type filter hook input priority 0; meta l4proto tcp drop; }; }"
    lab.run("nft", rules, host="redis", check=True)
    speaker = lab.popen(sys.executable, ROOT / "tests/lab/hostile.py", address, host="redis", stdout=subprocess.PIPE, text=True)
    assert speaker.stdout.readline() == "ready\n"
    yield address
    speaker.kill()
    speaker.communicate()
    lab.run("nft", "delete table inet mute", host="redis", check=True)


@pytest.mark.parametrize("engine", ["rawip", "afpacket"])
def test_lies_are_not_believed(lab, liar, engine):
    done = lab.prtip("-n", "-Pn", "--engine", engine, "--all-states", "-p9-13,101-124,200", "--max-retries", "2", "-oJ", "-", liar)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    lines = check_jsonl(done.stdout)
    states = [(x["port"], x["state"]) for x in lines if x["kind"] == "port"]
    assert len(states) == len(set(states)), "a state was told twice"
    assert len([p for p, _ in states]) <= len(set(p for p, _ in states)) + 1, "only reset-then-open may change its state"
    is_open = {p for p, s in states if s == "open"}
    assert is_open >= {hostile.OPEN, hostile.OPEN_REPEATED, hostile.OPEN_THEN_RESET}
    assert is_open <= {hostile.OPEN, hostile.OPEN_REPEATED, hostile.OPEN_THEN_RESET, hostile.RESET_THEN_OPEN}
    told = {p for p, _ in states if p >= 100}
    assert {p for p, s in states if p >= 100 and s != "filtered"} == set(), states
    reasons = {x["port"]: x["reason"] for x in lines if x["kind"] == "port" and x["port"] in told}
    assert set(reasons.values()) <= {"no-response"}, reasons
    assert (hostile.CLOSED, "closed") in states
    last = lines[-1]
    assert last["rejected"] >= 5000, last  # the flood alone
    assert last["duplicates"] >= 49, last


def test_a_flood_hides_no_open_port(lab, liar):
    """While one port floods, the open ports of others are found."""
    done = lab.prtip("-n", "-Pn", "-p22,80,106,443", "-oJ", "-", liar, "198.19.7.0/26")
    assert done.returncode == 0
    found = open_ports(check_jsonl(done.stdout))
    assert found == {(f"198.19.7.{i}", p) for i in range(64) for p in (22, 80, 443)}


# ---- connection tracking

def test_connection_tracking_is_told(lab, tmp_path):
    rules = "table inet tracked { chain out { type filter hook output priority 0; ct state new accept; }; }"
    if lab.run("nft", rules).returncode:
        pytest.skip("no connection tracking in this kernel")
    try:
        with started(lab, "-sT", "-n", "-Pn", "-p-", "--max-rate", "100", QUIET, "198.19.0.0/28") as p:
            line = p.stderr.readline()
            p.send_signal(signal.SIGINT)
            assert ends(p)[0] == 130
        room = int(open("/proc/sys/net/netfilter/nf_conntrack_max", encoding="ascii").read())
        assert (room >= 17 * 65535) != ("nf_conntrack_max" in line), line
    finally:
        lab.run("nft", "delete table inet tracked", check=True)


# ---- hostile name servers

@pytest.fixture(scope="module")
def lying_names(lab):
    address = lab.host("redis").v4
    server = lab.popen(sys.executable, ROOT / "tests/lab/hostile_dns.py", address, host="redis", stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    yield address
    server.kill()
    server.communicate()


@pytest.mark.parametrize("asked, status, words", [
    ("reserved", 2, ["224.0.0.9", "--allow-reserved"]),
    ("this", 2, ["0.0.0.0", "--allow-reserved"]),
    ("nothing", 2, ["no address"]),
    ("loop", None, []), ("pointer", None, []), ("short", None, []), ("rubbish", None, []), ("empty", None, []),
    ("otherid", None, []), ("otherquestion", None, []), ("refused", None, []), ("silent", None, []), ("count", None, []),
])
def test_lies_about_addresses(lab, lying_names, asked, status, words):
    """One line and nothing scanned: no answer that is not whole, or not to our question, is believed."""
    done = lab.prtip("-n", "-p80", "--dns-servers", lying_names, f"{asked}.evil", timeout=10)
    assert done.returncode in ((1, 2) if status is None else (status,)), (done.returncode, done.stdout, done.stderr)
    one_line(done.stderr, *words)
    assert done.stdout == "" and "198.18.22.2" not in done.stderr


def test_one_address_many_times(lab, lying_names):
    done = lab.prtip("-n", "-p80", "--resolve-all", "--dns-servers", lying_names, "many.evil", "-oJ", "-")
    assert done.returncode == 0 and open_ports(check_jsonl(done.stdout)) == {(QUIET, 80)}


def test_names_that_a_terminal_or_a_parser_trips_over(lab, lying_names, tmp_path):
    """They may be left out or escaped; the other host has its odd but harmless name."""
    done = lab.prtip("-R", "-v", "-p22,80", "--dns-servers", lying_names, "-oA", tmp_path / "x", W, "198.18.12.2", errors="strict")
    assert done.returncode == 0 and done.stderr == ""
    check_all(tmp_path / "x")
    for text in [done.stdout, *((tmp_path / "x").with_suffix(s).read_text() for s in (".nmap", ".gnmap", ".jsonl", ".xml"))]:
        assert "odd_name.example" in text
        assert all(c.isprintable() or c in "\n\t" for c in text), repr(text)
        assert "<script" not in text
