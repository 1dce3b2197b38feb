from __future__ import annotations

from tests.auth.rig import PASSWORD, Clock
from tests.streamer.web.rig import WebRig
from tests.streamer.web.signin.rig import Browser, audited

PATH = "/api/v1/setup"


async def test_the_first_administrator(rig: WebRig) -> None:
    token = await rig.signin.setup.issue()
    assert token is not None
    browser = Browser(rig)
    await browser.post(f"{PATH}/check", {"token": token})
    assert browser.status == 204
    await browser.post(f"{PATH}/check", {"token": "another"})
    assert browser.status == 401
    answer = await browser.post(PATH, {"token": token, "name": "chief", "password": "chief chief chief"})
    assert (browser.status, answer["error"]) == (400, "password_refused")
    answer = await browser.post(PATH, {"token": token, "name": "a/b", "password": PASSWORD})
    assert (browser.status, answer["error"]) == (409, "conflict")
    answer = await browser.post(PATH, {"token": token, "name": "chief", "password": PASSWORD})
    assert browser.status == 200
    assert {"admin", "audit", "watch"} <= set(answer["actions"])
    # In charge at once, not when somebody looks next.
    await browser.get("/api/v1/streams")
    assert browser.status == 200
    # It worked once, and there will be no other.
    await browser.post(PATH, {"token": token, "name": "second", "password": PASSWORD})
    assert browser.status == 401
    assert await rig.signin.setup.issue() is None
    what = [(what, outcome) for _, what, outcome in await audited(rig)]
    assert what.count(("setup", "done")) == 1
    assert ("setup", "refused") in what


async def test_a_link_ends_and_so_does_the_one_before(rig: WebRig, clock: Clock) -> None:
    first = await rig.signin.setup.issue()
    second = await rig.signin.setup.issue()
    browser = Browser(rig)
    await browser.post(f"{PATH}/check", {"token": first})
    assert browser.status == 401
    await browser.post(f"{PATH}/check", {"token": second})
    assert browser.status == 204
    clock.advance(86_400)
    answer = await browser.post(f"{PATH}/check", {"token": second})
    assert (browser.status, answer["error"]) == (401, "token_expired")


async def test_no_page_of_another_site_sets_up(rig: WebRig) -> None:
    token = await rig.signin.setup.issue()
    browser = Browser(rig, **{"Sec-Fetch-Site": "cross-site"})
    await browser.post(PATH, {"token": token, "name": "chief", "password": PASSWORD})
    assert browser.status == 403
