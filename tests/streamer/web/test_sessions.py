"""What a session opens, besides one's own account: the API, pages and WHEP, as its owner's grants say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from auth.permissions.actions import Role
from auth.permissions.principals import Kind
from streamer.egress.webrtc import NoSuchViewer
from streamer.web.operations import CSRF_HEADER
from tests.auth.rig import Clock
from tests.fakes.wait import until
from tests.streamer.egress.webrtc.rig import CHROMIUM
from tests.streamer.web.rig import SDP, WebRig
from tests.streamer.web.signin.rig import Browser, grant, user, with_app
from tests.transport.webrtc.vectors import publishers_vector


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[WebRig]:
    rig = WebRig(tmp_path, clock=Clock())
    await rig.open()
    yield rig
    await rig.close()


async def join(rig: WebRig, browser: Browser, stream: str = "closed", **headers: str) -> tuple[int, str]:
    """The status of joining over WHEP, and what the server calls the error."""
    return await offer(rig, browser, f"/whep/{stream}", CHROMIUM, headers)


async def offer(
    rig: WebRig, browser: Browser, path: str, sdp: str, headers: dict[str, str]
) -> tuple[int, str]:
    """The same over WHEP or WHIP."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    sent = {**SDP, "Cookie": cookie, CSRF_HEADER: browser.csrf, **headers}
    rig.client.session.cookie_jar.clear()
    async with rig.client.post(path, data=sdp, headers=sent) as answer:
        return answer.status, "" if answer.status == 201 else (await answer.json())["error"]


async def test_the_api_is_open_to_whom_the_grants_say(rig: WebRig) -> None:
    anna, chief = Browser(rig), Browser(rig)
    await user(rig, "anna")
    await grant(rig, await user(rig, "chief"), Role.ADMINISTRATOR)
    await anna.sign_in("anna")
    answer = await chief.sign_in("chief")
    assert "admin" in answer["session"]["actions"]
    await anna.get("/api/v1/streams")
    assert anna.status == 403
    await chief.get("/api/v1/streams")
    assert chief.status == 200
    await chief.delete("/api/v1/viewers/nobody")
    assert chief.status == 404
    # The same, sent by a page that does not know the session's CSRF token.
    answer = await chief.delete("/api/v1/viewers/nobody", **{CSRF_HEADER: "wrong"})
    assert (chief.status, answer["error"]) == (403, "csrf")
    # A token of another session is none of this one.
    answer = await chief.delete("/api/v1/viewers/nobody", **{CSRF_HEADER: anna.csrf})
    assert (chief.status, answer["error"]) == (403, "csrf")


async def test_a_token_counts_before_a_session(rig: WebRig) -> None:
    await grant(rig, await user(rig, "chief"), Role.ADMINISTRATOR)
    chief = Browser(rig)
    await chief.sign_in("chief")
    await chief.get("/api/v1/streams", Authorization="Bearer wrong")
    assert chief.status == 401
    # Who shows a token needs no CSRF token: no page of another site can make a browser send one.
    await chief.delete("/api/v1/viewers/nobody", **rig.admin, **{CSRF_HEADER: ""})
    assert chief.status == 404


async def test_the_live_list_shows_what_may_be_watched(rig: WebRig) -> None:
    anna = await user(rig, "anna")
    browser = Browser(rig)
    await browser.sign_in("anna")

    async def listed() -> list[str]:
        return [stream["name"] for stream in (await browser.get("/api/v1/live"))["streams"]]

    assert await listed() == ["cam"]
    await grant(rig, anna, Role.VIEWER, "closed")
    assert await listed() == ["cam", "closed"]


async def test_a_public_stream_needs_neither_session_nor_csrf_token(rig: WebRig) -> None:
    await user(rig, "anna")
    browser = Browser(rig)
    await browser.sign_in("anna")
    rig.publish_to("cam")
    assert await join(rig, browser, "cam", **{CSRF_HEADER: ""}) == (201, "")
    browser.cookies = {"session": "of a former life"}
    assert await join(rig, browser, "cam") == (201, "")


async def test_a_publisher_leaves_with_what_let_him_in(rig: WebRig) -> None:
    await grant(rig, await user(rig, "anna"), Role.PUBLISHER, "cam")
    anna = Browser(rig)
    sdp = publishers_vector("chromium")
    assert await offer(rig, anna, "/whip/cam", sdp, {}) == (401, "unauthorized")
    await anna.sign_in("anna")
    assert await offer(rig, anna, "/whip/cam", sdp, {CSRF_HEADER: ""}) == (403, "csrf")
    assert await offer(rig, anna, "/whip/closed", sdp, {}) == (403, "forbidden")
    assert not rig.plane.peers
    assert await offer(rig, anna, "/whip/cam", sdp, {}) == (201, "")
    assert len(rig.plane.peers) == 1
    assert isinstance(rig.clock, Clock)
    rig.clock.advance(1)
    await _log_out(rig, anna)
    await until(lambda: not rig.plane.peers, "the publisher to be gone")


async def _withdraw(rig: WebRig, browser: Browser) -> None:
    principal = (await rig.identity.accounts.named("anna")).id
    await rig.identity.groups.remove((await rig.identity.accounts.named("staff")).id, principal)


async def _disable(rig: WebRig, browser: Browser) -> None:
    await rig.identity.accounts.disable((await rig.identity.accounts.named("anna")).id)


async def _revoke(rig: WebRig, browser: Browser) -> None:
    other = Browser(rig)
    await other.sign_in("anna")
    assert (await other.delete("/api/v1/account/sessions"))["ended"] == 1


async def _log_out(rig: WebRig, browser: Browser) -> None:
    await browser.post("/api/v1/logout")
    assert browser.status == 204


async def _let_it_end(rig: WebRig, browser: Browser) -> None:
    assert isinstance(rig.clock, Clock)
    rig.clock.advance(rig.signin.sessions.policy.absolute_s)


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (_withdraw, "the grant has ended"),
        (_disable, "the account is disabled or gone"),
        (_revoke, "the session was ended"),
        (_log_out, "the session was ended"),
        (_let_it_end, "its time is over"),
    ],
)
async def test_a_viewer_leaves_with_what_let_him_in(
    rig: WebRig, end: Callable[[WebRig, Browser], Awaitable[None]], why: str
) -> None:
    anna = await user(rig, "anna")
    staff = await rig.identity.accounts.create(Kind.GROUP, "staff")
    await rig.identity.groups.add(staff.id, anna.id)
    await grant(rig, staff, Role.VIEWER, "closed")
    rig.publish_to("closed")
    browser = Browser(rig)
    assert await join(rig, browser) == (401, "unauthorized")
    await browser.sign_in("anna")
    assert await join(rig, browser, **{CSRF_HEADER: ""}) == (403, "csrf")
    assert await join(rig, browser) == (201, "")
    (viewer,) = rig.egress.measured()
    assert isinstance(rig.clock, Clock)
    rig.clock.advance(1)
    await end(rig, browser)
    await until(lambda: not rig.egress.measured(), "the viewer to be gone")
    with pytest.raises(NoSuchViewer, match=why):
        rig.egress.by_key(viewer.key)
    assert (await join(rig, browser))[0] in (401, 403)


async def test_who_needs_a_second_factor_has_nothing_without(rig: WebRig) -> None:
    anna = await user(rig, "anna")
    staff = await rig.identity.accounts.create(Kind.GROUP, "staff")
    await rig.identity.groups.add(staff.id, anna.id)
    await grant(rig, staff, Role.ADMINISTRATOR)
    browser = Browser(rig)
    await browser.sign_in("anna")
    await browser.get("/api/v1/streams")
    assert browser.status == 200
    await rig.identity.accounts.require_factor(staff.id, True)
    rig.signin.sessions._freshness.doubt()
    answer = await browser.get("/api/v1/streams")
    assert (browser.status, answer["error"]) == (403, "factor_needed")
    now = await browser.get("/api/v1/session")
    assert (now["standing"], now["actions"]) == ("enroll", [])
    assert [stream["name"] for stream in (await browser.get("/api/v1/live"))["streams"]] == ["cam"]
    rig.publish_to("closed")
    assert await join(rig, browser) == (403, "factor_needed")


async def test_a_factor_that_is_there_must_be_shown(rig: WebRig) -> None:
    anna = await user(rig, "anna")
    browser = Browser(rig)
    await browser.sign_in("anna")
    await with_app(rig, anna)
    staff = await rig.identity.accounts.create(Kind.GROUP, "staff")
    await rig.identity.groups.add(staff.id, anna.id)
    await rig.identity.accounts.require_factor(staff.id, True)
    rig.signin.sessions._freshness.doubt()
    assert (await browser.get("/api/v1/session"))["standing"] == "prove"
    answer = await browser.post("/api/v1/account/totp")
    assert (browser.status, answer["error"]) == (403, "factor_needed")
