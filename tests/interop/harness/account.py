"""The end of a run: SIGTERM drains ringgate, and its account adds up."""

import re
import signal

from . import world
from .process import Process
from .report import Report
from .ringgate import Log

_DRAIN_SECONDS = 20
# Each user of a cell sends at least so many: one burst.
_PER_PAIR = 100
_ROW = re.compile(r"^  (\S.*?)((?:\s+\d+){7})$")


def rows(text: list[str]) -> dict[str, list[int]]:
    """The table that ringgate prints at its end: pair (or "total") and accepted, delivered, handed over, bounced,
    dropped, in doubt, queued."""
    found = filter(None, (_ROW.match(line) for line in text))
    return {match[1].strip(): [int(number) for number in match[2].split()] for match in found}


async def check_shutdown(report: Report, gate: Process, pairs: list[tuple[world.Node, world.Node]]) -> None:
    """Ends ringgate while its streams are open, and checks what it says last."""
    name = "shutdown"
    alive = not gate.ended
    report.note(name, "ringgate lives to the end", alive, "" if alive else f"exit status {gate.popen.returncode}")
    gate.signal(signal.SIGTERM)
    status = await gate.wait(_DRAIN_SECONDS)
    report.note(name, "SIGTERM drains in time with exit status 0", status == 0, f"exit status {status}")
    log = Log(gate.log)
    report.note(name, "no failure of its own in the log", not log.complaints(), "; ".join(log.complaints()[:3]))
    account = rows(log.text)
    wrong = [pair for pair, (accepted, *fates) in account.items() if accepted != sum(fates)]
    report.note(name, "every pair's account adds up", bool(account) and not wrong, ", ".join(wrong) or "no account")
    queued = [pair for pair, numbers in account.items() if numbers[-1] != 0]
    report.note(name, "nothing is queued at the end", not queued, ", ".join(queued))
    total = [sum(column) for column in zip(*(n for pair, n in account.items() if pair != "total"), strict=True)]
    report.note(name, "the total is that of the pairs", account.get("total") == total, str(account.get("total")))
    both_ways = [f"{a.domain} → {b.domain}" for left, right in pairs for a, b in ((left, right), (right, left))]
    few = [pair for pair in both_ways if account.get(pair, [0])[0] < _PER_PAIR]
    report.note(name, "every stanza that users exchanged is in the account", not few, ", ".join(few))
