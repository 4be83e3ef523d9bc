"""The code blocks of README's quick start."""

import re
from dataclasses import dataclass

from tests.markdown import ROOT

SECTION = re.compile(r"^## ExaBGP and ZooKeeper in five minutes$(.*?)^##", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^# (/\S+): ")
"""First line of a block with a file."""


@dataclass(frozen=True, slots=True)
class QuickStart:
    """Steps of the README, in order."""

    install: str
    addresses: str
    config_file: str
    """Path of the configuration."""
    config: str
    exabgp: str
    ask: str
    """Command of the client."""
    operate: tuple[str, ...]
    """Commands: status, maintenance on, maintenance off."""
    by_options: str
    """The process without a file."""

    @property
    def directories(self) -> str:
        """The commands of the installation that create directories: those of one machine only are shared."""
        return "\n".join(line for line in self.install.splitlines() if line.startswith("install -d "))

    def exabgp_by_options(self) -> str:
        """Return `exabgp.conf` with the other process."""
        return self.by_options + self.exabgp[self.exabgp.index("neighbor ") :]


def quick_start() -> QuickStart:
    """Parse the README; every block of the section is used."""
    section = SECTION.search((ROOT / "README.md").read_text())
    assert section
    blocks = BLOCK.findall(section[1])
    assert [language for language, _ in blocks] == ["sh", "sh", "yaml", "", "sh", "sh", ""]
    install, addresses, config, exabgp, ask, operate, by_options = (text for _, text in blocks)
    file = FILE.match(config)
    assert file
    return QuickStart(
        install=install,
        addresses=addresses,
        config_file=file[1],
        config=config,
        exabgp=exabgp,
        ask=ask,
        operate=tuple(operate.splitlines()),
        by_options=by_options,
    )
