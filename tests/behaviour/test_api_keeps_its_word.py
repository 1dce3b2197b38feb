"""The running server answers as its OpenAPI says, whatever it is sent: requests are made by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from loadtests.rig.server import Server

STREAMS = '[streams.cam]\npublish_key = "key-of-the-encoder"\n[streams.sealed]\ne2e = true\npublic = true\n'
#: Of each operation: so many requests as it is described, and so many that are not.
EXAMPLES = {GenerationMode.POSITIVE: 4, GenerationMode.NEGATIVE: 2}
#: Answers that go on for as long as somebody listens.
ENDLESS = {"GET /api/v1/analytics/live/events"}
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def text(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return str(value).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(STREAMS) as server:
        yield server


def test_every_operation(server: Server) -> None:
    document = requests.get(f"{server.url}/openapi.json", timeout=20).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.url)
    asked, wrong = 0, []
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {server.token}"
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.label in ENDLESS:
                continue
            for mode, examples in EXAMPLES.items():
                # A path is text, and no text is wrong; looking for one that is takes a second each.
                if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
                    continue

                @settings(
                    max_examples=examples,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(case=operation.as_strategy(generation_mode=mode))
                def ask(case: schemathesis.Case) -> None:
                    nonlocal asked
                    asked += 1
                    case.call_and_validate(session=session, checks=CHECKS, timeout=20)

                try:
                    ask()
                except Exception as failure:
                    wrong.append(f"{operation.label}: {failure}")
    assert not wrong, "\n\n".join(wrong)
    assert asked > 200
    assert "Traceback" not in server.output
