"""ringgate: configuration, start, and what its log says."""

import json
import os
from pathlib import Path

from . import world
from .ca import BOTH, SERVER, Authority
from .process import Process


_CONFIG = """
{domains}
[internal]
listen = "{internal}"
dns = "{answerer}:53"
{internal_certificate}
[public]
listen = ["{gate}:{starttls}"]
listen_direct_tls = ["{gate}:{direct}"]
[tls]
roots = "{roots}"
[dns]
servers = ["{dns}"]
[egress]
allow = ["127.0.0.0/8"]
[log]
format = "json"
level = "debug"
{partners}
"""


def _domain(node: world.Node, authority: Authority, separate_client_certificate: bool) -> str:
    names = [node.domain, node.conference]
    stem = f"gate-{node.name}"
    lines = [
        "[[domain]]", f'name = "{node.domain}"', 'subdomains = ["conference"]',
        f'backend = "{node.address}:{world.STARTTLS_PORT}"',
        f'backend_tls = "{"none" if node.tls == "none" else "starttls"}"',
    ]  # fmt: skip
    if separate_client_certificate:
        lines.append(f'certificate = "{authority.leaf(stem, names, SERVER)}"')
        lines.append(f'client_certificate = "{authority.leaf(stem + "-client", names, BOTH)}"')
    else:
        lines.append(f'certificate = "{authority.leaf(stem, names, BOTH)}"')
    return "\n".join(lines)


def _partner(domain: str, settings: str) -> str:
    return f'[[partner]]\ndomain = "{domain}"\n{settings}\n'


def start(directory: Path, inside: list[world.Node], outside: list[world.Node], authority: Authority) -> Process:
    """Starts it in front of all backends, each with its own certificates."""
    directory.mkdir(parents=True)
    partners = [_partner(world.DENIED, 'inbound = "deny"\noutbound = "deny"')]
    for node in outside:
        if node.tls == "none":
            for domain in (node.domain, f"*.{node.domain}"):
                partners.append(_partner(domain, 'tls = "optional"\nauth = ["dialback"]'))
    internal_certificate = ""
    if any(node.tls != "none" for node in inside):
        # One certificate for every remote domain: a backend that lets dialback vouch does not look at its names.
        internal_certificate = f'certificate = "{authority.leaf("gate-internal", ["ringgate.internal"], BOTH)}"'
    config = directory / "ringgate.toml"
    config.write_text(
        _CONFIG.format(
            domains="\n".join(_domain(node, authority, bool(i % 2)) for i, node in enumerate(inside)),
            internal="{}:{}".format(*world.INTERNAL), answerer=world.ANSWERER, gate=world.GATE,
            starttls=world.STARTTLS_PORT, direct=world.DIRECT_TLS_PORT, roots=authority.certificate,
            dns=world.DNS_STARTTLS, internal_certificate=internal_certificate, partners="\n".join(partners),
        )
    )  # fmt: skip
    return Process("ringgate", [os.environ["RINGGATE"], "run", "--config", str(config)], directory / "ringgate.log")


class Log:
    """The lines that ringgate has written so far."""

    def __init__(self, path: Path) -> None:
        self.events: list[dict] = []
        self.text: list[str] = []
        for line in path.read_text(errors="replace").splitlines():
            try:
                self.events.append(json.loads(line))
            except ValueError:
                self.text.append(line)

    def methods(self, face: str, local: str, remote: str) -> set[str]:
        """How streams of this face were authenticated for a pair."""
        return {
            event["method"]
            for event in self.events
            if event.get("message") == "authenticated"
            and (event["face"], event["local"], event["remote"]) == (face, local, remote)
        }

    def encryption(self, faces: set[str], remote: str | None = None) -> set[bool]:
        """Whether streams of these faces (with one remote domain, or all) were encrypted when they were announced."""
        return {
            event["encrypted"]
            for event in self.events
            if event.get("message") == "stream opened"
            and event["face"] in faces
            and (remote is None or event.get("remote") == remote)
        }

    def complaints(self) -> list[str]:
        """Lines about ringgate's own failures."""
        return [json.dumps(event) for event in self.events if event.get("level") == "ERROR"]
