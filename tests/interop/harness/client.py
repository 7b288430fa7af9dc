"""A user: a slixmpp client that keeps every stanza it gets, so that a test can wait for what it expects."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Callable

from slixmpp import ClientXMPP, Iq, Message, Presence
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from . import world

ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
MUC = "http://jabber.org/protocol/muc"
MUC_USER = "http://jabber.org/protocol/muc#user"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
_LOGIN_SECONDS = 7
_LOGIN_ATTEMPTS = 3

Stanza = Message | Presence


def condition(stanza) -> str | None:
    """The defined condition of an error stanza."""
    for element in stanza.xml.iter():
        if element.tag.startswith(ERRORS) and not element.tag.endswith("}text"):
            return element.tag[len(ERRORS) :]
    return None


class User:
    """One logged-in account. Presence is sent only when a test says so."""

    def __init__(self, jid: str, node: world.Node) -> None:
        self.bare, self.node = jid, node
        self.xmpp = self._client()
        self.inbox: list[Stanza] = []
        self._arrived = asyncio.Event()

    def _client(self) -> ClientXMPP:
        xmpp = ClientXMPP(
            f"{self.bare}/test", world.PASSWORD, sasl_mech="PLAIN",
            plugin_config={"feature_mechanisms": {"unencrypted_plain": True}},
        )  # fmt: skip
        xmpp.enable_plaintext = True
        xmpp.enable_starttls = False
        xmpp.enable_direct_tls = False
        xmpp.auto_authorize = None
        xmpp.auto_subscribe = None
        xmpp.register_plugin("xep_0030")
        xmpp.register_plugin("xep_0199")
        for kind in ("message", "presence"):
            matcher = MatchXPath(f"{{jabber:client}}{kind}")
            xmpp.register_handler(Callback(f"keep {kind}", matcher, self._keep))
        return xmpp

    @property
    def full(self) -> str:
        return self.xmpp.boundjid.full

    def _keep(self, stanza: Stanza) -> None:
        self.inbox.append(stanza)
        self._arrived.set()

    async def login(self) -> None:
        """Connects and says "available". jabberd2 now and then hangs up on a fresh connection: then once more."""
        for attempt in range(_LOGIN_ATTEMPTS):
            try:
                await asyncio.wait_for(self._login(), _LOGIN_SECONDS)
                break
            except (TimeoutError, ConnectionError):
                if attempt + 1 == _LOGIN_ATTEMPTS:
                    raise
                self.xmpp.abort()
                self.xmpp = self._client()
        self.presence()

    async def _login(self) -> None:
        outcome = asyncio.get_running_loop().create_future()

        def failed(reason: object) -> None:
            if not outcome.done():
                outcome.set_exception(ConnectionError(f"{self.bare} could not log in: {reason}"))

        self.xmpp.add_event_handler("session_start", lambda _: outcome.done() or outcome.set_result(None))
        self.xmpp.add_event_handler("failed_all_auth", failed)
        self.xmpp.add_event_handler("disconnected", failed)
        self.xmpp.connect(self.node.address, world.CLIENT_PORT)
        await outcome
        await self.xmpp.get_roster()

    async def logout(self) -> None:
        try:
            await asyncio.wait_for(self.xmpp.disconnect(wait=1), 5)
        except TimeoutError:
            self.xmpp.abort()

    async def expect(self, what: str, wanted: Callable[[Stanza], bool], seconds: float = 10) -> Stanza:
        """Takes the first kept stanza that is wanted, waiting for it if need be.

        Raises TimeoutError that says what did not come.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            for i, stanza in enumerate(self.inbox):
                if wanted(stanza):
                    return self.inbox.pop(i)
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), max(0.001, end - loop.time()))
            except TimeoutError:
                raise TimeoutError(f"{self.bare} waited {seconds:g} s in vain for {what}") from None

    def message(self, to: str, body: str, kind: str = "chat", ident: str | None = None) -> None:
        message = self.xmpp.make_message(mto=to, mbody=body, mtype=kind)
        if ident:
            message["id"] = ident
        message.send()

    async def expect_message(self, body: str, seconds: float = 10) -> Message:
        def wanted(stanza: Stanza) -> bool:
            return isinstance(stanza, Message) and stanza["type"] != "error" and stanza["body"] == body

        return await self.expect(f"the message {body[:40]!r}", wanted, seconds)

    def presence(self, to: str | None = None, kind: str | None = None, show: str | None = None) -> None:
        self.xmpp.send_presence(pto=to, ptype=kind, pshow=show)

    async def expect_presence(self, sender: str, kind: str) -> Presence:
        """Waits for presence of `kind` (a type, a show value, or "available") from a bare or full address."""

        def wanted(stanza: Stanza) -> bool:
            if not isinstance(stanza, Presence) or sender not in (stanza["from"].bare, stanza["from"].full):
                return False
            return stanza["type"] == kind

        return await self.expect(f"presence {kind!r} from {sender}", wanted)

    async def expect_error(self, sender: str, seconds: float) -> str:
        """Waits for an error message or presence from `sender`; its condition."""

        def wanted(stanza: Stanza) -> bool:
            return stanza["type"] == "error" and sender in (stanza["from"].bare, stanza["from"].full)

        return condition(await self.expect(f"an error from {sender}", wanted, seconds)) or "none"

    async def ask(self, to: str, payload: str, seconds: float = 10) -> ET.Element:
        """Sends an IQ get with the payload element; the payload of the result.

        Raises IqError for an error, TimeoutError without an answer.
        """
        return await self._iq("get", to, payload, seconds)

    async def set(self, to: str, payload: str, seconds: float = 10) -> ET.Element:
        """As `ask`, with type set."""
        return await self._iq("set", to, payload, seconds)

    async def _iq(self, kind: str, to: str, payload: str, seconds: float) -> ET.Element:
        iq: Iq = self.xmpp.make_iq(ito=to, itype=kind)
        iq.append(ET.fromstring(payload))
        try:
            return (await asyncio.wait_for(iq.send(timeout=None), seconds)).xml
        except TimeoutError:
            raise TimeoutError(f"{self.bare} got no answer from {to} to {payload[:50]} in {seconds:g} s") from None

    async def ask_for_error(self, to: str, payload: str, seconds: float) -> str:
        """As `ask`, but an error is what is wanted; its condition."""
        try:
            await self.ask(to, payload, seconds)
        except IqError as error:
            return condition(error.iq) or "none"
        return "a result"

    async def join(self, room: str, nick: str) -> None:
        """Enters a room and waits for the own presence to come back; opens the room if it was created just now."""
        presence = self.xmpp.make_presence(pto=f"{room}/{nick}")
        presence.append(ET.Element(f"{{{MUC}}}x"))
        presence.send()
        mine = await self.expect_presence_of(f"{room}/{nick}")
        codes = {status.get("code") for status in mine.xml.iter(f"{{{MUC_USER}}}status")}
        if "201" in codes:
            form = f"<query xmlns='{MUC_OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>"
            await self.set(room, form)

    async def expect_presence_of(self, occupant: str) -> Presence:
        """Waits for available presence of a room's occupant."""

        def wanted(stanza: Stanza) -> bool:
            return isinstance(stanza, Presence) and stanza["from"].full == occupant and stanza["type"] == "available"

        return await self.expect(f"{occupant} in the room", wanted)


