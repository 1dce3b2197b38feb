"""What `streamer sandbox` says when it is there: addresses, apps, accounts."""

from __future__ import annotations

from pathlib import Path

from ops.sandbox.face import World
from ops.sandbox.parties import Client


def greeting(world: World, ca_file: Path) -> str:
    """A few lines to read and to copy from."""
    addresses = world.addresses
    apps = "\n".join(_app(client) for client in world.register.clients)
    accounts = "\n".join(f"  {account.platform:9} {account.name}" for account in world.register.accounts)
    return f"""\
sandbox: these are not the real platforms, and nothing leaves this machine

  YouTube   {addresses.http}/youtube
  Facebook  {addresses.http}/facebook
  Twitch    {addresses.http}/twitch
  control   {addresses.http}/control
  RTMP      {addresses.rtmp}
  RTMPS     {addresses.rtmps}, to be checked with {ca_file}

apps
{apps}

accounts
{accounts}
"""


def _app(client: Client) -> str:
    return f"  {client.platform:9} id {client.id}  secret {client.secret}"
