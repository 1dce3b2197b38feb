"""The static files hold to the policy they are served with, and refer only to what is there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from streamer.web.markup import assemble

STATIC = Path(__file__).parents[2] / "streamer" / "web" / "static"
PAGES = sorted(STATIC.glob("*.html"))
MODULES = sorted(STATIC.glob("js/*.js"))
STYLES = sorted(STATIC.glob("css/*.css"))
EVERYTHING = sorted(path for path in STATIC.rglob("*") if path.is_file())
_FILES = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in MODULES}

_IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)";""", re.MULTILINE)
_LAZY_IMPORT = re.compile(r"""\bimport\("([^"]+)"\)""")
_ABSOLUTE = re.compile(r"""["'(](/static/[^"'#?)]+)""")
_ADDRESS = re.compile(r"""(?:https?:|wss?:)?//[\w.-]+\.[a-z]{2,}[^\s"'<>]*""")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NAMESPACES = {"http://www.w3.org/2000/svg"}


def _text(path: Path) -> str:
    """As it is served, but for what the server puts into a page itself."""
    text = path.read_text("utf-8")
    return assemble(text, _FILES) if path.suffix == ".html" else text


class _Page(HTMLParser):
    """What of a page the Content-Security-Policy has an opinion on."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline_scripts = 0
        self.preloaded: set[str] = set()
        self.scripts: list[str] = []
        self.modules: list[str] = []
        self.ids: list[str] = []
        self.feed(_text(path))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "script":
            source = attributes.get("src")
            self.inline_scripts += source is None
            self.scripts += [source] if source else []
            self.modules += [source] if source and attributes.get("type") == "module" else []
        if tag == "link" and attributes.get("rel") == "modulepreload":
            self.preloaded.add(attributes["href"] or "")
        if identifier := attributes.get("id"):
            self.ids.append(identifier)


def _imports(module: Path) -> set[Path]:
    # The types in documentation comments are imported too, but only by editors.
    text = _COMMENT.sub("", module.read_text(encoding="utf-8"))
    return {(module.parent / name).resolve() for name in _IMPORT.findall(text) + _LAZY_IMPORT.findall(text)}


def _graph(entry: Path) -> set[Path]:
    seen: set[Path] = set()
    left = [entry.resolve()]
    while left:
        module = left.pop()
        if module not in seen:
            seen.add(module)
            left += _imports(module)
    return seen


def _served(url: str) -> Path:
    return STATIC / url.removeprefix("/static/")


def test_every_page_of_the_server_is_there() -> None:
    assert [page.name for page in PAGES] == [
        "account.html",
        "admin.html",
        "connections.html",
        "dashboard.html",
        "embed.html",
        "index.html",
        "invitation.html",
        "login.html",
        "missing.html",
        "publish.html",
        "recordings.html",
        "relays.html",
        "setup.html",
        "watch.html",
    ]


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: path.name)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    assert set(_ADDRESS.findall(_text(path))) <= _NAMESPACES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_need_no_exception_from_the_policy(path: Path) -> None:
    page = _Page(path)
    # What the server puts into the page is in the policy by its hash.
    assert page.inline_scripts == 0
    for tag, attributes in page.tags:
        assert tag not in ("style", "base", "object", "embed"), f"<{tag}>"
        forbidden = [name for name in attributes if name == "style" or name.startswith("on")]
        assert forbidden == [], f"<{tag} {forbidden}>"


@pytest.mark.parametrize("path", [*PAGES, *MODULES, *STYLES], ids=lambda path: path.name)
def test_referenced_files_exist(path: Path) -> None:
    missing = [url for url in _ABSOLUTE.findall(_text(path)) if not _served(url).is_file()]
    assert missing == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_imported_modules_exist(module: Path) -> None:
    assert [name for name in _imports(module) if not name.is_file()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_preload_exactly_the_modules_they_run(path: Path) -> None:
    # One that is missing costs the first picture a round trip; one too many costs its bytes.
    page = _Page(path)
    needed = set[Path]().union(*(_graph(_served(script)) for script in page.modules))
    assert {_served(url).resolve() for url in {*page.preloaded, *page.modules}} == needed


@pytest.mark.parametrize("name", ["watch.html", "embed.html"])
def test_nothing_but_the_offer_comes_before_the_picture(name: str) -> None:
    page = _text(STATIC / name)
    at_once, _, after = page.partition("<template data-opening>")
    assert re.findall(r'/js/([\w.]+)"', at_once) == ["offer.js", "opening.js"]
    rest, _, markup = after.partition("</template>")
    assert 'type="module"' in rest
    assert "<video" in markup and "/js/" not in markup


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_identifiers_are_unique(path: Path) -> None:
    identifiers = _Page(path).ids
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize(
    ("page", "module"),
    [
        ("index.html", "index.js"),
        ("watch.html", "watch_page.js"),
        ("dashboard.html", "dashboard.js"),
        ("recordings.html", "recordings.js"),
        ("recordings.html", "recording_player.js"),
        ("relays.html", "relays.js"),
        ("relays.html", "relay_form.js"),
        ("login.html", "login.js"),
        ("setup.html", "setup.js"),
        ("account.html", "account.js"),
        ("account.html", "account_factors.js"),
        ("account.html", "account_sessions.js"),
        ("account.html", "confirm.js"),
        ("admin.html", "admin.js"),
        ("admin.html", "admin_parts.js"),
        ("invitation.html", "invitation.js"),
    ],
    ids=lambda name: name,
)
def test_the_elements_a_script_looks_up_are_in_its_page(page: str, module: str) -> None:
    wanted = set(re.findall(r"""byId\("([\w-]+)"\)""", (STATIC / "js" / module).read_text("utf-8")))
    assert wanted
    assert wanted <= set(_Page(STATIC / page).ids)


def test_the_icons_in_use_are_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text("utf-8")))
    used: set[str] = set()
    for page in PAGES:
        used |= set(re.findall(r"icons\.svg#([\w-]+)", _text(page)))
    for module in MODULES:
        text = module.read_text("utf-8")
        used |= set(re.findall(r"""\b(?:icon|control)\("([\w-]+)\"""", text))
        for arguments in re.findall(r"""showIcon\([^;]*?, ([^;]*)\);""", text):
            used |= set(re.findall(r'"([\w-]+)"', arguments))
    assert used - {"svg"} == drawn


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_usable_by_everyone(path: Path) -> None:
    page = _Page(path)
    tags = [tag for tag, _ in page.tags]
    attributes = dict(page.tags)
    assert attributes["html"]["lang"] == "en"
    assert "title" in tags
    assert "main" in tags
    viewport = next(values["content"] for tag, values in page.tags if values.get("name") == "viewport")
    assert "width=device-width" in (viewport or "")
    assert "user-scalable" not in (viewport or "")
    assert all("alt" in values for tag, values in page.tags if tag == "img")


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.name)
def test_motion_is_reduced_on_request(style: Path) -> None:
    text = style.read_text("utf-8")
    if "animation:" in text:
        assert "prefers-reduced-motion" in text
