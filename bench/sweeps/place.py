"""The lab's plan "sweep" as a place to measure in: the responder, what it counts, and what is true there."""

import json
import pathlib
import subprocess

from compare.place import Failed, Place

IFACE = "eth0"
V4_BITS = 16  # the responder answers for 198.18.0.0/16
PLAIN = {"seed": 1, "open": 15000, "closed": 250000, "up": 1000000, "loss-in": 0, "loss-out": 0, "duplicate": 0,
         "wrong": 0, "late": 0}
OF_TRUTH = ("seed", "open", "closed")


class SweepPlace(Place):
    plan = "sweep"

    def __init__(self, build, name, real_time=0):
        self.responder = str(pathlib.Path(build).resolve() / "lab/responder")
        self.pid = None  # of the running responder
        self.settings = dict(PLAIN)
        self.faults = []  # (label, why) of runs that did not do their work
        super().__init__(build, name, real_time)
        self.pid = self._responder_pid()

    def _responder_pid(self):
        for task in pathlib.Path("/proc", str(self.state["keeper"]), "task").iterdir():
            for pid in (task / "children").read_text().split():
                if pathlib.Path("/proc", pid, "comm").read_text().strip() == "responder":
                    return int(pid)
        raise Failed("the lab has no responder")

    def respond(self, passing, **changes):
        """Sets the responder: PLAIN, changed. `passing`: whether it has its own program at the scanner's end, which our
        XDP engine must not find there, and without which nobody else is heard."""
        self.settings = PLAIN | {k.replace("_", "-"): v for k, v in changes.items()}
        words = [w for k, v in self.settings.items() for w in ("--" + k, str(v))]
        self._in("responder", self.responder, "set", IFACE, "--pass", "on" if passing else "off", *words)

    def each(self, jobs):
        """What the jobs, pairs of a label and a function, return. One that did not do its work leaves a fault instead."""
        rows = []
        for label, job in jobs:
            try:
                rows.append(job())
            except (Failed, subprocess.SubprocessError) as e:
                self.faults.append((label, str(e)))
        if not rows:
            raise Failed("no run did its work")
        return rows

    def stats(self):
        return json.loads(self._in("responder", self.responder, "stats", IFACE))

    def seen(self):
        """SYNs that came so far, those that were dropped on the way in too."""
        return sum(f["syns"] + f["lost_in"] for f in map(self.stats().get, ("v4", "v6")))

    def truth(self, targets, ports, *words):
        """Lines "address port state", as bytes, by the settings in force: the open ones, or with "--all" each."""
        settings = [w for k in OF_TRUTH for w in ("--" + k, str(self.settings[k]))]
        command = [self.responder, "truth", *words, *settings, targets, ports]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()

    def open_ports(self, targets, ports):
        return {tuple(line.split()[:2]) for line in self.truth(targets, ports)}

    def gateway_mac(self):
        return self.mac("responder", IFACE)
