"""A name server for the test's internet: authoritative for all of it, over UDP and TCP, with one zone per address."""

import asyncio

from dnslib import AAAA, QTYPE, RCODE, RR, SOA, SRV, A, DNSRecord
from dnslib.dns import DNSError

from . import world

TTL = 5
_SOA = RR("test", QTYPE.SOA, rdata=SOA("ns.test", "hostmaster.test", (1, 60, 60, 60, TTL)), ttl=TTL)
_RDATA = {QTYPE.A: A, QTYPE.AAAA: AAAA}


class Zone:
    """Names and their records; a name that is not here, nor above one that is, does not exist."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list] = {}
        self.names: set[str] = set()

    def add(self, name: str, kind: int, rdata) -> None:
        self.records.setdefault((name, kind), []).append(rdata)
        labels = name.split(".")
        self.names.update(".".join(labels[i:]) for i in range(len(labels)))

    def a(self, name: str, address: str) -> None:
        self.add(name, QTYPE.A, A(address))

    def srv(self, service: str, name: str, port: int, target: str) -> None:
        self.add(f"_{service}._tcp.{name}", QTYPE.SRV, SRV(0, 5, port, target))

    def answer(self, request: DNSRecord) -> DNSRecord:
        reply = request.reply(ra=1, aa=1)
        name = str(request.q.qname).rstrip(".").lower()
        if name not in self.names:
            reply.header.rcode = RCODE.NXDOMAIN
        found = self.records.get((name, request.q.qtype), [])
        for rdata in found:
            reply.add_answer(RR(request.q.qname, request.q.qtype, rdata=rdata, ttl=TTL))
        if not found:
            reply.add_auth(_SOA)
        return reply


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer) -> None:
        try:
            self.transport.sendto(self.zone.answer(DNSRecord.parse(data)).pack(), peer)
        except DNSError:
            pass


async def _serve_tcp(zone: Zone, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            length = int.from_bytes(await reader.readexactly(2), "big")
            reply = zone.answer(DNSRecord.parse(await reader.readexactly(length))).pack()
            writer.write(len(reply).to_bytes(2, "big") + reply)
    except (asyncio.IncompleteReadError, ConnectionError, DNSError):
        writer.close()


async def serve(zone: Zone, address: str) -> None:
    """Answers on port 53 of `address` for as long as the event loop lives."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: _Udp(zone), local_addr=(address, 53))
    await asyncio.start_server(lambda r, w: _serve_tcp(zone, r, w), address, 53)


def _announce(zone: Zone, name: str, node: world.Node, host: str) -> None:
    if not node.srv:
        zone.a(name, node.address)
    else:
        zone.srv("xmpps-server" if node.direct else "xmpp-server", name, node.s2s_port, host)


def internet(nodes: list[world.Node], through_gate: bool, direct_tls: bool) -> Zone:
    """What the internet sees. `through_gate`: local domains are announced at ringgate, by the kind of TLS chosen."""
    zone = Zone()
    zone.a(world.GATE_NAME, world.GATE)
    zone.a(f"xmpp.{world.DEAD}", world.DEAD_ADDRESS)
    for name in (world.DEAD, world.DENIED):
        zone.srv("xmpp-server", name, world.STARTTLS_PORT, f"xmpp.{world.DEAD}")
    for node in nodes:
        host = f"xmpp.{node.domain}"
        zone.a(host, node.address)
        for name in (node.domain, node.conference):
            if node.inside and through_gate:
                _announce_gate(zone, name, direct_tls)
            else:
                _announce(zone, name, node, host)
    _announce_gate(zone, world.STRANGER, direct_tls)
    return zone


def _announce_gate(zone: Zone, name: str, direct_tls: bool) -> None:
    if direct_tls:
        zone.srv("xmpps-server", name, world.DIRECT_TLS_PORT, world.GATE_NAME)
    else:
        zone.srv("xmpp-server", name, world.STARTTLS_PORT, world.GATE_NAME)
