"""The code blocks of README's quick start, as they stand."""

import re
from dataclasses import dataclass

from tests.markdown import ROOT

SECTION = re.compile(r"^## ExaBGP and ZooKeeper in five minutes$(.*?)^##", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^# (/\S+): ")
"""The first line of a block that is a file."""


@dataclass(frozen=True, slots=True)
class QuickStart:
    """What README has its readers do, in its order."""

    install: str
    addresses: str
    config_file: str
    """Where the configuration lies."""
    config: str
    exabgp: str
    ask: str
    """What a client does."""
    operate: tuple[str, ...]
    """Lines: status, maintenance on, maintenance off."""
    by_options: str
    """The process that ExaBGP runs without a file."""

    def exabgp_by_options(self) -> str:
        """Return `exabgp.conf` with the other process."""
        return self.by_options + self.exabgp[self.exabgp.index("neighbor ") :]


def quick_start() -> QuickStart:
    """Read README; every block of the section has its part in it."""
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
