"""Options that shape time: spacing of tries, time-outs, rates, templates; read from the capture's own timestamps.

Most of these scans wait more than they work, so they run in the background, all at once, from the first test on; each
has ports of its own. The exact rates run alone, later. On a machine that others use too, a scanner may be kept from
running, which makes it later and never earlier: every distance has its least, the usual one its largest, and rates are
looked for in the best part of the time. What then remains is checked once more, and no more than once.
"""

import pathlib
import statistics
import time

import pytest

from support import Lab, PRTIP
from wire import (SILENT, Running, batches, by_port, gaps, most, probes, scan, times_in, waited_for_processor, windows,
                  words)

FAMILIES = ["v4", "v6"]
BLIND = "-n -Pn -sS "
SYNS = "tcp[tcpflags] == tcp-syn"
RATE100 = "--rate 100 --max-retries 0 -p 9000-9000 --max-probes 700 198.19.16.0/20"


def silent(ports, arguments="", family="v4"):
    return f"{BLIND} {arguments} -p {ports} {SILENT[family]}", f"host {SILENT[family]} and tcp portrange {ports}"


BACKGROUND = {
    "T0": silent("7000-7001", "-T paranoid"),
    "T1": silent("7010-7011", "-T sneaky"),
    "T2": silent("7020-7023", "-T2 --max-retries 0"),
    "T3": silent("7030-7030", "-T normal --confidence 0.999999999999"),
    "T4": silent("7040-7040", "-T4 --confidence 0.999999999999"),
    "T5": silent("7050-7050", "--timing insane --confidence 0.999999999999"),
    "T3v6": silent("7030-7030", "", "v6"),
    "T4v6": silent("7040-7040", "-T aggressive", "v6"),
    "T5v6": silent("7050-7050", "-T5", "v6"),
    "T2 rate": silent("7060-7069", "-T2 --rate 50 --max-retries 0"),
    "host-timeout": silent("7080-7080", "--host-timeout 2500ms"),
    "host-timeout v6": silent("7080-7080", "--host-timeout 2500ms", "v6"),
}


@pytest.fixture(scope="module")
def lab(wire_lab):
    return wire_lab


class Scans:
    """The scans of BACKGROUND, each ended when a test first asks for it."""

    def __init__(self, lab):
        self.running = {name: Running(lab, *arguments) for name, arguments in BACKGROUND.items()}
        self.running["rate 100"] = Running(lab, f"{BLIND} {RATE100}", f"src host 198.18.70.1 and {SYNS}", host="anyip", watch=True)
        self.ended = {}

    def __call__(self, name, after=None):
        if name not in self.ended:
            self.ended[name] = self.running[name].end(after)
        return self.ended[name]

    def close(self):
        for name, running in self.running.items():
            if name not in self.ended:
                running.end(after=0)


@pytest.fixture(scope="module")
def background(lab):
    scans = Scans(lab)
    yield scans
    scans.close()


def twice(check):
    """A check of rates, which a busy machine may spoil once."""
    try:
        check()
    except AssertionError as first:
        print(f"once more, after: {first}")
        check()


def usual(distances):
    """Of two the shorter."""
    return statistics.median_low(distances)


def lie(distances, low, high):
    return low < min(distances) and usual(distances) < high


# ---- foreground, while the others run: short spacings


@pytest.mark.parametrize("family", FAMILIES)
def test_initial_timeout(lab, background, family):
    seen, _ = scan(lab, *silent("7200-7201", "--initial-rtt-timeout 300ms --max-retries 2", family))
    for tries in by_port(probes(seen)).values():
        assert len(tries) == 3 and lie(gaps(tries), 0.29, 0.6), gaps(tries)


@pytest.mark.parametrize("family", FAMILIES)
def test_maximal_timeout(lab, family):
    """It cuts the initial one too."""
    seen, _ = scan(lab, *silent("7210-7211", "--max-rtt-timeout 150ms --max-retries 3", family))
    for tries in by_port(probes(seen)).values():
        assert len(tries) == 4 and lie(gaps(tries), 0.14, 0.4), gaps(tries)


@pytest.mark.parametrize("family", FAMILIES)
def test_minimal_timeout(lab, family):
    """Once the host has answered (22 is open, in less than a millisecond), the least time-out is what is waited."""
    for minimal, low, high in (("400ms", 0.39, 0.7), ("100ms", 0.09, 0.35)):
        target = SILENT[family]
        seen, _ = scan(lab, f"{BLIND} --min-rtt-timeout {minimal} --max-retries 3 -p 22,7220 {target}", f"dst host {target}")
        later = gaps(probes(seen, dport=7220))[1:]  # the first one may still be the initial time-out's
        assert len(later) == 2 and lie(later, low, high), later


@pytest.mark.parametrize("technique", ["-sS", "-sT"])
def test_scan_delay(lab, technique):
    """Between frames to one host; two hosts take turns."""
    targets = ["198.19.3.1", "198.19.3.2"]
    seen, _ = scan(lab, f"-n -Pn {technique} --scan-delay 200ms --max-retries 0 --initial-rtt-timeout 300ms -p 9000-9004 {' '.join(targets)}",
                   "dst net 198.19.3.0/30 and tcp", iface="eth1")
    each = [probes(seen, dst=target) for target in targets]
    for packets in each:
        assert len(packets) == 5 and min(gaps(packets)) >= 0.199
    assert each[0][0].time < each[1][1].time and each[1][0].time < each[0][1].time


def test_scan_delay_from_discovery_to_scan(lab):
    """The first probe of a port keeps its distance from the last one of host discovery."""
    seen, _ = scan(lab, f"-n -sS --scan-delay 200ms -p 22 {SILENT['v4']}", f"src host 198.18.0.2 and dst host {SILENT['v4']}")
    mine = [p for p in seen.packets if p.flags != "R"]
    assert mine[-1].dport == 22 and min(gaps(mine)) >= 0.199


@pytest.mark.parametrize("wait, found", [("0", False), ("1s", True)])
def test_wait(lab, wait, found):
    """300 ms away, given up after 100 ms: the answer counts if somebody still listens."""
    seen, done = scan(lab, f"{BLIND} --max-rtt-timeout 100ms --max-retries 0 --wait {wait} -p 22 198.18.53.2", "host 198.18.53.2")
    assert len(probes(seen)) == 1
    assert ("22/tcp open" in done.stdout) == found


# ---- templates


def test_T0(background):
    """Five minutes between frames: the second one does not come in 20 s, or as long as this test was kept waiting."""
    sent = probes(background("T0", after=20))
    assert sent and all(gap > 299 for gap in gaps(sent))


def test_T1(background):
    """Fifteen seconds."""
    sent = probes(background("T1", after=25))
    assert len(sent) >= 2 and lie(gaps(sent), 14.9, 17), gaps(sent)


def test_T2(background):
    """0.4 seconds."""
    seen = background("T2")
    assert len(probes(seen)) == 4 and lie(gaps(probes(seen)), 0.399, 1), gaps(probes(seen))


def test_T2_whatever_the_number_of_hosts(lab):
    seen, _ = scan(lab, f"{BLIND} -T polite --max-retries 0 -p 9000 198.19.3.0/29", "dst net 198.19.3.0/29", iface="eth1")
    assert len(probes(seen)) == 8 and min(gaps(probes(seen))) >= 0.399


def test_a_rate_that_was_given_outdoes_the_template(background):
    seen = background("T2 rate")
    assert len(probes(seen)) == 10 and usual(gaps(probes(seen))) < 0.35


@pytest.mark.parametrize("name, tries, first", [
    # With the most confidence: what the loss assumed asks for, or the template's limit.
    ("T3", 10, 1.0), ("T4", 7, 0.5), ("T5", 3, 0.25),
    ("T3v6", 5, 1.0), ("T4v6", 5, 0.5), ("T5v6", 3, 0.25),
])
def test_T3_to_T5_time_outs_and_tries(background, name, tries, first):
    """The time-out before any answer, and how often a probe is sent again."""
    sent = probes(background(name))
    assert len(sent) == tries and len({p.sport for p in sent}) == tries
    assert lie(gaps(sent), 0.98 * first, first + 0.3), gaps(sent)


@pytest.mark.parametrize("template, low, high", [("-T3", 0.099, 0.3), ("-T4", 0.099, 0.3), ("-T5", 0.049, 0.099)])
def test_T3_to_T5_least_time_out(lab, template, low, high):
    """After an answer: 100 ms, with -T5 50."""
    target = SILENT["v4"]

    waited = []
    for _ in range(5):
        seen, _ = scan(lab, f"{BLIND} {template} --max-retries 2 -p 22,7230 {target}", f"dst host {target}")
        waited.append(gaps(probes(seen, dport=7230))[1])
    assert lie(waited, low, high), waited


@pytest.mark.parametrize("template, low, high, window", [("-T3", 4500, 5200, 0.2), ("-T4", 20000, 51500, 0.02)])
def test_rate_to_a_silent_host(lab, template, low, high, window):
    """5,000 frames a second, with -T4 50,000; reached for so many seconds at least."""
    def check():
        with lab.capture(host="drop", filter=f"dst host {SILENT['v4']}") as seen:
            lab.prtip(*words(f"{BLIND} {template} --max-retries 0 -p 10000-19999 {SILENT['v4']}"), check=True)
        times = times_in(seen.path)
        assert len(times) == 10000 and (len(times) - 1) / (times[-1] - times[0]) < high
        assert most(times, window) > low * window
    twice(check)


# ---- the end of a host


@pytest.mark.parametrize("name", ["host-timeout", "host-timeout v6"])
def test_host_timeout(background, name):
    sent = probes(background(name))
    assert 2 <= len(sent) <= 3 and sent[-1].time - sent[0].time < 2.5  # the third is due after 2
    assert background.running[name].status == 3


# ---- rates

FIVE = 5.0


def keeps(times, rate, waited=0.0):
    """The mean over any 5 s, within +0.5 % and -2 %. Of the time in which the machine did not let the scanner run, only
    10 ms at a time are made good: so much less may have been sent."""
    fewest, largest = windows(times, FIVE)
    assert rate * (FIVE - waited) * 0.98 - 1 <= fewest and largest <= rate * FIVE * 1.005 + 1, (fewest, largest, waited)


def test_rate_100(lab, background):
    def check():
        if not first:
            running, seen = background.running["rate 100"], background("rate 100")
        else:
            running = Running(lab, f"{BLIND} {RATE100}", f"src host 198.18.70.1 and {SYNS}", host="anyip", watch=True)
            seen = running.end()
        first.append(running)
        times = times_in(seen.path)
        assert len(times) == 700
        keeps(times, 100, first[-1].waited)
        assert statistics.median(batches(times, 0.001)) == 1 and most(times, 0.005) <= 3
    first = []
    twice(check)


def test_nothing_is_left_in_the_background(background):
    """What follows wants the machine for itself."""
    for name, running in background.running.items():
        background(name, after=0)
        assert running.process.poll() is not None


def test_rate_10000_and_a_stall(lab):
    """Batches of a millisecond; after a stall at most 10 ms of R at once."""
    rate, stall = 10000, 0.3

    def check():
        running = Running(lab, f"{BLIND} --rate {rate} --max-retries 0 -p 9000-9001 --max-probes 66000 198.19.0.0/16", SYNS, host="anyip")
        time.sleep(5.7)
        waited = waited_for_processor(running.process.pid)
        running.stall(stall)
        times = times_in(running.end().path)
        assert len(times) == 66000
        longest, at = max((b - a, i + 1) for i, (a, b) in enumerate(zip(times, times[1:])))
        assert longest > stall * 0.8
        keeps(times[:at], rate, waited)
        assert 8 <= statistics.median(batches(times[:at], 0.0003)) <= 13
        burst = sum(t < times[at] + 0.020 for t in times[at:])  # so long that a frame's own delay is little beside it
        assert burst <= rate * (0.010 + 0.001 + 0.020) * 1.1, burst
    twice(check)


def interface_counts(pid, seconds):
    """Frames that eth1 took, the time, and how long the scanner's threads waited for a processor."""
    def look():
        line = next(x for x in pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines() if x.strip().startswith("eth1:"))
        return int(line.split(":")[1].split()[9]), time.monotonic(), waited_for_processor(pid)
    before = look()
    time.sleep(seconds)
    return tuple(b - a for a, b in zip(before, look()))


def blast(lab, rate, seconds):
    """Sends into the sink; what interface_counts says of those seconds, a little after the start."""
    arguments = f"{BLIND} --rate {rate} --max-retries 0 -p 9000-9999 --max-probes {int(rate * (seconds + 3))} 198.19.0.0/16 -oJ /dev/null"
    running = lab.popen(PRTIP, *words(arguments), stdin=-3, stdout=-3, stderr=-3)
    try:
        time.sleep(0.5)
        return interface_counts(running.pid, seconds)
    finally:
        running.terminate()
        running.wait(timeout=20)


def test_rate_200000(lab):
    """By the interface's counter, as a capture could not keep up. The time in which the machine did not let the scanner
    run is not the scanner's, and a build that cannot send so much (sanitizers) is held to what it can."""
    sent, seconds, _ = blast(lab, 5_000_000, 0.7)
    rate = min(200_000, int(0.6 * sent / seconds))

    def check():
        sent, seconds, waited = blast(lab, rate, FIVE)
        assert rate * 0.98 * (seconds - waited) <= sent <= rate * 1.005 * seconds + rate * 0.011, (rate, sent, seconds, waited)
    twice(check)


@pytest.mark.parametrize("rate", [50, 5000])
def test_maximal_rate_is_never_exceeded(lab, rate):
    """In no second, a stall or two included; and nearly reached."""
    count = int(rate * 3.5)
    running = Running(lab, f"{BLIND} --max-rate {rate} --max-retries 0 -p 9000-9001 --max-probes {count} 198.19.0.0/18",
                      f"src host 198.18.70.1 and {SYNS}", host="anyip")
    time.sleep(1.5)
    for _ in range(2):
        running.stall(0.1)
    times = times_in(running.end().path)
    assert len(times) == count
    assert most(times, 1.0) <= rate
    assert most(times, 1.0) >= rate * 0.8


def test_maximal_rate_counts_discovery_too(lab):
    seen, _ = scan(lab, "-n -sS --max-rate 20 -p 22 198.18.11.2 198.18.12.2 198.18.13.2", "src host 198.18.0.2 and net 198.18.8.0/21")
    mine = [p for p in seen.packets if p.flags != "R"]
    assert len(mine) >= 3 + 3 and [p.dport for p in mine[-3:]] == [22] * 3 and min(gaps(mine)) >= 0.04


@pytest.mark.parametrize("arguments, least, largest", [("--min-rate 20000", 20000, None), ("--min-rate 9000 --max-rate 10000", 9000, 10000)])
def test_minimal_rate(lab, arguments, least, largest):
    """A silent host gets more than its 5,000 frames a second; the ceiling is kept with it. The floor is looked for in the
    best half second, as a busy machine has others."""
    def check():
        with lab.capture(host="drop", filter=f"dst host {SILENT['v4']}") as seen:
            lab.prtip(*words(f"{BLIND} {arguments} --max-retries 0 -p 10000-29999 {SILENT['v4']}"), check=True)
        times = times_in(seen.path)
        assert len(times) == 20000
        assert most(times, 0.5) >= 0.5 * least * 0.97
        assert not largest or most(times, 1.0) <= largest
    twice(check)
