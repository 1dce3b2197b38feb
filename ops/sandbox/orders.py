"""What the control face can be told; the bodies of its POSTs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ops.sandbox.faults import FaultKind
from ops.sandbox.oauth import Use
from ops.sandbox.parties import ClientKind, Platform


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaultOrder(_Order):
    """`/control/faults`: what is to be done to which calls."""

    platform: Platform
    kind: FaultKind
    operation: str = "*"
    count: int | None = Field(default=1, ge=1)
    status: int = Field(default=500, ge=400, le=599)
    reason: str = ""
    message: str = ""
    seconds: float = Field(default=30.0, ge=0)


class AdvanceOrder(_Order):
    """`/control/clock`: put it forward."""

    seconds: float = Field(ge=0, le=400 * 86_400)


class ExpireOrder(_Order):
    """`/control/tokens/expire`: which; all accounts' without `account`."""

    platform: Platform
    use: Use = Use.ACCESS
    account: str = ""


class RevokeOrder(_Order):
    """`/control/tokens/revoke`: the whole grant, or with `scopes` only these."""

    platform: Platform
    account: str = ""
    scopes: tuple[str, ...] = ()


class CutOrder(_Order):
    """`/control/ingest/cut`: of all, of a platform, of a stream key."""

    platform: Platform | None = None
    key: str = ""


class DeafOrder(CutOrder):
    """`/control/ingest/deaf`: connections stay, but nothing is read; with no choice not even a handshake."""

    seconds: float = Field(ge=0, le=3600)


class RefuseOrder(_Order):
    """`/control/ingest/refuse`: who connects is cut off at once, and with `cut` who is connected too."""

    seconds: float = Field(ge=0, le=3600)
    cut: bool = True


class ViewersOrder(_Order):
    """`/control/viewers`: of one programme, or with no id of every one; null: hidden."""

    platform: Platform
    id: str = ""
    viewers: int | None = Field(ge=0)


class QuotaOrder(_Order):
    """`/control/quota`: Google's units per project and day."""

    daily_units: int = Field(ge=0)


class ClientOrder(_Order):
    """`/control/clients`: an app; without `redirect_uris` it may lead to anything on this machine."""

    platform: Platform
    id: str
    secret: str | None = None
    redirect_uris: tuple[str, ...] = ()
    kind: ClientKind | None = None
