"""The keeper: one process per lab that builds it, holds its namespaces open, is the parent of its servers, and takes
everything down when it is told to, when its owner dies, or when building fails."""

import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time

from . import listen, netns, servers
from .build import BOX, Builder, BuildError

READY_WITHIN_S = 10
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def program(name):
    """A program of the lab's own, in the build directory (PRTIP_BUILD, default build/)."""
    return pathlib.Path(os.environ.get("PRTIP_BUILD") or ROOT / "build").resolve() / "lab" / name


class Keeper:
    def __init__(self, lab, name, where, token):
        self.lab = lab
        self.name = name
        self.where = pathlib.Path(where)
        self.token = token
        self.builder = Builder(lab, name, token)
        self.children = {}  # pid -> what it is

    def up(self):
        os.umask(0o022)
        (self.where / "log").mkdir()
        self.builder.links()
        self._write_state()  # before the first child: a crash from here on can be cleaned up
        for host in self.lab.boxed():
            self._box(host)
        self.builder.addresses()
        for host in self.lab.hosts.values():
            if host.respond:
                self._responder(host)
            elif host.serve:
                self._server(host)
            elif host.tcp:
                self._listener(host)
        self._wait_ready()
        resolver = self.lab.hosts.get("dns")
        servers_line = f"nameserver {resolver.v4}\n" if resolver else ""
        (self.where / "resolv.conf").write_text(f"{servers_line}search {self.lab.zone}\n")

    def spawn(self, host_name, what, argv):
        """Runs a program in the host's namespace; it dies with the keeper."""
        with open(self.where / "log" / f"{what}.log", "ab") as log, netns.inside(self.builder.fds[host_name]):
            try:
                child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                         preexec_fn=netns.die_with_parent)
            except FileNotFoundError:
                raise BuildError(f"{argv[0]} is not installed (tools/install-packages lab)") from None
        self.children[child.pid] = what
        return child

    def _box(self, host):
        """Starts the delay box for one link and waits until it has both ends."""
        self._until_ready(BOX, f"box-{host.name}", [str(program("delaybox")), *self.builder.box_arguments(host)])

    def _responder(self, host):
        """Starts the responder on the host's link; it has the pass program at the other end too."""
        other = self.lab.behind(host)[0]
        options = [text for key, value in host.respond.items() for one in (value if isinstance(value, list) else [value])
                   for text in (f"--{key}", str(one))]
        self._until_ready(host.name, f"responder-{host.name}",
                          [str(program("responder")), "run", other.peer_iface, *options,
                           "--pass", f"{other.iface}@{self.builder.path(other.name)}"])

    def _until_ready(self, where, what, argv):
        child = self.spawn(where, what, argv)
        log = self.where / "log" / f"{what}.log"
        deadline = time.monotonic() + READY_WITHIN_S
        while "ready" not in log.read_text(errors="replace"):
            if child.poll() is not None or time.monotonic() > deadline:
                raise BuildError(f"{what}: {log.read_text(errors='replace').strip()}")
            time.sleep(0.002)

    def _server(self, host):
        own = self.where / host.name
        own.mkdir()
        try:
            argv = servers.command(host, self.lab, own)
        except (OSError, subprocess.CalledProcessError) as e:
            detail = getattr(e, "stderr", None) or b""
            raise BuildError(f"{host.name}: {e} {detail.decode(errors='replace')}".strip()) from None
        self.spawn(host.name, host.name, argv)

    def _listener(self, host):
        with netns.inside(self.builder.fds[host.name]):
            sockets = listen.open_ports(host.tcp)
            pid = os.fork()
            if pid == 0:
                # Only what it serves stays open: a listener must not keep the other namespaces alive.
                netns.die_with_parent()
                netns.set_title(f"lab {host.name}")
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                _close_others({s.fileno() for s in sockets})
                listen.serve(sockets)
                os._exit(0)
        for s in sockets:
            s.close()
        self.children[pid] = host.name

    def _wait_ready(self):
        """Until every described TCP port listens, or a server has died."""
        waiting = {h.name: h for h in self.lab.hosts.values() if h.serve}
        pids = {what: pid for pid, what in self.children.items()}
        deadline = time.monotonic() + READY_WITHIN_S
        while waiting:
            for name in list(waiting):
                pid = pids[name]
                if set(waiting[name].tcp) <= _listening(pid, "tcp") & _listening(pid, "tcp6"):
                    del waiting[name]
                elif netns.start_time(pid) is None:
                    log = (self.where / "log" / f"{name}.log").read_text(errors="replace").strip()
                    raise BuildError(f"{name}: the server has ended: {log[-600:]}")
            if waiting and time.monotonic() > deadline:
                raise BuildError(f"no answer within {READY_WITHIN_S} s from {', '.join(waiting)}")
            time.sleep(0.01)

    def _write_state(self):
        state = {
            "name": self.name, "token": self.token, "keeper": os.getpid(), "start": netns.start_time(os.getpid()),
            "plan": self.lab.plan, "digest": self.lab.digest, "inodes": self.builder.inodes(),
            "netns": {host: self.builder.path(host) for host in self.builder.fds},
            "since": int(time.time()),
        }
        write_state(self.where, state)

    def keep(self, owner):
        """Waits for SIGTERM or the owner's end (a pidfd, or None); buries children meanwhile."""
        wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        stop = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.append(True))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        watched = [wake_r] + ([owner] if owner is not None else [])
        while not stop:
            ready, _, _ = select.select(watched, [], [])
            if owner in ready:
                return
            try:
                os.read(wake_r, 4096)
            except BlockingIOError:
                pass
            _bury()

    def down(self):
        """Kills what lives in the namespaces, servers and people's commands alike, and removes the directory."""
        for pid in self.children:
            _kill(pid)
        kill_members(set(self.builder.inodes().values()), self.token)
        for fd in self.builder.fds.values():
            os.close(fd)
        _bury()
        shutil.rmtree(self.where, ignore_errors=True)


def forget(where):
    """Removes a lab's directory, its lock, which the caller holds, and what they were in when this was the last."""
    where = pathlib.Path(where)
    shutil.rmtree(where, ignore_errors=True)
    with contextlib.suppress(OSError):
        where.with_name(f"{where.name}.lock").unlink()
        where.parent.rmdir()


def write_state(where, state):
    part = pathlib.Path(where) / "state.json.part"
    part.write_text(json.dumps(state))
    part.rename(part.with_name("state.json"))


def _listening(pid, table):
    try:
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
    except OSError:
        return set()
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _bury():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def kill_members(inodes, token):
    """Kills the processes in our namespaces until there are none (a server may be forking)."""
    for _ in range(20):
        found = netns.members(inodes, token)
        if not found:
            return
        for pid in found:
            _kill(pid)
        _bury()
        time.sleep(0.01)


def start(lab, name, where, token, owner_pid):
    """Forks the keeper; returns its pid and "" when the lab is up, or the text of what went wrong."""
    owner = os.pidfd_open(owner_pid) if owner_pid else None
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _main(Keeper(lab, name, where, token), owner, write_end)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as f:
        answer = f.read()
    if answer == "up":
        return pid, ""
    os.waitpid(pid, 0)
    return pid, answer or "the keeper has died"


def _main(keeper, owner, write_end):
    """The keeper's life; never returns."""
    os.setsid()
    netns.adopt_orphans()
    netns.set_title(f"lab {keeper.name}")
    _detach(keeper.where / "keeper.log", {write_end, owner})
    os.chdir("/")
    answer = "up"
    try:
        keeper.up()
    except (BuildError, OSError) as e:
        answer = str(e)
    os.write(write_end, answer.encode())
    os.close(write_end)
    if answer == "up":
        keeper.keep(owner)
    keeper.down()
    _forget_unasked(keeper.where)
    os._exit(0)


def _forget_unasked(where):
    """Removes the lock too, unless somebody holds it: then that is who told the keeper to end."""
    try:
        with open(where.with_name(f"{where.name}.lock"), encoding="ascii") as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            forget(where)
    except OSError:
        pass


def _detach(log, keep):
    """Standard streams to the log; every other inherited descriptor (the caller's lock, a terminal) is closed."""
    null = os.open("/dev/null", os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    _close_others(keep)


def _close_others(keep):
    for entry in os.listdir("/proc/self/fd"):
        fd = int(entry)
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                pass
