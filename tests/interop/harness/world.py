"""The servers of the test world: who is inside, who is outside, and how each one federates."""

from dataclasses import dataclass

GATE = "127.0.3.1"
GATE_NAME = "gate.test"
STARTTLS_PORT = 5269
DIRECT_TLS_PORT = 5270
CLIENT_PORT = 5222
PASSWORD = "secret"
ERRORS_USER = "u-errors"

# The DNS of the internet, in two views: local domains reached by STARTTLS only, or by direct TLS only.
DNS_STARTTLS = "127.0.2.53"
DNS_DIRECT_TLS = "127.0.2.54"
# ringgate's own answerer: the resolver of the backends. Erlang and libc know no port but 53.
ANSWERER = "127.0.1.53"
INTERNAL = ("127.0.1.1", 15269)

# Names for the error cases.
NOWHERE = "nowhere.test"  # not in the DNS
DEAD = "dead.test"  # in the DNS, but nothing listens
DEAD_ADDRESS = "127.0.2.250"
STRANGER = "stranger.test"  # the DNS points at ringgate, which does not serve it
DENIED = "denied.test"  # in the DNS, but denied by ringgate's policy
DENIED_CONDITIONS = {"not-allowed"}


@dataclass(frozen=True)
class Node:
    """One XMPP server process group and its only domain."""

    name: str
    software: str
    address: str
    inside: bool = False
    # "required", "optional" or "none"
    tls: str = "required"
    # TLS from the first byte, announced by _xmpps-server only
    direct: bool = False
    # proves itself by certificate only (no dialback), and asks the same of others
    external: bool = True
    # announced by SRV records; otherwise only by the domain's A record
    srv: bool = True

    @property
    def domain(self) -> str:
        return f"{self.name}.test"

    @property
    def conference(self) -> str:
        return f"conference.{self.domain}"

    @property
    def s2s_port(self) -> int:
        return DIRECT_TLS_PORT if self.direct else STARTTLS_PORT

    @property
    def method(self) -> str:
        return "external" if self.external else "dialback"

    @property
    def resolver(self) -> str:
        return DNS_DIRECT_TLS if self.direct else DNS_STARTTLS

    @property
    def title(self) -> str:
        transport = "clear" if self.tls == "none" else "direct TLS" if self.direct else "STARTTLS"
        return f"{self.software} {transport} {self.method}" + ("" if self.srv else " no SRV")

    def user(self, peer: "Node") -> str:
        """The account that this node's side of the cell (self, peer) uses; one per cell, so that cells do not meet."""
        return f"u-{peer.name}@{self.domain}"


INSIDE = [
    Node("alpha", "prosody", "127.0.1.11", inside=True, tls="none", external=False),
    Node("beta", "ejabberd", "127.0.1.12", inside=True, tls="none", external=False),
]

OUTSIDE = [
    Node("pext", "prosody", "127.0.2.11"),
    Node("pdir", "prosody", "127.0.2.12", direct=True),
    Node("pdlb", "prosody", "127.0.2.13", external=False, srv=False),
    Node("eext", "ejabberd", "127.0.2.21"),
    Node("edir", "ejabberd", "127.0.2.22", direct=True),
    Node("edlb", "ejabberd", "127.0.2.23", external=False),
    Node("jtls", "jabberd2", "127.0.2.31", external=False, tls="optional"),
    Node("jclr", "jabberd2", "127.0.2.32", external=False, tls="none"),
]
