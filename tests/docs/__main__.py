"""Writes the generated parts of docs/."""

from tests.docs.parts import PARTS


def main() -> None:
    """Write all of them."""
    for part, content in PARTS.items():
        part.write(content())
        print(f"{part.page}: {part.name}")


if __name__ == "__main__":
    main()
