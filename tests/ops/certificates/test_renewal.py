from __future__ import annotations

import asyncio
import contextlib
import datetime
import time
from collections.abc import Callable
from pathlib import Path

from ops.certificates.acme import AcmeError, AcmeSettings, Issuer
from ops.certificates.renewal import Renewal, renew_at
from ops.certificates.tls import Certificate, TlsContext
from tests.ops.certificates.authority import Authority

DAY_S = 24 * 3600.0


class FakeIssuer(Issuer):
    """An authority that issues, or fails as the test says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(AcmeSettings("live.test", "", "https://acme.test/dir", None, folder), {})
        self.failures: list[Exception] = []
        self.issued = 0
        self._authority = Authority(folder)
        self._parts = folder / "chain.pem", folder / "key.pem"

    def issue(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self._authority.issue(*self._parts, "live.test")
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_bytes(b"".join(part.read_bytes() for part in self._parts))
        self.issued += 1


class Rig:
    def __init__(self, folder: Path) -> None:
        self.issuer = FakeIssuer(folder)
        self.tls = TlsContext()
        self.ahead_s = 0.0
        self.renewal = Renewal(
            self.tls, self.issuer, clock=lambda: time.time() + self.ahead_s, first_pause_s=0.01
        )

    @contextlib.asynccontextmanager
    async def running(self):  # type: ignore[no-untyped-def]
        task = asyncio.create_task(self.renewal.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


async def test_the_first_is_asked_for_at_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert not rig.renewal.load()
    async with rig.running():
        await until(lambda: rig.tls.certificate is not None and rig.renewal.next_attempt is not None)
    assert rig.tls.certificate is not None
    assert rig.renewal.next_attempt == renew_at(rig.tls.certificate)


async def test_one_that_is_kept_is_shown_and_not_asked_for_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.issuer.issue()
    assert rig.renewal.load()
    async with rig.running():
        await until(lambda: rig.renewal.next_attempt is not None)
    assert rig.issuer.issued == 1


async def test_two_thirds_into_its_life_it_is_renewed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.issuer.issue()
    rig.renewal.load()
    # Of 30 days, made a day ago: day 20 is in 19 days.
    rig.ahead_s = 19 * DAY_S + 60
    async with rig.running():
        await until(lambda: rig.issuer.issued > 1)


async def test_a_failure_is_shown_and_tried_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.issuer.failures = [AcmeError("no route"), ValueError("a bug"), AcmeError("still none")]
    seen: set[str] = set()

    def is_issued() -> bool:
        seen.add(rig.renewal.last_error)
        return rig.issuer.issued == 1 and not rig.renewal.last_error

    async with rig.running():
        await until(is_issued)
    assert "no route" in seen
    assert rig.tls.certificate is not None


async def test_one_that_cannot_be_used_is_asked_for_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.issuer.path.parent.mkdir()
    rig.issuer.path.write_text("half a certificate")
    assert not rig.renewal.load()
    async with rig.running():
        await until(lambda: rig.tls.certificate is not None)


def test_two_thirds() -> None:
    made = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = Certificate((), "", made, made + datetime.timedelta(days=90))
    assert renew_at(certificate) == (made + datetime.timedelta(days=60)).timestamp()
