"""The few pages of the sandbox, drawn: plain forms that work without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from aiohttp import web

from ops.sandbox.parties import Account, Platform

STYLE = "/sandbox.css"
_CSS = (Path(__file__).parent / "static" / "sandbox.css").read_text(encoding="utf-8")
#: As people write them.
NAMES: dict[str, str] = {
    Platform.YOUTUBE: "YouTube",
    Platform.FACEBOOK: "Facebook",
    Platform.TWITCH: "Twitch",
    Platform.CUSTOM: "Any key",
}


@dataclass(frozen=True)
class Choice:
    """What the consent page asks.

    Attributes:
        scopes: what is wanted, with its meaning in words.
    """

    platform: Platform
    app: str
    accounts: tuple[Account, ...]
    scopes: Mapping[str, str]


def consent_page(
    choice: Choice, *, action: str, hidden: Mapping[str, str], leads_to: str = ""
) -> web.Response:
    """Accounts to choose from, scopes to take back, and two buttons."""
    name = NAMES[choice.platform]
    fields = "".join(
        f'<input type="hidden" name="{escape(key)}" value="{escape(value)}">' for key, value in hidden.items()
    )
    accounts = "".join(_account(account, chosen=i == 0) for i, account in enumerate(choice.accounts))
    scopes = "".join(
        f'<label><input type="checkbox" name="scope" value="{escape(scope)}" checked>'
        f"<span>{escape(meaning)}<small>{escape(scope)}</small></span></label>"
        for scope, meaning in choice.scopes.items()
    )
    body = f"""
<h1>{escape(choice.app)} asks for access to a {name} account</h1>
<form method="post" action="{escape(action)}">{fields}
<fieldset><legend>Account</legend>{accounts}</fieldset>
<fieldset><legend>It will be able to</legend>{scopes}</fieldset>
<p class="buttons"><button name="decision" value="deny" class="quiet">Deny</button>
<button name="decision" value="approve">Approve</button></p>
</form>"""
    return _page(200, f"{choice.app} - {name}", choice.platform, body, leads_to)


def device_page(platform: Platform, *, action: str, wrong: str = "") -> web.Response:
    """Where a device's code is typed in."""
    notice = f'<p role="alert">There is no device with the code {escape(wrong)}.</p>' if wrong else ""
    body = f"""
<h1>Connect a device</h1>{notice}
<form method="get" action="{escape(action)}">
<label class="code">The code it shows <input name="user_code" required autocomplete="off" autofocus></label>
<p class="buttons"><button>Next</button></p>
</form>"""
    return _page(200, "Connect a device", platform, body)


def message_page(status: int, title: str, text: str, platform: Platform | None = None) -> web.Response:
    """Why it does not go on."""
    return _page(status, title, platform, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>")


def done_page(title: str, text: str) -> web.Response:
    """That is all."""
    return message_page(200, title, text)


def table_page(title: str, body: str, *, refresh_s: int) -> web.Response:
    """A page of tables, in HTML already, that is fetched again by itself."""
    return _page(200, title, None, body, refresh_s=refresh_s)


async def stylesheet(request: web.Request) -> web.Response:
    """How they look."""
    return web.Response(text=_CSS, content_type="text/css")


def _account(account: Account, *, chosen: bool) -> str:
    note = "" if account.live_allowed else "<small>may not go live</small>"
    checked = " checked" if chosen else ""
    return (
        f'<label><input type="radio" name="account" value="{escape(account.id)}"{checked}>'
        f"<span>{escape(account.name)}{note}</span></label>"
    )


def _page(
    status: int,
    title: str,
    platform: Platform | None,
    body: str,
    leads_to: str = "",
    *,
    refresh_s: int | None = None,
) -> web.Response:
    mark = f"{NAMES[platform]} stand-in" if platform is not None else "Stand-in"
    again = f'<meta http-equiv="refresh" content="{refresh_s}">' if refresh_s is not None else ""
    kind = platform or ("tables" if refresh_s is not None else "")
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
{again}<title>{escape(title)}</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="{STYLE}"></head>
<body class="{kind}"><main><p class="mark">{mark}, not the real one</p>{body}</main></body></html>
"""
    policy = (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {leads_to}".rstrip()
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)
