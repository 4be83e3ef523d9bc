"""Certificates for servers and clients of tests, by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, its key, and both in one file."""

    cert: Path
    key: Path
    both: Path


class Authority:
    """An authority of its own, in a new directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.cert = directory / "ca.pem"
        self._key = directory / "ca.key"
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests"),
            *("-keyout", self._key, "-out", self.cert),
        )

    def issue(
        self,
        name: str,
        subjects: str = "DNS:localhost,IP:127.0.0.1",
        days: int = 2,
        password: str = "",
        attribute: str = "CN",
    ) -> Certificate:
        """Return a new certificate.

        Args:
            name: its name, and that of its files.
            subjects: whom it is valid for, as openssl's subjectAltName.
            days: how long from now; below 0, it has expired.
            password: encrypts the key.
            attribute: what its name is: the common name, or `O` for one that has none.
        """
        found = Certificate(*(self._directory / f"{name}.{end}" for end in ("crt", "key", "pem")))
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subjects}")
        encryption = ("-passout", f"pass:{password}") if password else ("-nodes",)
        self._openssl(
            *("req", "-newkey", "rsa:2048", *encryption, "-subj", f"/{attribute}={name}"),
            *("-keyout", found.key, "-out", request),
        )
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", str(days), "-extfile", extensions, "-out", found.cert),
        )
        found.both.write_bytes(found.key.read_bytes() + found.cert.read_bytes())
        return found

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
        assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}"
