"""The end of a run: SIGTERM drains ringgate, and its account adds up."""

import signal

from .process import Process
from .report import Report
from .ringgate import Log

_DRAIN_SECONDS = 20
_FATES = ("delivered", "handed_over", "bounced", "dropped", "in_doubt", "queued")


async def check_shutdown(report: Report, gate: Process) -> None:
    """Ends ringgate while its streams are open, and checks what it says last."""
    name = "shutdown"
    alive = not gate.ended
    report.note(name, "ringgate lives to the end", alive, "" if alive else f"exit status {gate.popen.returncode}")
    gate.signal(signal.SIGTERM)
    status = await gate.wait(_DRAIN_SECONDS)
    report.note(name, "SIGTERM drains in time with exit status 0", status == 0, f"exit status {status}")
    log = Log(gate.log)
    report.note(name, "no failure of its own in the log", not log.complaints(), "; ".join(log.complaints()[:3]))
