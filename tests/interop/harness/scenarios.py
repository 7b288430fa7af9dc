"""What two users on two servers do with each other: the checks of one cell of the matrix."""

import asyncio
from collections.abc import Awaitable

from . import world
from .client import User
from .report import Report

_DISCO_INFO = "http://jabber.org/protocol/disco#info"
_DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
_PING = "<ping xmlns='urn:xmpp:ping'/>"
_TEXT = "grüße, שלום ‏مرحبا, 日本語, 👩‍👩‍👧‍👦 & <tag> ]]> \"quoted\" 'too'"
# A stream that has to be made first: TLS, authentication, and dialback in both directions.
_FIRST_CONTACT_SECONDS = 20
_BURST = 100
# jabberd2 takes 65,535 bytes for a stanza.
_LONG = "lorem ipsum ünïcödé " * 2000
_UNKNOWN_USER = {"service-unavailable", "item-not-found", "recipient-unavailable"}


class Cell:
    """One pair of servers, one user on each side."""

    def __init__(self, report: Report, left: world.Node, right: world.Node) -> None:
        self.report, self.left, self.right = report, left, right
        self.name = f"{left.name}-{right.name}"
        self.a = User(left.user(right), left)
        self.b = User(right.user(left), right)

    async def check(self, name: str, action: Awaitable[str | None]) -> bool:
        return await self.report.check(self.name, name, action)

    async def run(self) -> None:
        """All checks, in an order in which each needs only what went before."""
        if not await self.check("both users log in", self._login()):
            return
        try:
            there = await self.check("message →", self._message(self.a, self.b, _FIRST_CONTACT_SECONDS))
            back = await self.check("message ←", self._message(self.b, self.a, _FIRST_CONTACT_SECONDS))
            if not (there and back):
                self.report.note(self.name, "everything else", False, "not tried: no contact")
                return
            await self._checks()
        finally:
            await asyncio.gather(self.a.logout(), self.b.logout())

    async def _checks(self) -> None:
        a, b = self.a, self.b
        await self.check("subscription →", self._subscribe(a, b))
        await self.check("subscription ←", self._subscribe(b, a))
        await self.check("presence change →", self._presence_change(a, b, "dnd"))
        await self.check("presence change ←", self._presence_change(b, a, "away"))
        for arrow, asker, other in (("→", a, b), ("←", b, a)):
            domain = other.node.domain
            await self.check(f"ping server {arrow}", self._ask(asker, domain, _PING))
            await self.check(f"ping client {arrow}", self._ask(asker, other.full, _PING))
            await self.check(f"disco#info server {arrow}", self._disco(asker, domain, _DISCO_INFO, "identity"))
            await self.check(f"disco#items server {arrow}", self._disco(asker, domain, _DISCO_ITEMS, None))
            await self.check(f"disco#info client {arrow}", self._disco(asker, other.full, _DISCO_INFO, "identity"))
            await self.check(f"message to unknown user {arrow}", self._unknown_user_message(asker, domain))
            await self.check(f"iq to unknown user {arrow}", self._unknown_user_iq(asker, domain))
            await self.check(f"40 kB message {arrow}", self._long(asker, other))
            await self.check(f"{_BURST} messages in order {arrow}", self._burst(asker, other))
        await self.check("room of the other side →", self._room(a, b))
        await self.check("room of the other side ←", self._room(b, a))
        await self.check("unavailable →", self._unavailable(a, b))

    async def _login(self) -> None:
        await asyncio.gather(self.a.login(), self.b.login())

    async def _message(self, sender: User, receiver: User, seconds: float) -> None:
        text = f"{self.name} {_TEXT}"
        sender.message(receiver.bare, text)
        message = await receiver.expect_message(text, seconds)
        assert message["from"] == sender.full, message["from"]

    async def _subscribe(self, asker: User, other: User) -> None:
        asker.presence(to=other.bare, kind="subscribe")
        await other.expect_presence(asker.bare, "subscribe")
        other.presence(to=asker.bare, kind="subscribed")
        await asker.expect_presence(other.bare, "subscribed")
        await asker.expect_presence(other.full, "available")

    async def _presence_change(self, changer: User, watcher: User, show: str) -> None:
        changer.presence(show=show)
        await watcher.expect_presence(changer.full, show)

    async def _ask(self, asker: User, to: str, payload: str) -> None:
        await asker.ask(to, payload)

    async def _disco(self, asker: User, to: str, namespace: str, wanted: str | None) -> None:
        result = await asker.ask(to, f"<query xmlns='{namespace}'/>")
        query = result.find(f"{{{namespace}}}query")
        assert query is not None, "no query element"
        assert wanted is None or query.find(f"{{{namespace}}}{wanted}") is not None, f"no {wanted}"

    async def _unknown_user_message(self, asker: User, domain: str) -> str:
        asker.message(f"nobody-here@{domain}", "hello?")
        condition = await asker.expect_error(f"nobody-here@{domain}", 10)
        assert condition in _UNKNOWN_USER, condition
        return condition

    async def _unknown_user_iq(self, asker: User, domain: str) -> str:
        condition = await asker.ask_for_error(f"nobody-here@{domain}/nowhere", _PING, 10)
        assert condition in _UNKNOWN_USER, condition
        return condition

    async def _long(self, sender: User, receiver: User) -> None:
        sender.message(receiver.full, _LONG)
        await receiver.expect_message(_LONG)

    async def _burst(self, sender: User, receiver: User) -> None:
        for i in range(_BURST):
            sender.message(receiver.full, f"burst {i}")
        for i in range(_BURST):
            got = await receiver.expect("burst", lambda stanza: stanza["body"].startswith("burst "))
            assert got["body"] == f"burst {i}", f"{got['body']} came instead of burst {i}"

    async def _room(self, guest: User, host: User) -> None:
        """The guest joins a room on the host's server; both speak, both hear; the guest's leaving is seen."""
        room = f"r-{guest.node.name}@{host.node.conference}"
        await host.join(room, "host")
        await guest.join(room, "guest")
        await host.expect_presence_of(f"{room}/guest")
        for speaker, nick, text in ((guest, "guest", f"guest: {_TEXT}"), (host, "host", f"host: {_TEXT}")):
            speaker.message(room, text, kind="groupchat")
            for listener in (guest, host):
                message = await listener.expect_message(text)
                assert message["from"] == f"{room}/{nick}", message["from"]
        guest.presence(to=f"{room}/guest", kind="unavailable")
        await host.expect_presence(f"{room}/guest", "unavailable")
        host.presence(to=f"{room}/host", kind="unavailable")

    async def _unavailable(self, goer: User, watcher: User) -> None:
        goer.presence(kind="unavailable")
        await watcher.expect_presence(goer.full, "unavailable")
