"""Certificates for servers and clients of tests, created by openssl 3.0 to 3.5."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

DAY = timedelta(days=1)
SETTINGS = """\
[req]
distinguished_name = empty
x509_extensions = authority
[empty]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[ca]
default_ca = issuing
[issuing]
database = {directory}/issued
new_certs_dir = {directory}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = optional
organizationName = optional
"""
LEAF = """\
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = {subjects}
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, its key, and both in one file."""

    cert: Path
    key: Path
    both: Path


class Authority:
    """An authority in a new directory, valid in strict verification (RFC 5280).

    Args:
        directory: directory of its files.
        plain: create it by `openssl req -x509` without settings: without a key usage.
    """

    def __init__(self, directory: Path, *, plain: bool = False) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._settings = directory / "openssl.cnf"
        self._settings.write_text(SETTINGS.format(directory=directory))
        (directory / "issued").touch()
        self.cert = directory / "ca.pem"
        self._key = directory / "ca.key"
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests"),
            *("-keyout", self._key, "-out", self.cert),
            *(() if plain else ("-config", self._settings)),
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
            name: its name, and base name of its files.
            subjects: openssl's subjectAltName.
            days: validity from now; negative: expired.
            password: encrypts the key.
            attribute: attribute of its name: the common name, or `O`.
        """
        found = Certificate(*(self._directory / f"{name}.{end}" for end in ("crt", "key", "pem")))
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        extensions.write_text(LEAF.format(subjects=subjects))
        encryption = ("-passout", f"pass:{password}") if password else ("-nodes",)
        self._openssl(
            *("req", "-newkey", "rsa:2048", *encryption, "-subj", f"/{attribute}={name}"),
            *("-config", self._settings, "-keyout", found.key, "-out", request),
        )
        # openssl x509 supports dates since 3.4, and 3.5 rejects `-days -1`; openssl ca always supports dates
        end = datetime.now(UTC) + days * DAY
        start = min(datetime.now(UTC), end) - DAY
        self._openssl(
            *("ca", "-batch", "-notext", "-config", self._settings, "-extfile", extensions),
            *("-cert", self.cert, "-keyfile", self._key, "-in", request, "-out", found.cert),
            *("-startdate", f"{start:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}"),
        )
        found.both.write_bytes(found.key.read_bytes() + found.cert.read_bytes())
        return found

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
        assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}"
