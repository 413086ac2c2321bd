"""Bad input: one line on stderr that names the fault, the right exit status, and not one packet.

Status 2 is for what a command line says and for the files and names that it gives; 1 for what is well said but cannot be
done here: no route, an engine that does not fit the link, an output that cannot be written, no name server.
"""

import os
import threading

import pytest

from support import PRTIP
from witness import Witness, is_question

pytestmark = pytest.mark.asan

W = "198.18.11.2"  # the host web
USAGE, FAILED = 2, 1

# Command lines: (arguments, words of the message in any order). {name} is a file of the fixture `files`.
ROWS = [
    # no targets, unknown options, values missing or to spare
    ([], ["no targets"]),
    (["-p80"], ["no targets"]),
    (["--bogus", W], ["unknown option", "--bogus"]),
    (["-z", W], ["unknown option", "-z"]),
    (["-sX", W], ["unknown option", "-sX", "-sS"]),
    (["--portz", "80", W], ["unknown option", "--portz", "did you mean"]),
    (["--min", W], ["ambiguous", "--min-rate", "--min-rtt-timeout"]),
    (["--ttl"], ["--ttl", "missing"]),
    (["--ttl=", W], ["--ttl", "empty"]),
    (["--open=yes", W], ["--open", "no value"]),
    (["-oX"], ["-oX", "missing"]),
    (["-"], ['"-"']),
    # targets
    (["256.1.1.1"], ["256.1.1.1", "above 255"]),
    (["1.2.3"], ["1.2.3", "four parts"]),
    (["198.18.11.2.1"], ["198.18.11.2.1"]),
    (["0x7f.0.0.1"], ["0x7f.0.0.1"]),
    (["198.18.0.1/33"], ["198.18.0.1/33", "0 to 32"]),
    (["198.18.0.1/"], ["198.18.0.1/", "0 to 32"]),
    (["198.18.0.1/-1"], ["198.18.0.1/-1"]),
    (["198.18.0.1/x"], ["198.18.0.1/x"]),
    (["198.18.0.5-1"], ["198.18.0.5-1", "ends before it begins"]),
    (["198.18.0.1,"], ["198.18.0.1,", "missing"]),
    (["198.18..1"], ["198.18..1", "missing"]),
    (["2001:db8::g"], ["2001:db8::g"]),
    (["2001:db8::1::2"], ["2001:db8::1::2"]),
    (["2001:db8::/129"], ["2001:db8::/129", "0 to 128"]),
    (["[2001:db8::1]"], ["[2001:db8::1]"]),
    (["::ffff:198.18.11.2/90"], ["/90"]),
    (["fe80::1%nosuch"], ["fe80::1%nosuch", "interface"]),
    (["fe80::1%"], ["fe80::1%", "interface"]),
    (["fe80::1%eth0%eth1"], ["eth0%eth1", "interface"]),
    (["%eth0"], ["%eth0"]),
    ([""], ["target is empty"]),
    (["a..b"], ["a..b", "empty"]),
    (["x" * 300], ["xxxx", "253"]),
    (["x" * 64 + ".example"], ["xxxx", "63"]),
    (["x" * 100000], ["xxxx", "too long"]),
    (["a b"], ['"a b"']),
    (["a\nb"], ["a\\x0ab"]),
    (["\x1b[31mred\x07"], ["\\x1b[31mred\\x07"]),
    (["münchen.example"], ["nchen.example"]),
    ([b"\xff\xfe.example"], ["\\xff\\xfe.example"]),
    (["$(id)"], ["$(id)"]),
    (["http://198.18.11.2"], ["http://198.18.11.2"]),
    (["198.18.11.2:80"], ["198.18.11.2:80"]),
    (["/etc/passwd"], ["/etc/passwd"]),
    # reserved ranges, and sets too large
    (["0.0.0.0"], ["0.0.0.0", "--allow-reserved"]),
    (["255.255.255.255"], ["255.255.255.255", "--allow-reserved"]),
    (["224.0.0.1"], ["224.0.0.1", "--allow-reserved"]),
    (["240.0.0.1"], ["240.0.0.1", "--allow-reserved"]),
    (["239.255.255.250-255"], ["239.255.255.250", "--allow-reserved"]),
    (["::"], ["::", "--allow-reserved"]),
    (["ff02::1"], ["ff02::1", "--allow-reserved"]),
    (["224.0.0.0/3"], ["224.0.0.0", "--allow-reserved"]),
    (["-iL", "{reserved}"], ["240.0.0.1", "--allow-reserved"]),
    (["100.0.0.0/7"], ["public", "--yes"]),
    (["2001:db8::/64"], ["2^63"]),
    (["2001:db8::/32", "-sn"], ["2^63"]),
    (["2001:db8::/64", "-sL"], ["2^63"]),
    # ports
    (["-p", "", W], ["-p", "empty"]),
    (["-p", "65536", W], ["65536", "65535"]),
    (["-p", "80-79", W], ["80-79", "ends before it begins"]),
    (["-p", "80abc", W], ["80abc"]),
    (["-p", "0x50", W], ["0x50"]),
    (["-p", "nosuch", W], ["nosuch"]),
    (["-p", "80,,81", W], ["nothing here"]),
    (["-p", ",80", W], ["nothing here"]),
    (["-p", "T:", W], ["T:", "nothing here"]),
    (["-p", "X:80", W], ["X:80", "T:"]),
    (["-p", "1-2-3", W], ["1-2-3"]),
    (["-p", "9" * 21, W], ["9" * 21, "65535"]),
    (["-p", "U:53", W], ["-p", "TCP"]),
    (["-p", "80]", W], ["a ] without its ["]),
    (["-p", "80", "--exclude-ports", "80", W], ["no ports are left"]),
    (["--exclude-ports", "80:90", W], ["80:90"]),
    (["--top-ports", "0", W], ["--top-ports", '"0"']),
    (["--top-ports", "65536", W], ["--top-ports", "65536"]),
    # contradictions
    (["-sS", "-sT", W], ["-sS", "-sT", "contradict"]),
    (["-sn", "-p80", W], ["-sn", "-p", "contradict"]),
    (["-sn", "-Pn", W], ["-sn", "-Pn", "contradict"]),
    (["-sL", "-sS", W], ["-sL", "-sS", "contradict"]),
    (["-n", "-R", W], ["-n", "-R", "contradict"]),
    (["-F", "-p80", W], ["-F", "-p", "contradict"]),
    (["-F", "--top-ports", "5", W], ["-F", "--top-ports", "contradict"]),
    (["--open", "--all-states", W], ["--open", "--all-states", "contradict"]),
    (["--privileged", "--unprivileged", W], ["--privileged", "--unprivileged", "contradict"]),
    (["-sS", "--unprivileged", W], ["-sS", "--unprivileged", "contradict"]),
    (["-sS", "--engine", "epoll", W], ["-sS", "epoll", "contradict"]),
    (["-sT", "--engine", "rawip", W], ["-sT", "rawip", "contradict"]),
    (["--rate", "10", "--max-rate", "5", W], ["--rate", "--max-rate", "contradict"]),
    (["--min-rate", "100", "--max-rate", "10", W], ["--min-rate 100", "--max-rate 10"]),
    (["--min-rtt-timeout", "2s", "--max-rtt-timeout", "1s", W], ["--min-rtt-timeout 2s", "--max-rtt-timeout 1s"]),
    (["-oX", "{out}", "-oJ", "{out}", W], ["-oX", "-oJ", "{out}"]),
    (["-oX", "-", "-oJ", "-", W], ["-oX", "-oJ"]),
    (["-iL", "{good}", "-oX", "{good}"], ["-iL", "-oX", "{good}"]),
    (["-oA", "{out}", "-oX", "{out}.x", W], ["-oA", "-oX", "contradict"]),
    (["-iL", "-", "--excludefile", "-"], ["-iL", "--excludefile", "once"]),
    # values
    (["-T6", W], ["-T", '"6"']),
    (["-Tfast", W], ["-T", "fast", "paranoid"]),
    (["--rate", "0", W], ["--rate", '"0"']),
    (["--rate", "-1", W], ["--rate", "-1"]),
    (["--rate", "10x", W], ["--rate", "10x"]),
    (["--rate", "nan", W], ["--rate", "nan"]),
    (["--max-rate", "1e400", W], ["--max-rate", "1e400"]),
    (["--ttl", "0", W], ["--ttl", "1 to 255"]),
    (["--ttl", "256", W], ["--ttl", "1 to 255"]),
    (["-g", "65536", W], ["-g", "1 to 65535"]),
    (["--shard", "0/2", W], ["--shard", '"0"']),
    (["--shard", "3/2", W], ["--shard", '"3"']),
    (["--shard", "1/0", W], ["--shard", '"0"']),
    (["--shard", "1", W], ["--shard", "I/N"]),
    (["--seed", "-1", W], ["--seed", "-1"]),
    (["--seed", "18446744073709551616", W], ["--seed", "18446744073709551616"]),
    (["--confidence", "1", W], ["--confidence", '"1"']),
    (["--confidence", "ninety", W], ["--confidence", "ninety"]),
    (["--max-retries", "101", W], ["--max-retries", "0 to 100"]),
    (["--batch-size", "0", W], ["--batch-size", '"0"']),
    (["--send-threads", "1000", W], ["--send-threads", "1000"]),
    (["--host-timeout", "soon", W], ["--host-timeout", "soon"]),
    (["--wait", "-1s", W], ["--wait", "-1s"]),
    (["--stats-every", "0", W], ["--stats-every", '"0"']),
    (["--scan-delay", "1y", W], ["--scan-delay", "1y"]),
    (["--max-probes", "0", W], ["--max-probes", '"0"']),
    (["--engine", "xdq", W], ["--engine", "xdq", "afpacket"]),
    (["--dns-servers", "foo", W], ["--dns-servers", "foo"]),
    (["--dns-servers", "198.18.14.2:0", W], ["--dns-servers", "198.18.14.2:0"]),
    (["--completion", "tcsh"], ["--completion", "tcsh", "bash"]),
    # interfaces and source addresses
    (["-e", "nosuch", W], ["nosuch"]),
    (["-e", "x" * 100, W], ["xxx"]),
    (["-S", "192.0.2.77", W], ["-S", "192.0.2.77"]),
    (["-S", "192.0.2.77", "-sT", W], ["-S", "192.0.2.77"]),
    (["-S", "2001:db8:99::1", "2001:db8:11::2"], ["-S", "2001:db8:99::1"]),
    (["-S", "home", W], ["-S", "home"]),
    (["-S", "198.18.0.2,198.18.0.3", W], ["-S", "198.18.0.3"]),
    # files
    (["-iL", "{missing}"], ["-iL", "{missing}", "No such file"]),
    (["-iL", "{directory}"], ["-iL", "{directory}", "directory"]),
    (["-iL", "{nul}"], ["{nul}", "NUL"]),
    (["-iL", "{binary}"], ["{binary}:1"]),
    (["-iL", "{long}"], ["{long}:1", "100000"]),
    (["-iL", "{third}"], ["{third}:3", "300.1.1.1"]),
    (["-iL", "{name_then_bad}"], ["{name_then_bad}:2", "bar!"]),
    (["-iL", "{utf16}"], ["{utf16}", "NUL"]),
    (["--excludefile", "{missing}", W], ["--excludefile", "{missing}", "No such file"]),
    (["--excludefile", "{directory}", W], ["--excludefile", "{directory}", "directory"]),
    (["--excludefile", "{binary}", W], ["{binary}:1"]),
    (["--excludefile", "{third}", W], ["{third}:3", "300.1.1.1"]),
    (["--exclude", "300.1.1.1", W], ["300.1.1.1"]),
    (["--exclude", "198.18.11.2,,x y", W], ["x y"]),
    (["--exclude", "", W], ["--exclude", "empty"]),
    (["--servicedb", "{missing}", W], ["--servicedb", "{missing}", "No such file"]),
    (["--servicedb", "{directory}", W], ["--servicedb", "{directory}", "directory"]),
    (["--servicedb", "{nul}", W], ["{nul}", "NUL"]),
    (["--servicedb", "{binary}", W], ["{binary}:1"]),
    (["--servicedb", "{long}", W], ["{long}:1"]),
    (["--servicedb", "{bad_services}", W], ["{bad_services}:2", "99999"]),
]

# Well said, but it cannot be done here.
CANNOT = [
    (["--engine", "afpacket", "127.0.0.1"], ["--engine afpacket", "loopback"]),
    (["--engine", "afpacket", "198.18.60.2"], ["--engine afpacket", "link addresses"]),
    (["203.0.113.5"], ["no route", "203.0.113.5"]),
    (["192.0.2.1", "203.0.113.5"], ["no route", "other targets"]),
    (["fe80::1"], ["fe80::1", "%NAME"]),
    (["-e", "eth1", W], ["no route", W, "chosen interface"]),
    (["-e", "lo", W], ["no route", W]),
    (["-oX", "{missing}/x", W], ["{missing}/x", "No such file"]),
    (["-oN", "{directory}", W], ["{directory}", "directory"]),
    (["-oA", "{missing}/x", W], ["{missing}/x.nmap"]),
    (["-oJ", "{good}/x", W], ["{good}/x", "Not a directory"]),
    (["-oG", "{out}" + "x" * 300, W], ["File name too long"]),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    base = tmp_path_factory.mktemp("bad")
    content = {
        "good": b"198.18.11.2\n",
        "reserved": b"0.0.0.0/0\n240.0.0.1\n",
        "nul": b"198.18.11.2\n\0\n",
        "binary": bytes(range(1, 256)) * 20,
        "long": b"a" * 100000,
        "third": b"198.18.11.2 # fine\n\n300.1.1.1\n",
        "name_then_bad": b"web.lab.example\nfoo bar!\n",
        "utf16": "198.18.11.2\n".encode("utf-16"),
        "bad_services": b"http 80/tcp 0.1\nodd 99999/tcp 0.1\n",
    }
    for name, data in content.items():
        (base / name).write_bytes(data)
    (base / "directory").mkdir()
    return {name: str(base / name) for name in [*content, "directory", "missing", "out"]}


@pytest.fixture(scope="module")
def witness(lab):
    it = Witness(lab)
    yield it
    it.close()


def filled(word, files):
    for name, path in files.items() if isinstance(word, str) else []:
        word = word.replace("{" + name + "}", path)
    return word


def check(done, status, words, stdout_empty=True):
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("\n"), done.stderr
    assert done.stderr.startswith("prtip: "), done.stderr
    assert all(c.isprintable() or c == "\n" for c in done.stderr), repr(done.stderr)
    for word in words:
        assert word in done.stderr, (word, done.stderr)
    assert done.returncode == status, done.stderr
    assert not stdout_empty or done.stdout == ""


def refuse(lab, witness, files, row, status, **options):
    arguments, words = row
    witness.sent()
    done = lab.run(PRTIP, *(filled(a, files) if isinstance(a, str) else os.fsdecode(a) for a in arguments), timeout=10,
                   errors="surrogateescape", **options)
    check(done, status, [filled(w, files) for w in words])
    assert witness.sent() == []
    assert not os.path.exists(files["out"])


def row_name(row):
    return " ".join(a if isinstance(a, str) else repr(a) for a in row[0])[:40].encode("ascii", "replace").decode() or "nothing"


@pytest.mark.parametrize("row", ROWS, ids=row_name)
def test_refused(lab, witness, files, row):
    refuse(lab, witness, files, row, USAGE)


@pytest.mark.parametrize("row", CANNOT, ids=row_name)
def test_cannot_be_done_here(lab, witness, files, row):
    refuse(lab, witness, files, row, FAILED)


def test_the_witness_sees_what_is_sent(lab, witness):
    witness.sent()
    assert lab.prtip("-n", "-Pn", "-p80", W).returncode == 0
    assert any(payload[9] == 6 for _, protocol, payload in witness.sent() if protocol == 0x0800)


# ---- what is not on the command line

def test_an_output_that_fails_leaves_the_others_alone(lab, witness, tmp_path):
    old = tmp_path / "old.nmap"
    old.write_text("precious\n")
    lone = tmp_path / "new.xml"
    done = lab.prtip("-oN", old, "-oX", lone, "-oJ", tmp_path / "missing" / "x", W)
    check(done, FAILED, ["missing/x"])
    assert old.read_text() == "precious\n" and not lone.exists()


@pytest.mark.parametrize("option", ["-iL", "--excludefile", "--servicedb"])
def test_unreadable_files(lab, witness, tmp_path, option):
    """For the user nobody; root reads everything."""
    closed = tmp_path / "closed"
    closed.write_text(W + "\n")
    closed.chmod(0)
    for path in [tmp_path, *tmp_path.parents]:
        if path.owner() == "root" and path != path.parent and not path.stat().st_mode & 1:
            path.chmod(path.stat().st_mode | 0o111)
    done = lab.prtip(option, closed, W, user=65534)
    check(done, USAGE, [option, "closed", "Permission denied"])


def test_raw_sockets_without_rights(lab, witness):
    witness.sent()
    check(lab.prtip("-sS", W, user=65534), FAILED, ["-sT"])
    check(lab.prtip("-sn", "--privileged", W, user=65534), FAILED, ["root"])
    assert witness.sent() == []


def fifo(tmp_path, write):
    path = tmp_path / "fifo"
    os.mkfifo(path)

    def feed():
        with open(path, "wb") as f:
            f.write(write)
    thread = threading.Thread(target=feed)
    thread.start()
    return path, thread


def test_fifos(lab, witness, tmp_path):
    """One that is closed without a word is an empty list; one with half a line is read as what is there."""
    witness.sent()
    path, thread = fifo(tmp_path, b"")
    done = lab.prtip("-iL", path)
    thread.join()
    assert done.returncode == 0 and "no targets are left" in done.stderr and done.stderr.count("\n") == 1
    path.unlink()
    path, thread = fifo(tmp_path, b"198.18.11.2\n198.18.1")
    done = lab.prtip("-iL", path)
    thread.join()
    check(done, USAGE, ["fifo:2", "198.18.1"])
    assert witness.sent() == []


@pytest.mark.parametrize("text, status, words", [
    ("", 0, ["no targets are left"]), ("# nothing\n", 0, ["no targets are left"]), ("300.1.1.1", USAGE, ["-:1", "300.1.1.1"]),
])
def test_standard_input(lab, witness, text, status, words):
    witness.sent()
    check(lab.prtip("-iL", "-", input=text), status, words, stdout_empty=status != 0)
    assert witness.sent() == []


def test_closed_standard_input(lab, witness):
    done = lab.run("sh", "-c", 'exec "$@" <&-', "sh", PRTIP, "-iL", "-")
    check(done, USAGE, ["-iL", "Bad file descriptor"])


def test_an_empty_table_of_services_names_nothing(lab, tmp_path):
    (tmp_path / "empty").write_text("# nothing\n\n")
    done = lab.prtip("-n", "-Pn", "--servicedb", tmp_path / "empty", "-p80", W)
    assert done.returncode == 0 and done.stderr == ""
    assert "80/tcp open  unknown" in done.stdout
    done = lab.prtip("--servicedb", tmp_path / "empty", "-p", "http", W)
    check(done, USAGE, ["http"])


# ---- names

NAMES = [
    (["nosuch.lab.example"], USAGE, ["nosuch.lab.example", "no address"]),
    (["nosuch.lab.example", "neither.lab.example"], USAGE, ["nosuch.lab.example", "1 more"]),
    (["nosuch.lab.example/24"], USAGE, ["nosuch.lab.example", "no address"]),
    (["--exclude", "nosuch.lab.example", W], USAGE, ["nosuch.lab.example", "leave out"]),
    (["--dns-servers", "198.18.11.2", "web.lab.example"], FAILED, ["web.lab.example"]),  # nobody listens there
    (["--dns-servers", "198.18.22.2", "web.lab.example"], FAILED, ["web.lab.example"]),  # dropped: a time-out
    (["--dns-servers", "198.18.11.2", "--exclude", "web.lab.example", W], FAILED, ["web.lab.example", "leave out"]),
]


@pytest.mark.parametrize("arguments, status, words", NAMES, ids=lambda v: " ".join(map(str, v)) if isinstance(v, list) else "")
def test_names_without_address(lab, witness, arguments, status, words):
    witness.sent()
    check(lab.prtip(*arguments), status, words)
    others = [p for p in witness.sent() if not is_question(p[1], p[2])]
    assert others == []


def test_a_missing_name_among_others_is_incomplete(lab):
    done = lab.prtip("-n", "-Pn", "-p80", "nosuch.lab.example", W)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "nosuch.lab.example" in done.stderr
    assert "80/tcp open" in done.stdout


def test_a_target_without_route_among_others_is_incomplete(lab):
    done = lab.prtip("-n", "-p80", "203.0.113.5", W)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "no route" in done.stderr
    assert "80/tcp open" in done.stdout


def test_large_sets_are_counted_not_sent(lab, witness):
    witness.sent()
    done = lab.prtip("--dry-run", "-p80", "4.0.0.0/6")
    assert done.returncode == 0 and "Nothing is sent" in done.stdout and done.stderr == ""
    for more, stays in (([], 3702258432), (["10.0.0.0/8"], 3702258432 + 2**24), (["--allow-reserved"], 2**32),
                        (["--exclude", "0.0.0.0/1"], 3702258432 - (2**31 - 3 * 2**24 - 2**22))):
        done = lab.prtip("--dry-run", "-p80", "0.0.0.0/0", *more)
        assert done.returncode == 0 and f"would probe {stays} addresses" in done.stdout
        assert done.stderr.count("\n") == ("--allow-reserved" not in more)
        assert more == ["--allow-reserved"] or "--allow-reserved scans them too" in done.stderr
    assert witness.sent() == []
