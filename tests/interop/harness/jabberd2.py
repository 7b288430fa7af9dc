"""jabberd2 with mu-conference: Debian's configuration files with the test's values put in; five processes."""

import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path

from . import world
from .process import Process

_ETC = Path("/etc/jabberd2")
_ROUTER_PORT = 5347
_TESTS_ONLY_SECRET = "secret"


def _set(root: ET.Element, path: str, text: str | None) -> None:
    """Sets the text of the element at `path`, made where missing."""
    element = root
    for step in path.split("/"):
        found = element.find(step)
        element = ET.SubElement(element, step) if found is None else found
    element.text = text


class Jabberd2:
    """The processes of one server, started in order: router first."""

    def __init__(self, node: world.Node, directory: Path, users: list[str], certificate: Path | None,
                 resolver: str) -> None:  # fmt: skip
        directory.mkdir(parents=True)
        (directory / "data").mkdir()
        (directory / "rooms").mkdir()
        self.node, self.directory, self.resolver, self.certificate = node, directory, resolver, certificate
        self.processes: list[Process] = []
        accounts = sqlite3.connect(directory / "accounts.db")
        with accounts:
            accounts.execute("CREATE TABLE authreg (username TEXT, realm TEXT, password TEXT)")
            rows = [(user, node.domain, world.PASSWORD) for user in users]
            accounts.executemany("INSERT INTO authreg VALUES (?, ?, ?)", rows)
        accounts.close()

    async def start(self) -> None:
        router = self._run("router", self._router())
        await router.listening(self.node.address, _ROUTER_PORT)
        for component, tree in (("sm", self._sm()), ("s2s", self._s2s()), ("c2s", self._c2s()), ("muc", self._muc())):
            self._run(component, tree)
        await self.processes[-2].listening(self.node.address, world.CLIENT_PORT)
        await self.processes[-3].listening(self.node.address, world.STARTTLS_PORT)

    async def stop(self) -> None:
        for process in reversed(self.processes):
            await process.stop(1)

    def _run(self, component: str, tree: ET.Element) -> Process:
        config = self.directory / f"{component}.xml"
        ET.ElementTree(tree).write(config)
        program = "mu-conference" if component == "muc" else f"jabberd2-{component}"
        name = f"{self.node.name}-{component}"
        argv = [f"/usr/sbin/{program}", "-c", str(config)]
        self.processes.append(Process(name, argv, self.directory / f"{component}.log", resolver=self.resolver))
        return self.processes[-1]

    def _tree(self, component: str) -> ET.Element:
        root = ET.parse(_ETC / f"{component}.xml").getroot()
        _set(root, "pidfile", str(self.directory / f"{component}.pid"))
        log = root.find("log")
        if log is not None:
            log.set("type", "stdout")
        if root.find("router") is not None:
            _set(root, "router/ip", self.node.address)
            _set(root, "router/pass", _TESTS_ONLY_SECRET)
        return root

    def _router(self) -> ET.Element:
        root = self._tree("router")
        _set(root, "local/ip", self.node.address)
        _set(root, "local/users", str(self.directory / "router-users.xml"))
        _set(root, "local/secret", _TESTS_ONLY_SECRET)
        (self.directory / "router-users.xml").write_text(
            f"<users><user><name>jabberd</name><secret>{_TESTS_ONLY_SECRET}</secret></user></users>"
        )
        _set(root, "aci/filter", str(self.directory / "router-filter.xml"))
        (self.directory / "router-filter.xml").write_text("<filter/>")
        return root

    def _sm(self) -> ET.Element:
        root = self._tree("sm")
        _set(root, "local/id", self.node.domain)
        _set(root, "storage/driver", "db")
        _set(root, "storage/db/path", str(self.directory / "data"))
        _set(root, "user/auto-create", None)
        return root

    def _s2s(self) -> ET.Element:
        root = self._tree("s2s")
        _set(root, "local/ip", self.node.address)
        _set(root, "check/queue", "20")
        _set(root, "check/interval", "2")
        _set(root, "lookup/min-ttl", "1")
        _set(root, "lookup/bad-host-timeout", "1")
        if self.certificate is not None:
            _set(root, "local/pemfile", str(self.certificate))
        return root

    def _c2s(self) -> ET.Element:
        root = self._tree("c2s")
        _set(root, "local/id", self.node.domain)
        _set(root, "local/ip", self.node.address)
        _set(root, "authreg/module", "sqlite")
        _set(root, "authreg/sqlite/dbname", str(self.directory / "accounts.db"))
        return root

    def _muc(self) -> ET.Element:
        root = self._tree("muc")
        for key, value in (
            ("name", self.node.conference), ("host", self.node.conference), ("ip", self.node.address),
            ("port", str(_ROUTER_PORT)), ("secret", _TESTS_ONLY_SECRET), ("spool", f"{self.directory}/rooms/"),
            ("logdir", f"{self.directory}/"), ("logstderr", None),
        ):  # fmt: skip
            _set(root, key, value)
        return root
