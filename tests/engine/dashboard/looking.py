"""A browser that looks at the dashboard."""

from selenium.webdriver import Chrome

from tests.browsing import DESKTOP, open_page, text, until


def look(browser: Chrome, url: str, size: tuple[int, int] = DESKTOP, **features: str) -> None:
    """Open the page, in a window of a size, for someone who prefers so; wait until it is live."""
    open_page(browser, url, size, **features)
    until(browser, lambda: text(browser, "#link-text") == "live")
