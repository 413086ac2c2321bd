"""Where the benchmark runs: a lab of its own, its truth, its packet counters, and commands measured in it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "lab"))

from netlab import netns  # noqa: E402


class Failed(Exception):
    """A run that did not do its work: nothing of it is recorded."""


class Run:
    """One measured run of a command: seconds, CPU seconds, peak KiB, exit status, and what it printed."""

    def __init__(self, line, out):
        wall, user, system, self.peak_kib, status = map(int, line.split())
        self.seconds, self.cpu = wall / 1e9, (user + system) / 1e6
        self.status, self.out = os.waitstatus_to_exitcode(status), out


class Place:
    plan = "lab"

    def __init__(self, build, name, real_time):
        self.build, self.name, self.real_time = pathlib.Path(build).resolve(), name, real_time
        self.prtip = str(self.build / "prtip")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="prtip-bench-"))
        self.dir.chmod(0o777)
        self.env = os.environ | {"PRTIP_BUILD": str(self.build), "LC_ALL": "C"}
        self._compile()
        self._lab_up()

    def _compile(self):
        cc = os.environ.get("CC", "cc")
        for program, options in (("timed", []), ("empty", []), ("mallocs.so", ["-shared", "-fPIC"])):
            source = HERE / (program.split(".")[0] + ".c")
            subprocess.run([cc, "-O2", *options, "-o", self.dir / program, source], check=True)

    def _lab(self, *args):
        return subprocess.run([ROOT / "lab/lab", *args, "--name", self.name], env=self.env, check=True,
                              capture_output=True, text=True).stdout

    def _lab_up(self):
        self._lab("up", "--plan", self.plan, "--owner", str(os.getpid()))
        self.state = json.loads(pathlib.Path("/run/prtip-lab", self.name, "state.json").read_text())
        self.hosts = {h["name"]: h for h in json.loads(self._lab("hosts", "--json"))["hosts"]}
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        with open(self.state["netns"]["scanner"], encoding="ascii") as f:
            netns.enter(f.fileno())  # every command starts in the scanner's namespace

    def close(self):
        netns.enter(self.home)  # whatever is left in the lab's namespaces dies with it
        self._lab("down")
        shutil.rmtree(self.dir, ignore_errors=True)

    def timed(self, argv, times=1, limit=None):
        """Runs `argv` (`times` times); `limit` is in seconds and raises subprocess.TimeoutExpired."""
        out, err = self.dir / "stdout", self.dir / "stderr"
        command = [self.dir / "timed", str(times), str(self.real_time), out, err, *argv]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=self.dir, start_new_session=True,
                              env=self.env) as p:
            try:
                lines = p.communicate(timeout=limit)[0].splitlines()
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, 9)
                raise
        text = out.read_text(errors="replace")
        runs = [Run(line, text) for line in lines]
        for r in runs:
            if r.status != 0:
                said = err.read_text(errors="replace").strip().splitlines()
                raise Failed(f"{argv[0]} ended with {r.status}: {said[-1] if said else ''}")
        return runs

    def run(self, argv, limit=None):
        return self.timed(argv, limit=limit)[0]

    def _in(self, host, *command):
        return subprocess.run(["nsenter", f"--net={self.state['netns'][host]}", *command], check=True,
                              capture_output=True, text=True).stdout

    def packets(self, host, direction="rx", interface="eth0"):
        """What an interface of that host has counted: independent of what any scanner says it sent."""
        text = open("/proc/self/net/dev", encoding="ascii").read() if host == "scanner" else \
            self._in(host, "cat", "/proc/self/net/dev")
        for line in text.splitlines():
            device, _, counts = line.partition(":")
            if device.strip() == interface:
                return int(counts.split()[1 if direction == "rx" else 9])
        raise Failed(f"{host} has no interface {interface}")

    def mac(self, host, interface="eth0"):
        return json.loads(self._in(host, "ip", "-j", "link", "show", "dev", interface))[0]["address"]
