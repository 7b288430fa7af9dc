"""Prosody: configuration, accounts, start."""

from pathlib import Path

from . import world
from .process import Process

# libunbound answers `test.` itself, and asks no name server on a loopback address, unless told otherwise.
_CONFIG = """
run_as_root = true
daemonize = false
pidfile = "{dir}/prosody.pid"
data_path = "{dir}/data"
certificates = "{dir}/none"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{dir}/prosody.log" }} }}
modules_enabled = {{ "roster", "saslauth", "tls", "dialback", "disco", "ping", "limits" }}
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
interfaces = {{ "{address}" }}
c2s_ports = {{ {client_port} }}
s2s_ports = {{ {starttls} }}
s2s_direct_tls_ports = {{ {direct} }}
c2s_direct_tls_ports = {{ }}
s2s_require_encryption = {require_encryption}
s2s_secure_auth = {secure_auth}
s2s_timeout = 30
limits = {{ c2s = {{ rate = "10mb/s" }}, s2sin = {{ rate = "10mb/s" }} }}
unbound = {{
  resolvconf = false; hoststxt = false; forward = "{resolver}";
  options = {{
    ["do-not-query-localhost:"] = "no"; ["local-zone:"] = "test. transparent"; ["module-config:"] = "iterator";
  }};
}}
{ssl}
VirtualHost "{domain}"
Component "{conference}" "muc"
  muc_room_locking = false
  restrict_room_creation = false
"""


def _account(data: Path, user: str, domain: str) -> None:
    directory = data / domain.replace(".", "%2e").replace("-", "%2d") / "accounts"
    directory.mkdir(parents=True, exist_ok=True)
    name = user.replace("-", "%2d")
    (directory / f"{name}.dat").write_text(f'return {{ ["password"] = "{world.PASSWORD}" }};\n')


def start(node: world.Node, directory: Path, users: list[str], certificate: Path | None, authority: Path | None,
          resolver: str) -> Process:  # fmt: skip
    """Starts one; `certificate`: PEM with key, None for a server without TLS; `authority`: whom it trusts, if anybody."""
    directory.mkdir(parents=True)
    ssl = ""
    if certificate is not None:
        trust = f'cafile = "{authority}", capath = "/nonexistent",' if authority else 'capath = "/nonexistent",'
        ssl = f'ssl = {{ {trust} certificate = "{certificate}", key = "{certificate}" }}'
    config = directory / "prosody.cfg.lua"
    config.write_text(
        _CONFIG.format(
            dir=directory, address=node.address, client_port=world.CLIENT_PORT, starttls=world.STARTTLS_PORT,
            direct=world.DIRECT_TLS_PORT if certificate else "", resolver=resolver, ssl=ssl, domain=node.domain,
            conference=node.conference,
            require_encryption="true" if node.tls == "required" else "false",
            secure_auth="true" if node.external else "false",
        )
    )  # fmt: skip
    for user in users:
        _account(directory / "data", user, node.domain)
    return Process(node.name, ["prosody", "-F", "--config", str(config)], directory / "output.log")
