"""What `streamer sandbox` says when it is there: addresses, accounts, and lines for a configuration."""

from __future__ import annotations

from pathlib import Path

from ops.sandbox.face import World
from ops.sandbox.parties import CLIENTS, FACEBOOK_CLIENT_TOKEN
from ops.sandbox.reception import OPEN_APP


def greeting(world: World, ca_file: Path) -> str:
    """A few lines to read and to copy from.

    Args:
        world: that has begun.
        ca_file: where the authority's certificate was put.
    """
    addresses = world.addresses
    accounts = "\n".join(f"  {account.platform:9} {account.name}" for account in world.register.accounts)
    web, tv, facebook, twitch = CLIENTS
    return f"""\
These stand in for the real platforms; nothing leaves this machine. To look at: {addresses.http}

  YouTube   {addresses.http}/youtube
  Facebook  {addresses.http}/facebook
  Twitch    {addresses.http}/twitch
  control   {addresses.http}/control
  RTMP      {addresses.rtmp}
  RTMPS     {addresses.rtmps}

Accounts to choose from:
{accounts}

For the configuration of `streamer serve`:

[platforms.youtube]
client_id = "{web.id}"
client_secret = "{web.secret}"
device_client_id = "{tv.id}"
device_client_secret = "{tv.secret}"
base_url = "{addresses.http}/youtube"

[platforms.facebook]
client_id = "{facebook.id}"
client_secret = "{facebook.secret}"
client_token = "{FACEBOOK_CLIENT_TOKEN}"
base_url = "{addresses.http}/facebook"

[platforms.twitch]
client_id = "{twitch.id}"
client_secret = "{twitch.secret}"
base_url = "{addresses.http}/twitch"

[[streams.NAME.relays]]                # an address that takes any key
url = "{addresses.rtmp}/{OPEN_APP}"
key = "any"

RTMPS shows a certificate by an authority of its own. Start the server with it:

  SSL_CERT_FILE={ca_file} streamer serve --config FILE
"""
