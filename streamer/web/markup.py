"""Puts a page together: what all pages have in common, what it loads, and what would hold it up.

In a page's file `<!-- head -->` and other such comments stand for the parts of that name in `parts/`. Behind
each module script come links to all modules that it imports, so that they are fetched at once and not one
after the other. Style sheets and classic scripts are put into the page: it begins sooner with them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PARTS = {path.stem: path.read_text("utf-8") for path in (Path(__file__).parent / "parts").glob("*.html")}
_PART = re.compile(r" *<!-- (\w+) -->\n")
_MODULE = re.compile(r'( *)<script type="module" src="/static/js/(\w+\.js)"></script>\n')
#: A statement, or one that is executed later, as it stands in all modules here. Comments name modules too.
_IMPORT = re.compile(
    r"""^(?:import|export)\b[^;]*?\bfrom\s+"\./([\w.]+)";|\bimport\("\./([\w.]+)"\)""", re.MULTILINE
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_HOLDS_UP = re.compile(
    r'<(script) src="/static/(js/\w+\.js)"></script>|<link rel="(style)sheet" href="/static/(css/\w+\.css)">'
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        text: all of it.
        scripts: hashes of the scripts that stand in it, as a Content-Security-Policy has them.
        styles: of its style sheets.
    """

    text: str
    scripts: str
    styles: str


def compose(text: str, files: Mapping[str, bytes]) -> Page:
    """Put a page together.

    Args:
        text: of its file.
        files: scripts and style sheets by their names, such as "js/player.js".

    Raises:
        KeyError: it names a part or a file that there is none of.
    """
    hashes = {"script": "", "style": ""}

    def inlined(found: re.Match[str]) -> str:
        kind, other = (found[1], found[2]) if found[1] else (found[3], found[4])
        hashes[kind] += f" 'sha256-{base64.b64encode(hashlib.sha256(files[other]).digest()).decode()}'"
        return f"<{kind}>{files[other].decode()}</{kind}>"

    whole = _HOLDS_UP.sub(inlined, assemble(text, files))
    return Page(whole, hashes["script"], hashes["style"])


def assemble(text: str, files: Mapping[str, bytes]) -> str:
    """As `compose`, without what would hold it up."""

    def preloaded(found: re.Match[str]) -> str:
        link = f'{found[1]}<link rel="modulepreload" href="/static/js/'
        return found[0] + "".join(f'{link}{name}">\n' for name in _imported(found[2], files))

    return _MODULE.sub(preloaded, _with_parts(text))


def _with_parts(text: str) -> str:
    """A part may name others."""
    return _PART.sub(lambda found: _with_parts(_PARTS[found[1]]), text)


def _imported(entry: str, files: Mapping[str, bytes]) -> list[str]:
    """All modules that one needs, those that it names itself first."""
    found = [entry]
    for name in found:
        text = _COMMENT.sub("", files[f"js/{name}"].decode())
        for names in _IMPORT.findall(text):
            module = names[0] or names[1]
            if module not in found:
                found.append(module)
    return found[1:]
