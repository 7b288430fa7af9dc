"""What goes wrong in a federation: domains that cannot be reached, and servers that go down and come back."""

import asyncio
import time

from . import world
from .client import User
from .report import Report
from .running import World

_PING = "<ping xmlns='urn:xmpp:ping'/>"
_NOT_FOUND, _TIMEOUT = "remote-server-not-found", "remote-server-timeout"
_BOUNCE_SECONDS = 20
# Longer than the first pauses between attempts: 2, 4 and 8 s at most.
_BACK_SECONDS = 25

class Errors:
    """What a user inside gets who writes to domains that cannot be reached."""

    def __init__(self, report: Report, node: world.Node, through_gate: bool) -> None:
        self.report, self.through_gate = report, through_gate
        self.name = f"{node.name}-errors"
        self.user = User(f"{world.ERRORS_USER}@{node.domain}", node)

    async def run(self) -> None:
        if not await self.report.check(self.name, "user logs in", self.user.login()):
            return
        cases = [
            ("domain that does not exist", world.NOWHERE, {_NOT_FOUND}),
            # Servers of their own differ about a refused connection; ringgate tells it from a missing domain.
            ("domain that cannot be reached", world.DEAD, {_TIMEOUT} if self.through_gate else {_TIMEOUT, _NOT_FOUND}),
        ]
        if self.through_gate:
            cases.append(("domain that policy denies", world.DENIED, world.DENIED_CONDITIONS))
        try:
            for case, domain, wanted in cases:
                await self.report.check(self.name, f"message to a {case}", self._message(domain, wanted))
                await self.report.check(self.name, f"iq to a {case}", self._iq(domain, wanted))
        finally:
            await self.user.logout()

    async def _message(self, domain: str, wanted: set[str]) -> str:
        self.user.message(f"someone@{domain}", "anybody?")
        got = await self.user.expect_error(f"someone@{domain}", _BOUNCE_SECONDS)
        assert got in wanted, f"{got}, not {wanted}"
        return got

    async def _iq(self, domain: str, wanted: set[str]) -> str:
        got = await self.user.ask_for_error(domain, _PING, _BOUNCE_SECONDS)
        assert got in wanted, f"{got}, not {wanted}"
        return got


class Stranger:
    """What a remote user gets who writes to a domain that the DNS leads to ringgate, but that it does not serve."""

    def __init__(self, report: Report, node: world.Node) -> None:
        self.report, self.name = report, f"{node.name}-stranger"
        self.user = User(f"{world.ERRORS_USER}@{node.domain}", node)

    async def run(self) -> None:
        if not await self.report.check(self.name, "user logs in", self.user.login()):
            return
        try:
            await self.report.check(self.name, "iq to a domain that ringgate does not serve", self._iq())
        finally:
            await self.user.logout()

    async def _iq(self) -> str:
        got = await self.user.ask_for_error(world.STRANGER, _PING, _BOUNCE_SECONDS)
        assert got in {_NOT_FOUND, _TIMEOUT}, got
        return got


class Restart:
    """A server ends and comes back: those who write meanwhile get an error, and afterwards messages arrive again."""

    def __init__(self, report: Report, running: World, stays: world.Node, goes: world.Node, politely: bool) -> None:
        self.report, self.running, self.goes, self.politely = report, running, goes, politely
        self.name = f"{stays.name}-{goes.name}-restart" + ("" if politely else "-kill")
        self.writer, self.reader = User(stays.user(goes), stays), User(goes.user(stays), goes)

    async def run(self) -> None:
        """Leaves the server running, whatever happens."""
        try:
            if await self.report.check(self.name, "contact before", self._contact()):
                await self.running.down(self.goes, self.politely)
                await self.report.check(self.name, "error while it is down", self._error())
        finally:
            if self.running.running[self.goes].ended:
                await self.running.up(self.goes)
        await self.report.check(self.name, "contact afterwards", self._contact_again())
        await asyncio.gather(self.writer.logout(), self.reader.logout())

    async def _contact(self) -> None:
        await asyncio.gather(self.writer.login(), self.reader.login())
        self.writer.message(self.reader.bare, "before")
        await self.reader.expect_message("before", _BOUNCE_SECONDS)

    async def _error(self) -> str:
        """A stanza written into a stream that is just dying may be lost: the second one must come back."""
        self.writer.message(self.reader.bare, "down")
        await asyncio.sleep(1)
        got = await self.writer.ask_for_error(self.goes.domain, _PING, _BOUNCE_SECONDS)
        wanted = {_TIMEOUT, _NOT_FOUND} if self.running.direct else {_TIMEOUT}
        assert got in wanted, f"{got}, not {wanted}"
        return got

    async def _contact_again(self) -> str:
        self.reader = User(self.reader.bare, self.goes)
        await self.reader.login()
        began = time.monotonic()
        while time.monotonic() - began < _BACK_SECONDS:
            self.writer.message(self.reader.bare, "after")
            try:
                await self.reader.expect_message("after", 1)
            except TimeoutError:
                continue
            return f"after {time.monotonic() - began:.0f} s"
        raise TimeoutError(f"no message came through in {_BACK_SECONDS} s")
