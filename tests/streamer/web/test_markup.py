from __future__ import annotations

import base64
import hashlib

import pytest

from streamer.web.markup import assemble, compose

FILES = {
    "js/entry.js": b'/** @param {import("./none.js").None} x */\nimport { a } from "./a.js";\n'
    b'const { b } = await import("./b.js");\n',
    "js/a.js": b'import {\n  b,\n} from "./b.js";\nexport const a = 1;\n',
    "js/b.js": b'import { a } from "./a.js";\n',
    "js/classic.js": b"let classic;",
    "css/base.css": b"p { margin: 0 }",
}


def test_a_comment_stands_for_a_part_and_a_part_may_have_others() -> None:
    text = assemble("<head>\n  <!-- head -->\n</head>\n  <!-- top -->\n  <!-- What it is. -->\n", {})
    assert '<meta charset="utf-8">' in text
    assert 'class="brand"' in text
    assert "  <!-- What it is. -->\n" in text


def test_all_that_a_module_imports_is_fetched_with_it() -> None:
    text = assemble('  <script type="module" src="/static/js/entry.js"></script>\n', FILES)
    assert text.splitlines() == [
        '  <script type="module" src="/static/js/entry.js"></script>',
        '  <link rel="modulepreload" href="/static/js/a.js">',
        '  <link rel="modulepreload" href="/static/js/b.js">',
    ]


def test_what_would_hold_a_page_up_stands_in_it_and_its_hash_is_known() -> None:
    text = '<script src="/static/js/classic.js"></script><link rel="stylesheet" href="/static/css/base.css">'
    page = compose(text, FILES)
    assert page.text == "<script>let classic;</script><style>p { margin: 0 }</style>"
    for found, body in ((page.scripts, b"let classic;"), (page.styles, b"p { margin: 0 }")):
        assert found == f" 'sha256-{base64.b64encode(hashlib.sha256(body).digest()).decode()}'"


@pytest.mark.parametrize(
    "text",
    [
        "<!-- nothing -->\n",
        '<script type="module" src="/static/js/none.js"></script>\n',
        '<script src="/static/js/none.js"></script>\n',
    ],
)
def test_what_is_not_there_is_an_error(text: str) -> None:
    with pytest.raises(KeyError):
        compose(text, FILES)
