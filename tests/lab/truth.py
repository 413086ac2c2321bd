"""What the program said, read from each of its formats, and what nmap and the lab's description say."""

import collections
import dataclasses
import json
import re
import subprocess
import xml.etree.ElementTree

from support import nmap_states

DTD = "/usr/share/nmap/nmap.dtd"
SILENT = "filtered no-response"


def addresses(host):
    return [host.v4, host.v6]


# ---- what a host is

def connect_state(state, version6):
    """How a connect scan sees what a SYN scan sees as `state`: the kernel tells errors, not packets."""
    if state == "filtered admin-prohibited":
        return state if version6 else "filtered host-unreach"
    return {"closed reset": "closed conn-refused", "filtered port-unreach": "closed conn-refused"}.get(state, state)


def described(host, technique, address):
    states = host.tcp_states()
    if technique == "-sT":
        return {port: connect_state(state, ":" in address) for port, state in states.items()}
    return states


class Oracle:
    """nmap's verdicts, each asked for once in a session."""

    def __init__(self, lab):
        self.lab, self.known = lab, {}

    def __call__(self, address, ports, *arguments):
        key = (address, ports, arguments)
        if key not in self.known:
            self.known[key] = nmap_states(self.lab, address, ports, *arguments)
        return self.known[key]


# ---- JSON Lines

def no_duplicate_keys(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key twice in {keys}"
    return dict(pairs)


@dataclasses.dataclass
class JsonLines:
    ports: dict  # (ip, port) -> its line
    hosts: dict  # ip -> its line
    summary: dict
    repeated: list  # (ip, port) of lines that come again

    def states(self, ip):
        return {port: f"{line['state']} {line['reason']}" for (at, port), line in self.ports.items() if at == ip}

    def open(self, ip=None):
        return {port if ip else (at, port) for (at, port), line in self.ports.items()
                if line["state"] == "open" and ip in (None, at)}


def read_json(text):
    assert text.endswith("\n"), "the last line is cut short"
    it = JsonLines({}, {}, {}, [])
    ids = set()
    for line in text.splitlines():
        row = json.loads(line, object_pairs_hook=no_duplicate_keys)
        assert row["schema"] == 1 and not it.summary, "nothing comes after the summary"
        ids.add(row["scan_id"])
        if row["kind"] == "summary":
            it.summary = row
        elif row["kind"] == "host":
            assert row["ip"] not in it.hosts, f"{row['ip']} is reported twice"
            it.hosts[row["ip"]] = row
        else:
            key = (row["ip"], row["port"])
            it.repeated += [key] if key in it.ports else []
            it.ports[key] = row
    assert len(ids) == 1 and it.summary
    return it


def all_states(found, ip, ports):
    """Every port's state by the JSON Lines of --all-states, which leave out what was silent."""
    states = dict.fromkeys(ports, SILENT)
    said = found.states(ip)
    assert set(said) <= set(states), f"ports that nobody asked for: {sorted(set(said) - set(states))[:10]}"
    return states | said


# ---- the formats that report a host at a time

@dataclasses.dataclass
class HostReport:
    status: str
    ports: dict  # port -> "state reason" (grepable: "state")
    unlisted: collections.Counter  # the same -> how many
    services: dict = dataclasses.field(default_factory=dict)
    names: dict = dataclasses.field(default_factory=dict)  # type -> name
    mac: str = None
    speakers: dict = dataclasses.field(default_factory=dict)  # port -> who said so, when it was another


def _xml_host(element):
    status = element.find("status").get("state")
    it = HostReport(status, {}, collections.Counter())
    ip = None
    for address in element.iterfind("address"):
        if address.get("addrtype") == "mac":
            it.mac = address.get("addr").lower()
        else:
            ip = address.get("addr")
            assert address.get("addrtype") == ("ipv6" if ":" in ip else "ipv4")
    it.names = {name.get("type"): name.get("name") for name in element.iterfind("hostnames/hostname")}
    for extra in element.iterfind("ports/extraports"):
        reasons = {f"{extra.get('state')} {r.get('reason')}": int(r.get("count"))
                   for r in extra.iterfind("extrareasons")}
        assert sum(reasons.values()) == int(extra.get("count"))
        it.unlisted.update(reasons)
    for port in element.iterfind("ports/port"):
        number, state = int(port.get("portid")), port.find("state")
        assert number not in it.ports, f"port {number} of {ip} is listed twice"
        it.ports[number] = f"{state.get('state')} {state.get('reason')}"
        if state.get("reason_ip"):
            it.speakers[number] = state.get("reason_ip")
        if port.find("service") is not None:
            it.services[number] = port.find("service").get("name")
    return ip, it


def read_xml(text):
    """{ip: HostReport} and the root element."""
    root = xml.etree.ElementTree.fromstring(text)
    hosts = [_xml_host(element) for element in root.iterfind("host")]
    assert len(dict(hosts)) == len(hosts), "a host is reported twice"
    return dict(hosts), root


def check_dtd(text):
    done = subprocess.run(["xmllint", "--noout", "--nonet", "--dtdvalid", DTD, "-"], input=text, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]


GREPABLE = re.compile(r"Host: (\S+) \((\S*)\)\t(.+)")
UNLISTED = re.compile(r"(\S+) \((\d+)\)")


def read_grepable(text):
    hosts = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        ip, name, rest = GREPABLE.fullmatch(line).groups()
        for field in rest.split("\t"):
            label, _, value = field.partition(": ")
            if label == "Status":
                assert ip not in hosts, f"{ip} is reported twice"
                hosts[ip] = HostReport(value, {}, collections.Counter(), names={"any": name})
            elif label == "Ports" and value:
                parts = [entry.split("/") for entry in value.split(", ")]
                assert all(len(part) == 8 for part in parts)
                hosts[ip].ports = {int(part[0]): part[1] for part in parts}
                hosts[ip].services = {int(part[0]): part[4] for part in parts}
                assert len(hosts[ip].ports) == len(parts)
            elif label == "Ignored State":
                state, count = UNLISTED.fullmatch(value).groups()
                hosts[ip].unlisted[state] = int(count)
    return hosts


TITLE = re.compile(r"Nmap scan report for (?:(\S+) \((\S+)\)|(\S+))(?: \[host down.*\])?")
ROW = re.compile(r"(\d+)/tcp +(\S+) +(\S+)(?: +(\S+)(?: from (\S+))?(?: ttl \d+)?)?")
NOT_SHOWN = re.compile(r"(\d+) (\S+) tcp ports? \(([^)]+)\)")


def read_normal(text):
    hosts, ip = {}, None
    for line in text.splitlines():
        if title := TITLE.fullmatch(line):
            name, ip, plain = title.groups()
            ip = ip or plain
            assert ip not in hosts, f"{ip} is reported twice"
            hosts[ip] = HostReport("down" if "[host down" in line else "", {}, collections.Counter(),
                                   names={"any": name} if name else {})
        elif line.startswith("Host is up"):
            hosts[ip].status = "up"
        elif line.startswith("MAC Address: "):
            hosts[ip].mac = line.split()[2].lower()
        elif line.startswith("Not shown: "):
            for count, state, reason in NOT_SHOWN.findall(line):
                hosts[ip].unlisted[f"{state} {reason}"] = int(count)
        elif row := ROW.fullmatch(line):
            port, state, service, reason, speaker = row.groups()
            assert int(port) not in hosts[ip].ports, f"port {port} of {ip} is listed twice"
            hosts[ip].ports[int(port)] = f"{state} {reason}" if reason else state
            hosts[ip].services[int(port)] = service
            if speaker:
                hosts[ip].speakers[int(port)] = speaker
    return hosts


# ---- one run, all formats

@dataclasses.dataclass
class Run:
    json: JsonLines
    xml: dict
    grepable: dict
    normal: dict
    root: xml.etree.ElementTree.Element
    done: subprocess.CompletedProcess
    text: dict  # format -> what was written


def scan(lab, base, *arguments, status=0, **options):
    """A run that writes every format to files named from `base` (a path)."""
    done = lab.prtip("-oA", base, *arguments, **options)
    assert done.returncode == status, f"{arguments}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    text = {name: base.with_name(f"{base.name}.{name}").read_text() for name in ("jsonl", "xml", "gnmap", "nmap")}
    check_dtd(text["xml"])
    hosts, root = read_xml(text["xml"])
    return Run(read_json(text["jsonl"]), hosts, read_grepable(text["gnmap"]), read_normal(text["nmap"]), root, done, text)


def _tally(states, listed):
    return collections.Counter(state for port, state in states.items() if port not in listed)


def check_agreement(run, ip, states):
    """XML, grepable and normal (with --reason) say the same of every port as `states`, and list no port twice."""
    first = run.xml[ip]
    for name, report in (("XML", first), ("normal", run.normal[ip])):
        assert report.ports == {port: states[port] for port in report.ports}, f"{name}: {ip}"
        assert report.unlisted == _tally(states, report.ports), f"{name}: {ip}"
        others = {port: line["from"] for (at, port), line in run.json.ports.items() if at == ip and "from" in line}
        assert report.speakers == {port: others[port] for port in report.ports if port in others}, f"{name}: {ip}"
    short = {port: state.split()[0] for port, state in states.items()}
    grepable = run.grepable[ip]
    assert grepable.ports == {port: short[port] for port in grepable.ports}
    assert set(grepable.ports) == set(first.ports) == set(run.normal[ip].ports)
    unlisted = _tally(short, grepable.ports)
    assert grepable.unlisted == collections.Counter(dict(unlisted.most_common(1)))
    assert {port for port, state in short.items() if state == "open"} <= set(first.ports), "open ports are always listed"
    for port, state in first.ports.items():
        if state.startswith("open"):
            assert first.services[port] == grepable.services[port] == run.normal[ip].services[port]


def differences(states, truth):
    assert set(states) == set(truth)
    return {port: (states[port], truth[port]) for port in truth if states[port] != truth[port]}


def check_same(states, truth):
    wrong = differences(states, truth)
    assert not wrong, f"{len(wrong)} ports differ (said, true): {dict(list(wrong.items())[:10])}"


def check_true_where_answered(states, truth, unseen=0, summary=None):
    """Every open port, none that is not, every answer as it is; at most `unseen` of the others passed over in silence."""
    wrong = differences(states, truth)
    false = {port: pair for port, pair in wrong.items() if pair[0] != SILENT or pair[1].startswith("open")}
    assert not false, f"{len(false)} ports are wrong (said, true): {dict(list(false.items())[:10])}; {summary}"
    assert len(wrong) <= unseen, f"{len(wrong)} answers were not seen; {summary}"
