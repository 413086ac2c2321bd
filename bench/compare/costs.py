"""What a start costs: time beside an empty program's, system calls, heap allocations for each probe."""

import statistics

LOOPBACK = ["-n", "-Pn", "-sS"]


def start_up(place, rounds, each):
    """Seconds of `prtip --version`, an empty program and `nmap --version`, by turns."""
    programs = {"ours": [place.prtip, "--version"], "empty": [place.dir / "empty"], "nmap": ["nmap", "--version"]}
    rows = []
    for _ in range(rounds):
        row = {n: statistics.median(r.seconds for r in place.timed(a, times=each)) for n, a in programs.items()}
        row["value"] = row["ours"] / row["empty"]
        rows.append(row)
    return rows


def calls(place, argv):
    """System calls of all threads."""
    path = place.dir / "strace.out"
    place.run(["strace", "-f", "-c", "-U", "calls,name", "-o", path, *argv])
    total = [line.split()[0] for line in path.read_text().splitlines() if line.endswith("total")]
    return int(total[0])


def system_calls(place):
    two = [*LOOPBACK, "-p", "80,443", "127.0.0.1"]
    thousand = [*LOOPBACK, "-p", "1-1000", "127.0.0.1"]
    return {
        "empty": calls(place, [place.dir / "empty"]),
        "version": calls(place, [place.prtip, "--version"]),
        "nmap version": calls(place, ["nmap", "--version"]),
        "2 ports": calls(place, [place.prtip, *two]),
        "1,000 ports": calls(place, [place.prtip, *thousand]),
        "nmap 2 ports": calls(place, ["nmap", *two]),
        "nmap 1,000 ports": calls(place, ["nmap", *thousand]),
    }


def mallocs(place, options, ports):
    path = place.dir / "mallocs"
    place.run(["env", f"LD_PRELOAD={place.dir}/mallocs.so", f"MALLOCS={path}", place.prtip, "-n", "-Pn", *options,
               "-p", f"1-{ports}", place.hosts["quiet"]["v4"]])
    return int(path.read_text())


def allocations(place, few=100, many=10000):
    """Calls that take memory, in a small scan and in a large one."""
    return {kind: {few: mallocs(place, [kind], few), many: mallocs(place, [kind], many)} for kind in ("-sS", "-sT")}
