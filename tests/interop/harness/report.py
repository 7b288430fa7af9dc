"""What was checked, and what came of it."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """One check."""

    cell: str
    check: str
    passed: bool
    detail: str
    seconds: float


@dataclass
class Report:
    """All checks of a run, in order of completion."""

    outcomes: list[Outcome] = field(default_factory=list)

    async def check(self, cell: str, check: str, action: Awaitable[str | None]) -> bool:
        """Awaits the action; it passes when it raises nothing. What it returns is kept as a remark."""
        began = time.monotonic()
        try:
            detail, passed = await action or "", True
        except Exception as error:  # noqa: BLE001 - every failure of a check is a result of the run
            detail, passed = f"{type(error).__name__}: {error}", False
        self.note(cell, check, passed, detail, time.monotonic() - began)
        return passed

    def note(self, cell: str, check: str, passed: bool, detail: str = "", seconds: float = 0) -> None:
        self.outcomes.append(Outcome(cell, check, passed, detail, seconds))
        if not passed:
            print(f"FAILED  {cell}: {check}: {detail}", flush=True)

    @property
    def failed(self) -> int:
        return sum(not outcome.passed for outcome in self.outcomes)

    def closing_line(self) -> str:
        return f"{len(self.outcomes) - self.failed} passed, {self.failed} failed"

    def of(self, cell: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.cell == cell]
