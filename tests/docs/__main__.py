"""Writes the generated parts of docs/, and of the dashboard in conf/."""

from tests.docs import dashboard
from tests.docs.parts import PARTS


def main() -> None:
    """Write all generated parts."""
    for part, content in PARTS.items():
        part.write(content())
        print(f"{part.page}: {part.name}")
    dashboard.DASHBOARD.write_text(dashboard.generated())
    print(f"{dashboard.DASHBOARD}: {dashboard.PANEL}")


if __name__ == "__main__":
    main()
