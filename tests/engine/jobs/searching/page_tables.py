"""Tables of a search's page, as they stand in the file."""

import re
from html import unescape
from pathlib import Path


def cells(page: Path, name: str) -> list[list[str]]:
    """Return the rows of a table without marks, that of its heads first."""
    text = page.read_text(encoding="utf-8")
    found = text.partition(f'<table data-table="{name}">')[2].partition("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in found.split("</tr>")[:-1]]
    return [[unescape(re.sub("<[^>]+>", "", cell)) for cell in row] for row in rows]
