"""The tables that a run leaves behind: raw JSON, Markdown, and METADATA."""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess

from compare.place import ROOT


def said(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def built(build):
    options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    return {o["name"]: o["value"] for o in options
            if o["name"] in ("buildtype", "optimization", "b_sanitize", "b_lto", "b_ndebug", "c_args")}


def metadata(place):
    line = json.loads((place.build / "compile_commands.json").read_text())[0]["command"].split()
    cpu = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if "model name" in line]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": said("git", "rev-parse", "HEAD"),
        "changed_files": said("git", "status", "--short", "--untracked-files=no"),
        "machine": f"{len(cpu)} × {cpu[0] if cpu else platform.machine()}",
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "kernel": platform.release(),
        "compiler": said(line[0], "--version").partition("\n")[0],
        "flags": " ".join(w for w in line if w[:2] in ("-O", "-f", "-g", "-D", "-m")),
        "build": built(place.build),
        "peers": {"nmap": said("nmap", "--version").partition("\n")[0], "zmap": said("zmap", "--version"),
                  "masscan": "".join(x for x in said("masscan", "--version").splitlines() if "version" in x)},
        "load_at_start": os.getloadavg(),
        "real_time": place.real_time,
    }


def spread(values, digits=2):
    values = list(values)
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def seconds(rows, key):
    text = spread((r[key]["seconds"] for r in rows), 3)
    return "≥ " + text if any(r[key].get("broken_off") for r in rows) else text


def verdict(good):
    return "yes" if good else "**no**"


def pair_row(scenario, rows):
    values = [r["value"] for r in rows]
    return [scenario.name, seconds(rows, "ours"), seconds(rows, "other"), spread(values), scenario.wanted(),
            verdict(scenario.met(statistics.median(values)))]


def network_rows(rows):
    best = [r["ours"]["pps"] / max(r["zmap"]["pps"], r["masscan"]["pps"]) for r in rows]
    table = []
    for who in ("ours", "zmap", "masscan"):
        all_of = [r[who] for r in rows]
        table.append([who, spread((x["pps"] / 1e3 for x in all_of), 0),
                      " ".join(f"{x['found']}/{x['open']}" for x in all_of), sum(x["false"] for x in all_of),
                      sum(x["twice"] for x in all_of)])
    table.append(["ours / the better peer", spread(best), "", "", verdict(statistics.median(best) > 1)])
    return table


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows] + [""]


class Report:
    """Collects results and rewrites the files after each, so that a run that is broken off loses nothing."""

    head = ["# Beside the peers", "", "Written by `bench/peers`; METADATA says where and with what. Times are "
            "seconds from start to exit: median (least–most); the ratio is that of each pair.", ""]

    def __init__(self, place, where):
        self.where = pathlib.Path(where)
        self.where.mkdir(parents=True, exist_ok=True)
        self.metadata = metadata(place)
        self.raw, self.failed, self.pairs, self.others = {}, {}, [], []

    def pair(self, scenario, rows):
        self.raw[scenario.name] = rows
        self.pairs.append(pair_row(scenario, rows))
        self.write()

    def other(self, name, raw, title, head, rows):
        self.raw[name] = raw
        self.others += [f"## {title}", "", *table(head, rows)]
        self.write()

    def failure(self, name, error):
        self.failed[name] = str(error)
        self.write()

    def write(self):
        meta = self.metadata | {"load_at_end": os.getloadavg()}
        (self.where / "METADATA").write_text(json.dumps(meta, indent=1) + "\n")
        (self.where / "raw.json").write_text(json.dumps(self.raw, indent=1) + "\n")
        lines = list(self.head)
        if self.pairs:
            lines += table(["scenario", "prtip", "peer", "ratio", "asked for", "met"], self.pairs)
        lines += self.others
        if self.failed:
            lines += ["## Not recorded", "", "A run that did not do its work.", ""]
            lines += [f"- {name}: {why}" for name, why in self.failed.items()] + [""]
        (self.where / "README.md").write_text("\n".join(lines))
