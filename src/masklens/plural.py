"""Numbers with their nouns, for sentences that hold for one as well as for many."""

from __future__ import annotations


def many(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: 1 face, 1,200 faces; ``plural`` is for nouns that take no s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
