"""What operators run beside the server: a program that is asked who may in, an issuer with published keys."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from auth.access.webhook import SIGNATURE_HEADER, is_signed

SECRET = "what-webhook-and-server-know"
ISSUER = "https://idp.example"


class Decider:
    """A server on this machine, until `close`.

    Attributes:
        decide: from a question to a status and an answer; may be replaced at any time.
        asked: questions so far, all of which were signed.
        unsigned: how many were not.
    """

    def __init__(self) -> None:
        self.decide: Callable[[dict[str, Any]], tuple[int, str]] = lambda question: (403, "not you")
        self.asked: list[dict[str, Any]] = []
        self.unsigned = 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        decider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, decider.key_set())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(*decider.judge(self.headers[SIGNATURE_HEADER], body))

            def _answer(self, status: int, text: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def webhook(self) -> str:
        """Of the configuration."""
        return f'[auth]\nwebhook = "{self.url}/hook"\nwebhook_secret = "{SECRET}"\nwebhook_cache_s = 0\n'

    @property
    def issuers(self) -> str:
        """Of the configuration."""
        return (
            f'[[auth.issuers]]\nissuer = "{ISSUER}"\naudience = "streamer"\njwks_url = "{self.url}/keys"\n'
            'roles_claim = "groups"\nroles = { crew = "viewer" }\ndefault_streams = ["*"]\n'
        )

    def token(self, *groups: str, lifetime_s: float = 600.0) -> str:
        """As the issuer gives it to somebody."""
        claims = {"iss": ISSUER, "aud": "streamer", "sub": "olga", "name": "Olga", "groups": groups}
        return jwt.encode(
            claims | {"exp": time.time() + lifetime_s}, self._key, "ES256", headers={"kid": "one"}
        )

    def key_set(self) -> str:
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**jwk, "kid": "one", "use": "sig"}]})

    def judge(self, signature: str, body: bytes) -> tuple[int, str]:
        if not is_signed(SECRET, signature, body, time.time()):
            self.unsigned += 1
            return 403, "who are you?"
        question = json.loads(body)
        self.asked.append(question)
        return self.decide(question)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
