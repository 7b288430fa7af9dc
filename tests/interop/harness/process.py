"""Processes of the test world: each in its own process group, ended by that group's id."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

_BIND_RESOLVER = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


class Process:
    """A running server; its output goes to `log`."""

    def __init__(self, name: str, argv: list[str], log: Path, env: dict[str, str] | None = None,
                 resolver: str | None = None) -> None:  # fmt: skip
        """`resolver`: the address of the name server, given to the process as a private /etc/resolv.conf."""
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        if resolver is not None:
            conf = log.with_suffix(".resolv.conf")
            conf.write_text(f"nameserver {resolver}\noptions timeout:2 attempts:2\n")
            argv = ["unshare", "--mount", "sh", "-c", _BIND_RESOLVER, str(conf), *argv]
        self._argv, self._env = argv, {**os.environ, **(env or {})}
        self.start()

    def start(self) -> None:
        """Starts it, also once more after it has ended."""
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=self._env, start_new_session=True, cwd=self.log.parent,
            )  # fmt: skip

    def kill(self) -> None:
        """Ends it without a chance to say anything."""
        self.signal(signal.SIGKILL)
        self.popen.wait()

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    def signal(self, number: int) -> None:
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            pass

    async def wait(self, seconds: float) -> int | None:
        """Its exit status, or None if it still runs after `seconds`."""
        end = time.monotonic() + seconds
        while not self.ended and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return self.popen.returncode

    async def stop(self, seconds: float = 3) -> None:
        if not self.ended:
            self.signal(signal.SIGTERM)
            await self.wait(seconds)
        self.signal(signal.SIGKILL)
        self.popen.wait()

    async def listening(self, address: str, port: int, seconds: float = 60) -> None:
        """Waits until somebody accepts on address and port.

        Raises RuntimeError with the end of the log if the process ends first, or not in time.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.ended:
            try:
                _, writer = await asyncio.open_connection(address, port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.1)
        tail = self.log.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{self.name} does not listen on {address}:{port}; {self.log} ends with:\n{tail}")
