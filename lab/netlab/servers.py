"""Real servers: what each needs in its directory, and the command that runs it in the foreground."""

import pathlib
import subprocess

NGINX = """daemon off;
master_process off;
user root;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
	access_log off;
	server_tokens on;
	client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
	default_type text/plain;
	server {{
		listen 80 backlog=4096; listen [::]:80 ipv6only=on backlog=4096;
		listen 8080 backlog=4096; listen [::]:8080 ipv6only=on backlog=4096;
		listen 443 ssl backlog=4096; listen [::]:443 ssl ipv6only=on backlog=4096;
		ssl_certificate cert.pem;
		ssl_certificate_key key.pem;
		location / {{ return 200 "{name}\\n"; }}
	}}
}}
"""

SSHD = """Port 22
AddressFamily any
HostKey {dir}/host_ed25519
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
LoginGraceTime 20
MaxStartups 1000
"""


def _nginx(host, lab, where):
    (where / "tmp").mkdir()
    (where / "nginx.conf").write_text(NGINX.format(name=f"{host.name}.{lab.zone}"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "30", "-subj", f"/CN={host.name}.{lab.zone}", "-addext",
                    f"subjectAltName=DNS:{host.name}.{lab.zone},IP:{host.v4},IP:{host.v6}",
                    "-keyout", str(where / "key.pem"), "-out", str(where / "cert.pem")],
                   check=True, capture_output=True)
    return ["nginx", "-p", f"{where}/", "-c", str(where / "nginx.conf"), "-e", "stderr"]


def _sshd(_host, _lab, where):
    pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(where / "host_ed25519")], check=True)
    (where / "sshd_config").write_text(SSHD.format(dir=where))
    return ["/usr/sbin/sshd", "-D", "-e", "-f", str(where / "sshd_config")]


def _redis(host, _lab, where):
    return ["redis-server", "--port", str(host.tcp[0]), "--bind", "0.0.0.0", "::", "--protected-mode", "no",
            "--save", "", "--daemonize", "no", "--dir", str(where)]


def _dnsmasq(_host, lab, where):
    lines = []
    for h in lab.hosts.values():
        lines += [f"{h.v4} {h.name}.{lab.zone}", f"{h.v6} {h.name}.{lab.zone}"]
    (where / "hosts").write_text("\n".join(lines) + "\n")
    reverse = ["18.198.in-addr.arpa", "19.198.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"]
    synth = [f"--synth-domain={lab.zone},{prefix},any-" for h in lab.hosts.values() for prefix in h.any if "." in prefix]
    return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--group=root", "--pid-file",
            "--no-resolv", "--no-hosts", f"--addn-hosts={where / 'hosts'}", "--bind-interfaces", "--cache-size=0",
            "--log-facility=-", *synth, *(f"--local=/{zone}/" for zone in [lab.zone, *reverse])]


COMMANDS = {"nginx": _nginx, "sshd": _sshd, "redis": _redis, "dnsmasq": _dnsmasq}
PROGRAMS = {"nginx": "nginx", "sshd": "sshd", "redis": "redis-server", "dnsmasq": "dnsmasq"}


def command(host, lab, where):
    """Prepares the directory `where` (new, empty) and returns the command line."""
    return COMMANDS[host.serve](host, lab, where)
