from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streamer.config import parse
from streamer.engagement.webhooks import SIGNATURE, Happening, Webhook
from streamer.errors import ConfigError
from streamer.sections.webhook import WebhookConfig
from tests.fakes.wait import until

SECRET = "a secret of some length"


class Receiver:
    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.statuses: list[int] = []
        self.server: TestServer

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.headers[SIGNATURE], await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)

    def webhook(self, **more: object) -> Webhook:
        config = WebhookConfig.model_validate(
            {"url": str(self.server.make_url("/hook")), "secret": SECRET, **more}
        )
        return Webhook(config, retry_s=(0.01, 0.01), clock=lambda: 1000.5)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    receiver.server = TestServer(app)
    await receiver.server.start_server()
    yield receiver
    await receiver.server.close()


async def told(webhook: Webhook, *happenings: Happening) -> None:
    running = asyncio.create_task(webhook.run())
    for happening in happenings:
        webhook.tell(happening)
    await until(lambda: webhook.delivered + webhook.dropped == len(happenings))
    running.cancel()
    await asyncio.wait({running})


async def test_what_is_sent_is_signed(receiver: Receiver) -> None:
    happening = Happening("stream.start", "cam", 999.0, {"seconds": 3})
    await told(receiver.webhook(), happening)
    ((signature, body),) = receiver.got
    assert json.loads(body) == {
        "id": happening.id, "event": "stream.start", "stream": "cam", "at": 999.0, "data": {"seconds": 3}
    }  # fmt: skip
    expected = hmac.new(SECRET.encode(), b"1000." + body, "sha256").hexdigest()
    assert signature == f"t=1000,v1={expected}"


async def test_it_is_tried_again_with_the_same_id(receiver: Receiver) -> None:
    receiver.statuses = [500, 302]
    webhook = receiver.webhook()
    await told(webhook, Happening("stream.start", "cam", 1.0))
    assert (webhook.delivered, webhook.dropped) == (1, 0)
    assert len({json.loads(body)["id"] for _, body in receiver.got}) == 1
    assert len(receiver.got) == 3


async def test_not_for_ever_and_not_who_is_gone(receiver: Receiver) -> None:
    receiver.statuses = [500, 500, 500, 410]
    webhook = receiver.webhook()
    await told(webhook, Happening("stream.start", "cam", 1.0), Happening("stream.end", "cam", 2.0))
    assert (webhook.delivered, webhook.dropped) == (0, 2)
    assert len(receiver.got) == 4


async def test_only_what_is_asked_for(receiver: Receiver) -> None:
    webhook = receiver.webhook(events=["stream.end"], streams=["cam"])
    webhook.tell(Happening("stream.start", "cam", 1.0))
    webhook.tell(Happening("stream.end", "other", 1.0))
    await told(webhook, Happening("stream.end", "cam", 1.0))
    assert [json.loads(body)["event"] for _, body in receiver.got] == ["stream.end"]


async def test_what_waits_is_bounded(receiver: Receiver) -> None:
    webhook = receiver.webhook()
    for number in range(1005):
        webhook.tell(Happening("stream.start", f"s{number}", 1.0))
    assert webhook.dropped == 5


@pytest.mark.parametrize(
    ("url", "secret"),
    [("ftp://x/y", SECRET), ("https://u:p@x/", SECRET), ("https://x/", "short"), ("x", SECRET)],
)
def test_what_cannot_be_one(url: str, secret: str) -> None:
    with pytest.raises(ConfigError, match="expected") as caught:
        parse({"webhooks": [{"url": url, "secret": secret}]})
    assert secret not in str(caught.value)
