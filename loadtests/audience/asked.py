"""Everything that the dashboard and the analytics API can be asked about the past, and how long that takes.

A real server is asked over HTTP by one client, which takes the whole answer; of an export the first page.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from streamer.engagement.batch import DAY_S, HOUR_S
from streamer.engagement.session import DIMENSIONS

_ROOT = "/api/v1/analytics"
_EXPORTED = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """To one question.

    Attributes:
        question: in words.
        p50_ms: until it was there.
        max_ms: as above, the slowest.
        size_bytes: of the answer.
    """

    question: str
    p50_ms: float
    max_ms: float
    size_bytes: int


def ask(host: str, port: int, token: str, stream: str, now: float, *, times: int = 5) -> list[Answer]:
    """Ask everything.

    Args:
        host: of the server.
        port: as above.
        token: to administer with.
        stream: one of those with a past.
        now: until when there is one, seconds since 1970.
        times: each.

    Raises:
        RuntimeError: a question was refused.
    """
    connection = http.client.HTTPConnection(host, port, timeout=60)
    answers = []
    for question, path in _questions(stream, now):
        took_ms, size = [], 0
        for _ in range(times):
            began = time.perf_counter()
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            with connection.getresponse() as response:
                if response.status != 200:
                    raise RuntimeError(f"{path}: {response.status} {response.read()!r}")
                size = _read(response, pages="/export" not in path)
                took_ms.append((time.perf_counter() - began) * 1000)
            if "/export" in path:
                connection.close()
        took_ms.sort()
        answers.append(Answer(question, took_ms[len(took_ms) // 2], took_ms[-1], size))
    connection.close()
    return answers


def _read(response: http.client.HTTPResponse, *, pages: bool) -> int:
    if pages:
        return len(response.read())
    lines = size = 0
    while lines <= _EXPORTED and (part := response.read1(65_536)):
        lines += part.count(b"\n")
        size += len(part)
    return size


def _questions(stream: str, now: float) -> Iterator[tuple[str, str]]:
    one = f"{_ROOT}/streams/{stream}"
    yield "who watches now", f"{_ROOT}/live"
    for span, (start, end) in _spans(now).items():
        query = {"from": f"{start:.3f}", "to": f"{end:.3f}"}
        asked = {
            "all streams: summary": (f"{_ROOT}/summary", query),
            "all streams: one by one": (f"{_ROOT}/streams", query),
            "summary": (one, query),
            "series": (f"{one}/series", query),
            **{f"by {each}": (f"{one}/breakdown", {**query, "by": each}) for each in DIMENSIONS},
            "sessions": (f"{one}/sessions", {**query, "limit": "50"}),
            "sessions, a later page": (
                f"{one}/sessions",
                {**query, "limit": "50", "before": f"{(start + end) / 2!r}:x"},
            ),
            "1000 sessions": (f"{one}/sessions", {**query, "limit": "1000"}),
            "export, csv": (f"{one}/export", {**query, "format": "csv"}),
            "export, jsonl": (f"{one}/export", {**query, "format": "jsonl"}),
        }
        for question, (path, asks) in asked.items():
            yield f"{question}, {span}", f"{path}?{urlencode(asks)}"


def _spans(now: float) -> dict[str, tuple[float, float]]:
    """Ends are at odd times: that is the worst there is."""
    today = now // DAY_S * DAY_S
    return {
        "today": (today, now),
        **{
            name: (now - length_s - 1234, now - 67)
            for name, length_s in (
                ("an hour", HOUR_S),
                ("a day", DAY_S),
                ("7 days", 7 * DAY_S),
                ("30 days", 30 * DAY_S),
                ("60 days by the hour", 60 * DAY_S),
                ("a year", 365 * DAY_S),
            )
        },
        "six hours four weeks ago": (now - 28 * DAY_S, now - 28 * DAY_S + 6 * HOUR_S - 10),
    }
