"""Numbers in messages."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, or another word, in the singular or the plural.

    Args:
        number: the number.
        noun: the word for one.
        plural: the word for any other number; by default the noun with an `s`.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
