"""The same truth on every way to a target, by every way to name one, and in every format."""

import ipaddress
import json
import re
import shutil
import subprocess

import pytest

from support import LAB, PRTIP, ROOT, need, nmap_states, port_list
from truth import all_states, check_agreement, check_same, read_json, read_normal, read_xml, scan

NOBODY = 65534
LISTEN = f"""
import sys
sys.path.insert(0, {str(ROOT / "lab")!r})
from netlab import listen
sockets = listen.open_ports([int(port) for port in sys.argv[1:]])
print("ready", flush=True)
listen.serve(sockets)
"""
LISTENING = [53, 6001, 18080, 60999]


def jsonl(lab, *arguments, status=0, **options):
    done = lab.prtip("-oJ", "-", *arguments, **options)
    assert done.returncode == status, f"{arguments}: status {done.returncode}\n{done.stderr}"
    return read_json(done.stdout)


@pytest.fixture(scope="module")
def listeners(lab):
    """The scanner's own namespace listens too."""
    with lab.popen("/usr/bin/python3", "-c", LISTEN, *LISTENING, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield LISTENING
        process.kill()


def expected(ports, opened, closed="closed reset"):
    return {port: "open syn-ack" if port in opened else closed for port in ports}


# ---- ways to a target

@pytest.mark.parametrize("technique, closed", [("-sS", "closed reset"), ("-sT", "closed conn-refused")])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.77.0.9", "198.18.0.2", "2001:db8::2"])
def test_loopback(lab, oracle, listeners, tmp_path, address, technique, closed):
    """A scan of this machine; with host discovery, which has nothing to ask."""
    truth = oracle(address, "1-65535", "-sS")
    run = scan(lab, tmp_path / "out", "-n", technique, "-p-", "--all-states", "--reason", address)
    states = all_states(run.json, address, truth)
    assert run.json.open() == {(address, port) for port in listeners}, "a scanner does not find its own sockets"
    check_same(states, {port: closed if state == "closed reset" else state for port, state in truth.items()})
    check_agreement(run, address, states)
    assert run.json.hosts[address]["reason"] == "localhost-response"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "198.18.0.2", "2001:db8::2"])
def test_a_port_does_not_answer_itself(lab, address):
    """A connection to this machine whose source port happens to be the one asked connects to itself."""
    found = jsonl(lab, "-n", "-Pn", "-sT", "-g", "40123", "-p", "40122-40124", "--all-states", address)
    assert found.states(address) == dict.fromkeys([40122, 40123, 40124], "closed conn-refused")


def everywhere(lab):
    """One target on each kind of way, with its open ports: loopback, the segment, the router, the tun device, eth1."""
    return {
        "127.0.0.1": LISTENING, "::1": LISTENING,
        **{address: lab.host(name).tcp for name in ("near", "quiet", "tunnel", "anyip")
           for address in (lab.host(name).v4, lab.host(name).v6)},
        "198.19.200.9": lab.host("anyip").tcp, "2001:db8:aaaa:9::9": lab.host("anyip").tcp,
    }


@pytest.mark.parametrize("found", [["-Pn"], []], ids=["-Pn", "discovered"])
@pytest.mark.parametrize("technique", ["-sS", "-sT"])
@pytest.mark.parametrize("ports", ["1-200,6001,8000-9000", "1-7000,18080"])
def test_every_way_in_one_scan(lab, listeners, tmp_path, ports, technique, found):
    closed = "closed reset" if technique == "-sS" else "closed conn-refused"
    targets = everywhere(lab)
    run = scan(lab, tmp_path / "out", "-n", *found, technique, "-p", ports, "--all-states", "--reason", *targets)
    assert set(run.xml) == set(run.grepable) == set(run.normal) == set(targets)
    for address, opened in targets.items():
        states = all_states(run.json, address, port_list(ports))
        check_same(states, expected(port_list(ports), opened, closed))
        check_agreement(run, address, states)
    assert run.json.repeated == []


@pytest.mark.parametrize("found", [["-Pn"], []], ids=["-Pn", "discovered"])
@pytest.mark.parametrize("engine", [["--engine", "afpacket"], ["--engine", "rawip"], []], ids=["afpacket", "rawip", "auto"])
def test_a_link_local_target(lab, tmp_path, engine, found):
    near = lab.host("near")
    (found_address,) = [line for line in addresses_of(lab, "near") if line.startswith("fe80:")]
    target = f"{found_address}%eth0"
    truth = nmap_states(lab, target, "1-9000", "-sS", "-e", "eth0")
    run = scan(lab, tmp_path / "out", "-n", *engine, *found, "-p1-9000", "--all-states", "--reason", target)
    check_same(truth, expected(range(1, 9001), near.tcp))
    states = all_states(run.json, target, truth)
    check_same(states, truth)
    check_agreement(run, target, states)
    assert run.xml[target].mac == run.normal[target].mac == near.mac(near.at)


def addresses_of(lab, host):
    links = json.loads(lab.run("ip", "-j", "addr", "show", "dev", "eth0", host=host, check=True).stdout)
    return [info["local"] for link in links for info in link["addr_info"]]


@pytest.mark.parametrize("engine", [["--engine", "afpacket"], ["--engine", "rawip"], []], ids=["afpacket", "rawip", "auto"])
@pytest.mark.parametrize("found", [["-Pn"], []], ids=["-Pn", "discovered"])
def test_dead_addresses_of_the_segment_are_down(lab, tmp_path, engine, found):
    targets = "198.18.0.8-15", "2001:db8::10/125"
    run = scan(lab, tmp_path / "out", "-n", "-v", *engine, *found, "-p22,23", "--all-states", "--reason", *targets)
    near = lab.host("near")
    alive = {near.v4, near.v6}
    assert {ip for ip, host in run.xml.items() if host.status == "up"} == alive
    assert {ip for ip, host in run.xml.items() if host.status == "down"} == {
        str(address) for net in (ipaddress.ip_network("198.18.0.8/29"), ipaddress.ip_network("2001:db8::10/125"))
        for address in net} - alive
    assert set(run.json.ports) == {(address, port) for address in alive for port in (22, 23)}
    assert run.json.summary["hosts_up"] == 2 and run.json.summary["hosts_down"] == 14


def test_networks_without_a_route(lab, tmp_path):
    """They are down, the reason says why, and the scan is not complete."""
    run = scan(lab, tmp_path / "out", "-n", "-v", "-p22,23", "--reason", "192.0.2.1", "2001:4860::1", "198.18.21.2", status=3)
    assert {ip: host.status for ip, host in run.xml.items()} == {
        "192.0.2.1": "down", "2001:4860::1": "down", "198.18.21.2": "up"}
    assert run.root.find("host/status[@state='down']").get("reason") == "net-unreach"
    assert "192.0.2.1" in run.done.stderr or "route" in run.done.stderr


@pytest.mark.parametrize("technique, closed", [("-sS", "closed reset"), ("-sT", "closed conn-refused")])
def test_a_network_by_its_hundred_ports(lab, tmp_path, technique, closed):
    run = scan(lab, tmp_path / "out", "-n", "-Pn", technique, "-F", "--all-states", "--reason", "198.19.77.0/24")
    ports = port_list(run.root.find("scaninfo").get("services"))
    truth = expected(ports, lab.host("anyip").tcp, closed)
    assert len(ports) == 100 and run.json.repeated == []
    assert set(run.xml) == {f"198.19.77.{i}" for i in range(256)}
    for address in run.xml:
        states = all_states(run.json, address, ports)
        check_same(states, truth)
        check_agreement(run, address, states)
    for address in ("198.19.77.0", "198.19.77.255"):
        check_same(nmap_states(lab, address, ",".join(map(str, ports)), "-sS"), expected(ports, lab.host("anyip").tcp))


def test_a_prefix_of_ipv6(lab):
    found = jsonl(lab, "-n", "-Pn", "-p20-29,80,81", "--all-states", "2001:db8:aaaa:51::/120")
    addresses = {str(address) for address in ipaddress.ip_network("2001:db8:aaaa:51::/120")}
    assert {ip for ip, _ in found.ports} == addresses and found.repeated == []
    for address in addresses:
        check_same(all_states(found, address, port_list("20-29,80,81")), expected(port_list("20-29,80,81"), [22, 80]))


# ---- ways to name a target

def named(lab, *names):
    return [f"{name}.{lab.zone}" for name in names]


def test_names_and_reverse_names(lab, tmp_path):
    web, ssh = named(lab, "web", "ssh")
    run = scan(lab, tmp_path / "out", "--resolve-all", "-p22,443", "--all-states", "--reason", web, lab.host("ssh").v4)
    assert {line["ip"]: (line.get("host"), line.get("ptr")) for line in run.json.hosts.values()} == {
        lab.host("web").v4: (web, web), lab.host("web").v6: (web, web), lab.host("ssh").v4: (None, ssh)}
    assert {ip: host.names for ip, host in run.xml.items()} == {
        lab.host("web").v4: {"user": web, "PTR": web}, lab.host("web").v6: {"user": web, "PTR": web},
        lab.host("ssh").v4: {"PTR": ssh}}
    for formats in (run.normal, run.grepable):
        assert {ip: host.names["any"] for ip, host in formats.items()} == {
            lab.host("web").v4: web, lab.host("web").v6: web, lab.host("ssh").v4: ssh}
    assert {line.get("host") for line in run.json.ports.values() if line["ip"] != lab.host("ssh").v4} == {web}
    for address in run.xml:
        check_agreement(run, address, all_states(run.json, address, [22, 443]))


@pytest.mark.parametrize("option, v4, v6, ptr", [
    ([], True, False, True), (["-n"], True, False, False), (["-6"], False, True, True), (["--resolve-all"], True, True, True)])
def test_which_addresses_a_name_stands_for(lab, option, v4, v6, ptr):
    (name,) = named(lab, "quiet")
    quiet = lab.host("quiet")
    found = jsonl(lab, *option, "-p22", name)
    assert set(found.hosts) == ({quiet.v4} if v4 else set()) | ({quiet.v6} if v6 else set())
    assert all(line["host"] == name and line.get("ptr") == (name if ptr else None) for line in found.hosts.values())


def test_names_of_dead_hosts_with_capital_r(lab, tmp_path):
    targets = ["198.18.0.8-11", "-v", "-p22", "--reason"]
    run = scan(lab, tmp_path / "all", "-R", *targets)
    assert run.xml[lab.host("near").v4].names == {"PTR": named(lab, "near")[0]}
    names = jsonl(lab, "-R", "-sL", "198.18.0.1,8,10").hosts
    assert {ip: line.get("ptr") for ip, line in names.items()} == {
        "198.18.0.1": named(lab, "r1")[0], "198.18.0.8": None, "198.18.0.10": named(lab, "near")[0]}


LIST = """
# hosts of the lab
198.19.4.0/30, 198.19.5.7
  198.19.6.1-2   2001:db8:aaaa::4/127 # two more
198.19.4.1

198.18.21.2
"""
LISTED = {"198.19.4.0", "198.19.4.1", "198.19.4.2", "198.19.4.3", "198.19.6.1", "198.19.6.2", "2001:db8:aaaa::4",
          "2001:db8:aaaa::5", "198.18.21.2", "198.19.5.7"}


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_lists_and_exclusions(lab, tmp_path, way):
    text = LIST.replace(", ", " ")
    (tmp_path / "list").write_text(text)
    (tmp_path / "not").write_text("198.19.4.2/31\n# all the same\n2001:db8:aaaa::5\n")
    arguments = ["-n", "-Pn", "-p22", "-iL", tmp_path / "list" if way == "file" else "-"]
    stdin = {} if way == "file" else {"input": text}
    assert set(jsonl(lab, *arguments, **stdin).hosts) == LISTED
    found = jsonl(lab, *arguments, "--exclude", "198.19.6.0/24,198.18.21.1-3", "--excludefile", tmp_path / "not", **stdin)
    assert set(found.hosts) == {"198.19.4.0", "198.19.4.1", "198.19.5.7", "2001:db8:aaaa::4"}
    assert found.open() == {(ip, 22) for ip in found.hosts}


def test_targets_named_twice_are_scanned_once(lab):
    found = jsonl(lab, "-n", "-Pn", "-p1-50", "--all-states", "198.19.9.0/30", "198.19.9.2-5", "198.19.9.1", "198.19.9.0/29")
    assert found.repeated == [] and len(found.ports) == 8 * 50 == found.summary["frames"]


@pytest.fixture
def no_link_local(lab):
    """The scanner's interface has no address in fe80::/10, from which a kernel would solicit."""
    address = re.search(r"fe80:\S+", lab.run("ip", "-6", "-br", "addr", "show", "dev", "eth0", check=True).stdout)[0]
    lab.run("ip", "addr", "del", address, "dev", "eth0", check=True)
    yield
    lab.run("ip", "addr", "add", address, "dev", "eth0", "nodad", check=True)


@pytest.mark.parametrize("arguments", [[], ["--engine", "afpacket"], ["-sT"]], ids=str)
@pytest.mark.parametrize("name", ["web", "near"])  # through a gateway, on the link
def test_interface_without_a_link_local_address(lab, no_link_local, name, arguments):
    lab.run("ip", "neigh", "flush", "dev", "eth0", check=True)
    port = lab.host(name).tcp[0]
    found = jsonl(lab, "-n", f"-p{port}", *arguments, lab.host(name).v6)
    assert found.open() == {(lab.host(name).v6, port)}
    assert found.summary["elapsed"] < 1, "nothing was waited for in vain"


# ---- parts of a scan

SPACE = ["-n", "-Pn", "-p1-700", "--all-states", "198.19.8.0/27"]


@pytest.mark.parametrize("seed, parts", [(7, 3), (123456789, 2), (18446744073709551615, 5)])
def test_shards_add_up(lab, seed, parts):
    whole = {(str(ip), port) for ip in ipaddress.ip_network("198.19.8.0/27") for port in range(1, 701)}
    seen = set()
    for part in range(1, parts + 1):
        found = jsonl(lab, *SPACE, "--seed", str(seed), "--shard", f"{part}/{parts}")
        keys = set(found.ports)
        assert found.repeated == [] and not keys & seen
        assert abs(len(keys) - len(whole) / parts) < 1
        seen |= keys
    assert seen == whole


def test_a_drawn_seed_comes_back_from_jq(lab):
    """Below 2^53, where a double holds every whole number."""
    need("jq")
    text = lab.prtip(*SPACE, "--max-probes", "50", "-oJ", "-", check=True).stdout
    first = read_json(text)
    seed = subprocess.run(["jq", "-r", 'select(.kind=="summary").seed'], input=text, capture_output=True, text=True, check=True).stdout.strip()
    assert int(seed) == first.summary["seed"]
    assert set(jsonl(lab, *SPACE, "--max-probes", "50", "--seed", seed).ports) == set(first.ports)
    drawn = [re.search(r"^Seed: (\d+)$", lab.prtip("--dry-run", "-n", "198.18.21.2", check=True).stdout, re.M) for _ in range(12)]
    drawn = [int(m[1]) for m in drawn]
    assert len(set(drawn)) == 12 and 2**48 < max(drawn) < 2**53


def test_a_sample(lab):
    one, again, other = (set(jsonl(lab, *SPACE, "--seed", seed, "--max-probes", "999").ports) for seed in ("1", "1", "2"))
    assert one == again != other and len(one) == len(other) == 999
    assert len({ip for ip, _ in one}) == 32, "of everywhere"
    assert len(set(jsonl(lab, *SPACE, "--max-probes", "1000000").ports)) == 32 * 700


# ---- what is reported

def test_list_scan(lab):
    done = lab.prtip("-sL", "-n", "198.18.0.0/30", "2001:db8::a", check=True)
    assert list(read_normal(done.stdout)) == ["198.18.0.0", "198.18.0.1", "198.18.0.2", "198.18.0.3", "2001:db8::a"]
    xml, root = read_xml(lab.prtip("-sL", "-n", "-oX", "-", "198.18.0.0/24", check=True).stdout)
    assert len(xml) == 256 and {host.status for host in xml.values()} == {"unknown"}
    assert root.find("runstats/hosts").get("total") == "256"


def test_host_discovery_alone(lab, tmp_path):
    hosts = ["quiet", "near", "drop", "tunnel", "anyip", "d20", "d300", "lossy20", "dburst"]
    targets = [address for name in hosts for address in (lab.host(name).v4, lab.host(name).v6)]
    run = scan(lab, tmp_path / "out", "-n", "-sn", "-v", "--reason", *targets, "198.18.21.99", "198.18.0.99")
    up = {ip for ip, host in run.xml.items() if host.status == "up"}
    nmap_up = set()
    for family, part in (([], "."), (["-6"], ":")):
        text = lab.run("nmap", "-n", "-sn", *family, "-oX", "-", "198.18.21.99" if part == "." else "2001:db8:21::99",
                       *(t for t in targets if part in t), check=True).stdout
        nmap_up |= {ip for ip, host in read_xml(text)[0].items() if host.status == "up"}
    lossy = {address for name in ("lossy20", "dburst") for address in (lab.host(name).v4, lab.host(name).v6)}
    assert up - lossy == nmap_up - lossy == set(targets) - lossy
    assert run.json.ports == {} and {ip for ip, host in run.normal.items() if host.status == "up"} == up
    assert run.xml["198.18.0.99"].status == run.xml["198.18.21.99"].status == "down"


def test_dry_run_counts(lab, tmp_path):
    with lab.capture("any") as seen:
        out = lab.prtip("--dry-run", "-n", "-p-", "198.18.21.0/24", "--exclude", "198.18.21.7", "-oX", tmp_path / "none",
                        check=True).stdout
    assert "255 addresses" in out and str(255 * 65535) in out and not (tmp_path / "none").exists()
    assert [p for p in seen.packets if p.proto in ("tcp", "udp", "icmp")] == []


def dry_seconds(lab, *arguments):
    text = lab.prtip("--dry-run", "-n", *arguments, check=True).stdout
    return [float(s) for s in re.findall(r"([0-9.]+) seconds when", text)]


def test_dry_run_counts_the_delay(lab):
    answering, silent = dry_seconds(lab, "-p1-11", "--scan-delay", "1s", "198.18.21.2")
    assert 10 <= answering < 12 and silent >= 30
    assert 10 <= dry_seconds(lab, "-p1-11", "--scan-delay", "1s", "198.18.21.0/29")[0] < 12


def test_dry_run_to_a_full_disk(lab):
    done = lab.run("sh", "-c", '"$0" --dry-run -n 198.18.21.2 >/dev/full', PRTIP)
    assert (done.returncode, done.stderr) == (1, "prtip: cannot write standard output: No space left on device\n")


def test_open_only(lab, tmp_path):
    everything = ["198.18.21.2", "198.18.22.2", "198.18.13.2", "198.18.12.2"]
    run = scan(lab, tmp_path / "out", "-n", "-Pn", "-p20-25,443", "--open", "--reason", *everything)
    opened = {"198.18.21.2": {22}, "198.18.22.2": {22, 443}, "198.18.12.2": {22}}
    for formats in (run.xml, run.normal, run.grepable):
        assert {ip: set(host.ports) for ip, host in formats.items()} == opened
    assert run.json.open() == {(ip, port) for ip, ports in opened.items() for port in ports}


def test_verbose_tells_ports_when_found(lab):
    done = lab.prtip("-n", "-Pn", "-v", "-p20-25,443", "198.18.22.2", check=True)
    lines = done.stdout.splitlines()
    first = lines.index("Nmap scan report for 198.18.22.2")
    assert set(lines[1:first]) - {""} == {f"Discovered open port {port}/tcp on 198.18.22.2" for port in (22, 443)}
    assert set(read_normal(done.stdout)["198.18.22.2"].ports.values()) == {"open", "filtered"}


@pytest.mark.parametrize("more, listed", [([], False), (["-v"], True), (["-d"], True)])
def test_more_is_listed_when_asked(lab, tmp_path, more, listed):
    """25 ports of a state are listed, 50 with -v."""
    run = scan(lab, tmp_path / "out", "-n", "-Pn", *more, "-p1-41", "--all-states", "--reason", "198.18.21.2")
    assert (len(run.xml["198.18.21.2"].ports) == 41) == listed
    check_agreement(run, "198.18.21.2", all_states(run.json, "198.18.21.2", range(1, 42)))
    assert ("prtip: " in run.done.stderr) == (more == ["-d"])


SERVICES = "zebra\t22/tcp\t0.9\nlion 80/tcp 0.8 # a comment\nmouse 5432/tcp 0.7\nfrog 31337/udp 0.99\nant 9/tcp 0.1\n"


def test_a_table_of_services(lab, tmp_path):
    (tmp_path / "services").write_text(SERVICES)
    own = ["--servicedb", tmp_path / "services", "-n", "-Pn", "--all-states", "--reason", "198.18.21.2"]
    run = scan(lab, tmp_path / "three", "--top-ports", "3", *own)
    assert set(run.json.states("198.18.21.2")) == {22, 80, 5432}
    for formats in (run.xml, run.normal, run.grepable):
        assert formats["198.18.21.2"].services == {22: "zebra", 80: "lion", 5432: "mouse"}
    assert set(jsonl(lab, "-p", "zebra,ant", *own).states("198.18.21.2")) == {9, 22}


def test_top_ports_are_nested(lab):
    chosen = [set(jsonl(lab, "-n", "-Pn", *words, "--all-states", "198.18.21.2").states("198.18.21.2"))
              for words in (["--top-ports", "10"], ["-F"], ["--top-ports", "100"], [], ["--top-ports", "4000"])]
    assert [len(ports) for ports in chosen[:4]] == [10, 100, 100, 1000]
    assert chosen[0] < chosen[1] == chosen[2] < chosen[3] < chosen[4]
    assert {22, 80, 443} <= chosen[0] and {2379, 6443, 10250} <= chosen[3]


@pytest.mark.parametrize("option, reader", [("-oX", read_xml), ("-oJ", read_json), ("-oN", read_normal)])
def test_one_format_alone_on_standard_output(lab, option, reader):
    done = lab.prtip("-n", "-Pn", "-p22", option, "-", "198.18.21.2", check=True)
    reader(done.stdout)
    assert done.stdout.count("198.18.21.2") >= 1 and done.stderr == ""


def test_jq_reads_every_line(lab, tmp_path):
    need("jq")
    text = lab.prtip("-p-", "-oJ", "-", "--all-states", "--resolve-all", f"web.{lab.zone}", check=True).stdout
    query = '[inputs | select(.kind == "port" and .state == "open") | "\\(.host) \\(.ip):\\(.port)"] | sort | unique | .[]'
    out = subprocess.run(["jq", "-nr", query], input=text, capture_output=True, text=True, check=True).stdout
    web = lab.host("web")
    assert set(out.splitlines()) == {f"web.{lab.zone} {a}:{p}" for a in (web.v4, web.v6) for p in web.tcp}


# ---- without rights

@pytest.fixture(scope="module")
def public_prtip(tmp_path_factory):
    """The program where anybody may run it."""
    folder = tmp_path_factory.mktemp("bin")
    for path in [folder, *folder.parents[:-1]]:
        path.chmod(path.stat().st_mode | 0o055)
    for path in [PRTIP, *PRTIP.parent.glob("*.so")]:
        shutil.copy(path, folder)
    return folder / PRTIP.name


def as_nobody(lab, program, *arguments, status=0):
    done = subprocess.run([LAB, "run", "--name", lab.name, "--user", "nobody", program, *arguments], capture_output=True,
                          text=True, check=False, timeout=60)
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.parametrize("more", [[], ["-sT"], ["-sT", "-Pn"], ["-sT", "--engine", "uring"]], ids=" ".join)
def test_nobody_scans_by_connections(lab, public_prtip, more):
    targets = [a for name in ("quiet", "near", "tunnel") for a in (lab.host(name).v4, lab.host(name).v6)]
    done = as_nobody(lab, public_prtip, "-n", *more, "-p1-9000", "--all-states", "-oJ", "-", *targets)
    found = read_json(done.stdout)
    assert set(found.hosts) == set(targets)
    for name in ("quiet", "near", "tunnel"):
        for address in (lab.host(name).v4, lab.host(name).v6):
            truth = expected(range(1, 9001), lab.host(name).tcp, "closed conn-refused")
            check_same(all_states(found, address, range(1, 9001)), truth)


def check_found_by_connections(found, targets):
    assert set(found.hosts) == set(targets)
    assert {host["reason"] for host in found.hosts.values()} == {"conn-refused", "syn-ack"}


@pytest.mark.parametrize("more", [[], ["--unprivileged"]], ids=" ".join)
def test_hosts_are_found_by_connections(lab, public_prtip, more):
    targets = [a for name in ("quiet", "near", "tunnel") for a in (lab.host(name).v4, lab.host(name).v6)]
    arguments = ["-n", "-sn", *more, "-oJ", "-", *targets]
    check_found_by_connections(read_json(as_nobody(lab, public_prtip, *arguments).stdout), targets)
    if more:  # root, but told not to
        check_found_by_connections(read_json(lab.prtip(*arguments, check=True).stdout), targets)


def test_unreachable_is_not_up(lab, public_prtip):
    """The kernel, or a router, tells of an address that nobody has."""
    absent = ["198.18.0.99", "198.18.21.99", "2001:db8::99"]
    for _ in range(2):  # the second time it is known at once
        done = as_nobody(lab, public_prtip, "-n", "-p22", "-oJ", "-", lab.host("quiet").v4, *absent)
        assert set(read_json(done.stdout).hosts) == {lab.host("quiet").v4}


@pytest.mark.parametrize("arguments", [["-sS"], ["-sS", "-Pn"], ["--privileged"]], ids=" ".join)
def test_nobody_is_told_what_to_do(lab, public_prtip, arguments):
    done = as_nobody(lab, public_prtip, "-n", *arguments, "-p22", lab.host("quiet").v4, status=1)
    assert done.stdout == "" and done.stderr.startswith("prtip: ") and done.stderr.count("\n") == 1
    assert "root" in done.stderr and ("-sT" in done.stderr or "--privileged" in arguments)
