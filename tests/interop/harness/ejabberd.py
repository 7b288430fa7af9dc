"""ejabberd: configuration, accounts, start."""

import asyncio
import json
from pathlib import Path

from . import world
from .process import Process

_API_PORT = 5280
_ERL_LIBS = "/usr/lib/x86_64-linux-gnu"

_CONFIG = """
hosts: ["{domain}"]
loglevel: debug
{tls}
s2s_use_starttls: {starttls}
s2s_max_retry_delay: 1
outgoing_s2s_families: [ipv4]
auth_method: internal
new_sql_schema: false
listen:
  - {{port: {client_port}, ip: "{address}", module: ejabberd_c2s, max_stanza_size: 524288, access: all}}
  - {{port: {s2s_port}, ip: "{address}", module: ejabberd_s2s_in, max_stanza_size: 524288{direct}}}
  - {{port: {api_port}, ip: "{address}", module: ejabberd_http, request_handlers: {{/api: mod_http_api}}}}
api_permissions:
  tests: {{from: mod_http_api, who: all, what: "*"}}
modules:
  mod_disco: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_muc: {{hosts: ["{conference}"]}}
{dialback}
"""


def start(node: world.Node, directory: Path, certificate: Path | None, authority: Path | None, resolver: str) -> Process:
    """Starts one; `certificate`: PEM with key, None for a server without TLS; `authority`: whom it trusts, if anybody."""
    directory.mkdir(parents=True)
    tls = f'certfiles: ["{certificate}"]' if certificate else ""
    tls += f'\nca_file: "{authority}"' if authority else ""
    config = directory / "ejabberd.yml"
    config.write_text(
        _CONFIG.format(
            domain=node.domain, conference=node.conference, address=node.address, client_port=world.CLIENT_PORT,
            s2s_port=node.s2s_port, api_port=_API_PORT, tls=tls,
            direct=", tls: true" if node.direct else "",
            starttls={"required": "required", "optional": "optional", "none": "false"}[node.tls],
            dialback="" if node.external else "  mod_s2s_dialback: {}",
        )
    )  # fmt: skip
    inetrc = directory / "inetrc"
    inetrc.write_text('{lookup, [file, native]}.\n{resolv_conf, "/etc/resolv.conf"}.\n')
    environment = {
        "ERL_LIBS": _ERL_LIBS, "EJABBERD_CONFIG_PATH": str(config), "EJABBERD_LOG_PATH": str(directory / "ejabberd.log"),
        "ERL_INETRC": str(inetrc), "HOME": str(directory), "ERL_CRASH_DUMP": str(directory / "crash.dump"),
    }  # fmt: skip
    # One scheduler: nine servers share the machine's cores.
    argv = ["erl", "+S", "1:1", "+sbwt", "none", "-noinput", "-mnesia", "dir", f'"{directory}/mnesia"', "-s", "ejabberd"]
    return Process(node.name, argv, directory / "output.log", environment, resolver)


async def register(node: world.Node, users: list[str]) -> None:
    """Makes the accounts through the HTTP interface."""
    for user in users:
        body = json.dumps({"user": user, "host": node.domain, "password": world.PASSWORD})
        reader, writer = await asyncio.open_connection(node.address, _API_PORT)
        writer.write(
            f"POST /api/register HTTP/1.1\r\nHost: {node.address}\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        reply = (await asyncio.wait_for(reader.read(), 20)).decode()
        writer.close()
        if " 200 " not in reply.splitlines()[0]:
            raise RuntimeError(f"{node.name}: {user} was not registered: {reply}")
