"""`python -m harness`: starts the world, runs every cell, prints the matrix; exit status 1 when a check failed."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from . import account, world
from .report import Report
from .ringgate import Log
from .running import World
from .scenarios import Cell, Errors, Stranger

_AT_ONCE = 3
_SCENARIO_SECONDS = 120


def _scenarios(report: Report, running: World) -> list[Cell | Errors | Stranger]:
    pairs = [(local, remote) for remote in running.outside for local in running.inside] + [tuple(running.inside)]
    scenarios: list[Cell | Errors | Stranger] = [Cell(report, left, right) for left, right in pairs]
    scenarios += [Errors(report, node, not running.direct) for node in running.inside]
    if not running.direct:
        scenarios += [Stranger(report, node) for node in running.outside]
    return scenarios


async def _run(report: Report, scenarios: list[Cell | Errors | Stranger]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def run(scenario: Cell | Errors | Stranger) -> None:
        async with slots:
            try:
                await asyncio.wait_for(scenario.run(), _SCENARIO_SECONDS)
            except TimeoutError:
                report.note(scenario.name, "ends in time", False, f"not done after {_SCENARIO_SECONDS} s")

    await asyncio.gather(*(run(scenario) for scenario in scenarios))


def _check_methods(report: Report, cells: list[Cell], log: Log) -> dict[str, str]:
    """Whether each pair was authenticated as its remote server wants it; what the log says, per cell."""
    seen = {}
    for cell in cells:
        if cell.right.inside:
            continue
        local, remote = cell.left.domain, cell.right.domain
        ways = {face: log.methods(face, local, remote) for face in ("inbound", "outbound")}
        text = ", ".join(f"{face} {'+'.join(sorted(methods)) or 'none'}" for face, methods in ways.items())
        right = all(methods == {cell.right.method} for methods in ways.values())
        report.note(cell.name, f"authenticated by {cell.right.method} in both directions", right, text)
        seen[cell.name] = text
    return seen


def _print_matrix(report: Report, scenarios: list[Cell | Errors | Stranger], seen: dict[str, str]) -> None:
    print(f"\n{'cell':<16}{'inside':<32}{'other side':<34}{'checks':<8}authenticated")
    for scenario in scenarios:
        outcomes = report.of(scenario.name)
        good = f"{sum(outcome.passed for outcome in outcomes)}/{len(outcomes)}"
        if isinstance(scenario, Cell):
            sides = f"{scenario.left.title:<32}{scenario.right.title:<34}"
        else:
            remarks = " ".join(dict.fromkeys(outcome.detail for outcome in outcomes if outcome.detail))
            sides = f"{remarks[:64]:<66}"
        print(f"{scenario.name:<16}{sides}{good:<8}{seen.get(scenario.name, '')}")


async def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/interop/run")
    parser.add_argument("--direct", action="store_true", help="without ringgate: proves the harness itself")
    parser.add_argument("--only", metavar="NAME", action="append", help="of the outside servers only these")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="where to leave configurations and logs")
    options = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    outside = [node for node in world.OUTSIDE if not options.only or node.name in options.only]
    report, began, seen = Report(), time.monotonic(), {}
    with tempfile.TemporaryDirectory(prefix="interop-") as temporary:
        running = World((options.keep or Path(temporary)).absolute(), options.direct, outside)
        scenarios = _scenarios(report, running)
        try:
            await running.start()
            print(f"{len(running.nodes)} servers are up after {time.monotonic() - began:.0f} s", flush=True)
            await _run(report, scenarios)
            if running.gate:
                await account.check_shutdown(report, running.gate)
                cells = [scenario for scenario in scenarios if isinstance(scenario, Cell)]
                seen = _check_methods(report, cells, Log(running.gate.log))
        finally:
            await running.stop()
    _print_matrix(report, scenarios, seen)
    print(f"in {time.monotonic() - began:.0f} s")
    print(report.closing_line())
    return 1 if report.failed else 0


sys.exit(asyncio.run(main()))
