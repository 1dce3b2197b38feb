"""What every page of ours is held to in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.async_api import Page


@contextmanager
def untroubled(page: Page) -> Iterator[Page]:
    """While it lasts, nothing happens in a page that its policy or its scripts did not allow for."""
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on(
        "console",
        lambda message: trouble.append(message.text) if "Content Security" in message.text else None,
    )
    yield page
    assert trouble == []
