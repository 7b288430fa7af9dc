"""Certificates by openssl: one authority that the test world trusts, leaves for each domain, and self-signed ones."""

import subprocess
from pathlib import Path

SERVER = "serverAuth"
BOTH = "serverAuth,clientAuth"


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


class Authority:
    """A certificate authority whose files live in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self.certificate = directory / "ca.pem"
        self.key = directory / "ca.key"
        # Debian's openssl.cnf would add a second basicConstraints to each certificate.
        self.config = directory / "openssl.cnf"
        self.config.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
        _openssl(
            "req", "-config", str(self.config),
            "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=interop authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-keyout", str(self.key), "-out", str(self.certificate),
        )  # fmt: skip

    def leaf(self, stem: str, names: list[str], purpose: str) -> Path:
        """A PEM file with certificate and key for `names` (dNSName), signed by this authority."""
        return self._make(stem, names, purpose, ["-CA", str(self.certificate), "-CAkey", str(self.key)])

    def self_signed(self, stem: str, names: list[str]) -> Path:
        """A PEM file with certificate and key that nobody has a reason to trust."""
        return self._make(stem, names, BOTH, [])

    def _make(self, stem: str, names: list[str], purpose: str, issuer: list[str]) -> Path:
        certificate, key = self.directory / f"{stem}.crt", self.directory / f"{stem}.key"
        _openssl(
            "req", "-config", str(self.config),
            "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/O={stem}", "-keyout", str(key), "-out", str(certificate), *issuer,
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
            "-addext", "keyUsage=critical,digitalSignature",
            "-addext", f"extendedKeyUsage={purpose}",
        )  # fmt: skip
        both = self.directory / f"{stem}.pem"
        both.touch(mode=0o600)
        both.write_text(certificate.read_text() + key.read_text())
        return both
