"""`python -m harness`: starts the world, runs every cell, prints the matrix; exit status 1 when a check failed."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from . import dns, ejabberd, jabberd2, prosody, world
from .ca import BOTH, SERVER, Authority
from .process import Process
from .report import Report
from .scenarios import Cell

_CELLS_AT_ONCE = 3
_CELL_SECONDS = 90


class World:
    """Everything that runs."""

    def __init__(self, directory: Path, direct: bool, outside: list[world.Node]) -> None:
        self.directory, self.direct = directory, direct
        self.inside = [replace(node, tls="optional") for node in world.INSIDE] if direct else world.INSIDE
        self.nodes = self.inside + outside
        self.running: list[Process | jabberd2.Jabberd2] = []
        self.authority = Authority(directory / "ca")

    async def start(self) -> None:
        for address, direct_tls in ((world.DNS_STARTTLS, False), (world.DNS_DIRECT_TLS, True)):
            zone = dns.internet(self.nodes, through_gate=not self.direct, direct_tls=direct_tls)
            await dns.serve(zone, address)
        await asyncio.gather(*(self._start(node) for node in self.nodes))

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self.running))

    def _certificate(self, node: world.Node) -> Path | None:
        names = [node.domain, node.conference]
        if node.tls == "none":
            return None
        if not node.external and not node.inside:
            return self.authority.self_signed(node.name, names)
        # Public authorities certify servers only; ejabberd 23.01 wants more of a client, which ringgate does not.
        return self.authority.leaf(node.name, names, BOTH if self.direct else SERVER)

    async def _start(self, node: world.Node) -> None:
        directory = self.directory / node.name
        certificate = self._certificate(node)
        authority = self.authority.certificate if node.external or (node.inside and self.direct) else None
        resolver = world.ANSWERER if node.inside and not self.direct else node.resolver
        users = [node.user(other).split("@")[0] for other in self.nodes if other is not node] + ["u-errors"]
        if node.software == "jabberd2":
            server = jabberd2.Jabberd2(node, directory, users, certificate, resolver)
            self.running.append(server)
            return await server.start()
        if node.software == "prosody":
            process = prosody.start(node, directory, users, certificate, authority, resolver)
        else:
            process = ejabberd.start(node, directory, certificate, authority, resolver)
        self.running.append(process)
        await process.listening(node.address, world.CLIENT_PORT)
        await process.listening(node.address, node.s2s_port)
        if node.software == "ejabberd":
            await ejabberd.register(node, users)


async def _run_cells(report: Report, inside: list[world.Node], outside: list[world.Node]) -> list[Cell]:
    pairs = [(local, remote) for remote in outside for local in inside] + [tuple(inside)]
    cells = [Cell(report, left, right) for left, right in pairs]
    slots = asyncio.Semaphore(_CELLS_AT_ONCE)

    async def run(cell: Cell) -> None:
        async with slots:
            try:
                await asyncio.wait_for(cell.run(), _CELL_SECONDS)
            except TimeoutError:
                report.note(cell.name, "ends in time", False, f"not done after {_CELL_SECONDS} s")

    await asyncio.gather(*(run(cell) for cell in cells))
    return cells


async def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/interop/run")
    parser.add_argument("--direct", action="store_true", help="without ringgate: proves the harness itself")
    parser.add_argument("--only", metavar="NAME", action="append", help="of the outside servers only these")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="where to leave configurations and logs")
    options = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    outside = [node for node in world.OUTSIDE if not options.only or node.name in options.only]
    report, began = Report(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="interop-") as temporary:
        everything = World((options.keep or Path(temporary)).absolute(), options.direct, outside)
        try:
            await everything.start()
            print(f"{len(everything.nodes)} servers are up after {time.monotonic() - began:.0f} s", flush=True)
            cells = await _run_cells(report, everything.inside, outside)
        finally:
            await everything.stop()
    for cell in cells:
        outcomes = report.of(cell.name)
        good = sum(outcome.passed for outcome in outcomes)
        print(f"{cell.name:<12} {cell.left.title:<32} {cell.right.title:<32} {good}/{len(outcomes)}")
    print(f"done in {time.monotonic() - began:.0f} s")
    print(report.closing_line())
    return 1 if report.failed else 0


sys.exit(asyncio.run(main()))
