"""The world as it runs: name servers, XMPP servers, and ringgate between them."""

import asyncio
from dataclasses import replace
from pathlib import Path

from . import dns, ejabberd, jabberd2, prosody, ringgate, world
from .ca import BOTH, SERVER, Authority
from .process import Process


class World:
    """Everything that runs. `direct`: without ringgate, the servers reach each other themselves. `inside_tls`: ringgate
    and the backends speak TLS, too."""

    def __init__(self, directory: Path, direct: bool, inside_tls: bool, outside: list[world.Node]) -> None:
        self.directory, self.direct, self.outside = directory, direct, outside
        self.inside = [replace(node, tls="optional") for node in world.INSIDE] if direct or inside_tls else world.INSIDE
        self.nodes = self.inside + outside
        self.running: dict[world.Node, Process | jabberd2.Jabberd2] = {}
        self.authority = Authority(directory / "ca")
        self.gate: Process | None = None

    async def start(self) -> None:
        """Returns when every server takes connections.

        Raises RuntimeError when one does not start.
        """
        for address, direct_tls in ((world.DNS_STARTTLS, False), (world.DNS_DIRECT_TLS, True)):
            zone = dns.internet(self.nodes, through_gate=not self.direct, direct_tls=direct_tls)
            await dns.serve(zone, address)
        starting = [self._start(node) for node in self.nodes]
        if not self.direct:
            starting.append(self._start_gate())
        await asyncio.gather(*starting)

    async def stop(self) -> None:
        servers = list(self.running.values()) + ([self.gate] if self.gate else [])
        await asyncio.gather(*(server.stop() for server in servers))

    async def _start_gate(self) -> None:
        self.gate = ringgate.start(self.directory / "ringgate", self.inside, self.outside, self.authority)
        for address, port in ((world.GATE, world.STARTTLS_PORT), (world.GATE, world.DIRECT_TLS_PORT), world.INTERNAL):
            await self.gate.listening(address, port)

    def _certificate(self, node: world.Node) -> Path | None:
        names = [node.domain, node.conference]
        if node.tls == "none":
            return None
        if not node.external and not node.inside:
            return self.authority.self_signed(node.name, names)
        # Public authorities certify servers only; ejabberd 23.01 wants more of a client, ringgate must not.
        return self.authority.leaf(node.name, names, BOTH if self.direct else SERVER)

    async def _start(self, node: world.Node) -> None:
        directory = self.directory / node.name
        certificate = self._certificate(node)
        authority = self.authority.certificate if node.external or (node.inside and self.direct) else None
        resolver = world.ANSWERER if node.inside and not self.direct else node.resolver
        users = [node.user(other).split("@")[0] for other in self.nodes if other is not node] + [world.ERRORS_USER]
        if node.software == "jabberd2":
            server = jabberd2.Jabberd2(node, directory, users, certificate, resolver)
            self.running[node] = server
            return await server.start()
        if node.software == "prosody":
            process = prosody.start(node, directory, users, certificate, authority, resolver)
        else:
            process = ejabberd.start(node, directory, certificate, authority, resolver)
        self.running[node] = process
        await self._listening(node, process)
        if node.software == "ejabberd":
            await ejabberd.register(node, users)

    async def _listening(self, node: world.Node, process: Process) -> None:
        await process.listening(node.address, world.CLIENT_PORT)
        await process.listening(node.address, node.s2s_port)

    async def down(self, node: world.Node, politely: bool) -> None:
        """Ends a Prosody or ejabberd: by SIGTERM, or without a chance to close its streams."""
        process = self.running[node]
        if politely:
            await process.stop(10)
        else:
            process.kill()

    async def up(self, node: world.Node) -> None:
        """Starts a server again that is down, with the accounts it had."""
        self.running[node].start()
        await self._listening(node, self.running[node])
