"""What the API says of platforms and connections to them, and what it takes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from streamer.web.inputs import Body


class ScopeModel(BaseModel):
    """A permission that connecting asks for; `needed`: nothing works without it."""

    name: str
    reason: str
    needed: bool


class PlatformModel(BaseModel):
    """A platform; `redirect_url` is what has to be registered there."""

    platform: str
    name: str
    configured: bool
    device_code: bool
    redirect_url: str
    scopes: list[ScopeModel]


class PlatformsModel(BaseModel):
    """All platforms there are clients for."""

    platforms: list[PlatformModel]


class PageModel(BaseModel):
    """What an account can publish as, besides itself."""

    id: str
    name: str


class ConnectionModel(BaseModel):
    """A connected account; `reason` says why it must be connected again."""

    id: str
    platform: str
    name: str
    account: str
    owner: Literal["installation", "account"]
    state: str
    reason: str
    scopes: list[ScopeModel]
    missing_scopes: list[str]
    pages: list[PageModel]
    page: str
    account_can_publish: bool
    connected_at: float
    checked_at: float
    expires_at: float | None


class ConnectionsModel(BaseModel):
    """The connections that the asker may use."""

    connections: list[ConnectionModel]


class ConnectBody(Body):
    """How to connect; `again`: the connection that is to work again; `own`: it is the asker's alone."""

    own: bool = False
    again: str = Field("", max_length=32)
    return_to: str = Field("/connections", max_length=512)


class DepartureModel(BaseModel):
    """Where to send the browser, the same one that asked."""

    authorization_url: str
    expires_in_s: float


class DeviceCodeModel(BaseModel):
    """A code to type in at `verification_url`; `ticket` asks what came of it."""

    ticket: str
    user_code: str
    verification_url: str
    expires_in_s: float
    interval_s: float


class DeviceStateModel(BaseModel):
    """What came of a code; `pending`: nothing yet."""

    state: Literal["pending", "connected"]
    connection: ConnectionModel | None


class PickBody(Body):
    """Which page to publish as; "" for the account itself."""

    page: str = Field(max_length=64)


class DisconnectedModel(BaseModel):
    """Tokens are erased; `revoked`: the platform confirmed that it has forgotten them too."""

    revoked: bool
    message: str
