"""`python -m harness`: starts the world, runs every cell, prints the matrix; exit status 1 when a check failed."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from . import account, world
from .failures import Errors, Restart, Stranger
from .report import Report
from .ringgate import Log
from .running import World
from .scenarios import Cell

Scenario = Cell | Errors | Stranger | Restart
_AT_ONCE = 3
_SCENARIO_SECONDS = 120


def _scenarios(report: Report, running: World) -> list[Scenario]:
    pairs = [(local, remote) for remote in running.outside for local in running.inside] + [tuple(running.inside)]
    scenarios: list[Scenario] = [Cell(report, left, right) for left, right in pairs]
    scenarios += [Errors(report, node, not running.direct) for node in running.inside]
    if not running.direct:
        scenarios += [Stranger(report, node) for node in running.outside]
    return scenarios


def _restarts(report: Report, running: World) -> list[Scenario]:
    """One after the other when all else is done: they disturb everybody."""
    restarts: list[Scenario] = []
    for politely in (True, False):
        for local, remote in zip(running.inside, _one_of_each(running.outside), strict=False):
            restarts.append(Restart(report, running, local, remote, politely))
            restarts.append(Restart(report, running, remote, local, politely))
    return restarts


def _one_of_each(nodes: list[world.Node]) -> list[world.Node]:
    found = {node.software: node for node in reversed(nodes) if node.software != "jabberd2"}
    return [found[software] for software in sorted(found, reverse=True)]


async def _run(report: Report, scenarios: list[Scenario], at_once: int) -> None:
    slots = asyncio.Semaphore(at_once)

    async def run(scenario: Scenario) -> None:
        async with slots:
            try:
                await asyncio.wait_for(scenario.run(), _SCENARIO_SECONDS)
            except TimeoutError:
                report.note(scenario.name, "ends in time", False, f"not done after {_SCENARIO_SECONDS} s")

    await asyncio.gather(*(run(scenario) for scenario in scenarios))


def _check_log(report: Report, cells: list[Cell], log: Log) -> dict[str, str]:
    """Whether each pair was authenticated and encrypted as its remote server wants it; what the log says, per cell."""
    seen = {}
    for cell in cells:
        if cell.right.inside:
            continue
        local, remote = cell.left.domain, cell.right.domain
        ways = {face: log.methods(face, local, remote) for face in ("inbound", "outbound")}
        text = ", ".join(f"{face} {'+'.join(sorted(methods)) or 'none'}" for face, methods in ways.items())
        right = all(methods == {cell.right.method} for methods in ways.values())
        report.note(cell.name, f"authenticated by {cell.right.method} in both directions", right, text)
        encrypted = log.encryption({"inbound", "outbound"}, remote)
        wanted = {cell.right.tls != "none"}
        report.note(cell.name, f"every stream encrypted: {wanted}", encrypted == wanted, str(encrypted))
        seen[cell.name] = text
    encrypted, wanted = log.encryption({"from-backend", "to-backend"}), {cells[0].left.tls != "none"}
    report.note("inside", f"every stream encrypted: {wanted}", encrypted == wanted, str(encrypted))
    return seen


def _print_matrix(report: Report, scenarios: list[Scenario], seen: dict[str, str]) -> None:
    print(f"\n{'cell':<24}{'inside':<32}{'other side':<34}{'checks':<8}authenticated")
    for scenario in scenarios:
        outcomes = report.of(scenario.name)
        good = f"{sum(outcome.passed for outcome in outcomes)}/{len(outcomes)}"
        if isinstance(scenario, Cell):
            sides = f"{scenario.left.title:<32}{scenario.right.title:<34}"
        else:
            remarks = " ".join(dict.fromkeys(outcome.detail for outcome in outcomes if outcome.detail))
            sides = f"{remarks[:64]:<66}"
        print(f"{scenario.name:<24}{sides}{good:<8}{seen.get(scenario.name, '')}")
    for outcome in report.of("shutdown"):
        print(f"{'shutdown':<24}{outcome.check:<66}{'passed' if outcome.passed else 'FAILED'}")


async def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/interop/run")
    parser.add_argument("--direct", action="store_true", help="without ringgate: proves the harness itself")
    parser.add_argument("--inside-tls", action="store_true", help="TLS between ringgate and the backends, too")
    parser.add_argument("--only", metavar="NAME", action="append", help="of the outside servers only these")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="a new directory for configurations and logs")
    options = parser.parse_args()
    if options.keep and options.keep.exists():
        parser.error(f"--keep: {options.keep} is there already")
    logging.basicConfig(level=logging.CRITICAL)
    outside = [node for node in world.OUTSIDE if not options.only or node.name in options.only]
    report, began, seen = Report(), time.monotonic(), {}
    with tempfile.TemporaryDirectory(prefix="interop-") as temporary:
        running = World((options.keep or Path(temporary)).absolute(), options.direct, options.inside_tls, outside)
        scenarios, restarts = _scenarios(report, running), _restarts(report, running)
        try:
            await running.start()
            print(f"{len(running.nodes)} servers are up after {time.monotonic() - began:.0f} s", flush=True)
            await _run(report, scenarios, _AT_ONCE)
            await _run(report, restarts, 1)
            if running.gate:
                cells = [scenario for scenario in scenarios if isinstance(scenario, Cell)]
                await account.check_shutdown(report, running.gate, [(cell.left, cell.right) for cell in cells])
                seen = _check_log(report, cells, Log(running.gate.log))
        finally:
            await running.stop()
    _print_matrix(report, scenarios + restarts, seen)
    print(f"in {time.monotonic() - began:.0f} s")
    print(report.closing_line())
    return 1 if report.failed else 0


sys.exit(asyncio.run(main()))
