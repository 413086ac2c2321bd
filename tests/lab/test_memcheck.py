"""The whole program under valgrind's memcheck: no error, nothing lost."""

import os
import signal
import subprocess
import time

import pytest

from support import PRTIP, need
from wellformed import check_all

MEMCHECK = ["valgrind", "--quiet", "--vgdb=no", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--num-callers=20"]
SCANS = [
    "-sS -p1-1000 198.18.21.2",
    "-sS -n -Pn -p22-25,80 --max-retries 2 198.18.22.2",
    "-sS --engine afpacket -p22,80 198.19.0.0/26",
    "-sS -p22,80,3000-3003 2001:db8:21::2 2001:db8:24::2",
    "-sT -n -p1-200 198.18.21.2",
    "-sT -n -p22,80 --engine uring 2001:db8:21::2",
    "-sn 198.18.0.0/28 2001:db8:11::2",
    "-n -p80 -v --all-states --packet-trace web.lab.example 127.0.0.1 ::1",
    "-sL -R web.lab.example 198.18.11.0/29",
]

pytestmark = pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="the sanitizers look for the same")


@pytest.fixture(autouse=True)
def has_valgrind():
    need("valgrind")


def clean(status, err, wanted=0):
    assert status == wanted, err
    complaints = [line for line in err.splitlines() if line.startswith("==")]
    assert complaints == [], "\n".join(complaints)


@pytest.mark.parametrize("words", SCANS)
def test_scans(lab, tmp_path, words):
    done = lab.run(*MEMCHECK, PRTIP, *words.split(), "-oA", tmp_path / "x", timeout=60)
    clean(done.returncode, done.stderr)
    check_all(tmp_path / "x")


@pytest.mark.parametrize("words, status", [("nosuch.lab.example", 2), ("--exclude a..b 198.18.11.2", 2), ("203.0.113.5", 1),
                                           ("-oX /nonexistent/x 198.18.11.2", 1), ("-p 80,x 198.18.11.2", 2), ("--help", 0),
                                           ("--dry-run 198.18.11.0/24", 0)])
def test_refusals(lab, words, status):
    done = lab.run(*MEMCHECK, PRTIP, *words.split(), timeout=60)
    clean(done.returncode, done.stderr, status)


def test_interrupt(lab, tmp_path):
    with lab.popen(*MEMCHECK, PRTIP, "-n", "-Pn", "-p1-60000", "--max-rate", "3000", "-oA", tmp_path / "x", "198.18.21.2",
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as p:
        time.sleep(3)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=20)
    clean(p.returncode, err, 130)
    check_all(tmp_path / "x")
