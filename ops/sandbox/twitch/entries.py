"""Users, channels, categories and streams as Helix shows them."""

from __future__ import annotations

from typing import Any

from ops.sandbox.clock import rfc3339
from ops.sandbox.parties import Account
from ops.sandbox.twitch.channel import Channel, Game


def user_entry(account: Account) -> dict[str, Any]:
    """A user."""
    return {
        "id": account.id,
        "login": account.login,
        "display_name": account.name,
        "type": "",
        "broadcaster_type": "affiliate",
        "description": "",
        "profile_image_url": "",
        "offline_image_url": "",
        "view_count": 0,
        "created_at": "2019-04-01T08:00:00Z",
    }


def information_entry(channel: Channel) -> dict[str, Any]:
    """What can be set of a channel."""
    return {
        "broadcaster_id": channel.account.id,
        "broadcaster_login": channel.account.login,
        "broadcaster_name": channel.account.name,
        "broadcaster_language": channel.language,
        "game_id": channel.game.id if channel.game else "",
        "game_name": channel.game.name if channel.game else "",
        "title": channel.title,
        "delay": channel.delay_s,
        "tags": list(channel.tags),
        "content_classification_labels": [],
        "is_branded_content": False,
    }


def category_entry(game: Game) -> dict[str, Any]:
    """A category."""
    return {
        "id": game.id,
        "name": game.name,
        "box_art_url": f"https://static-cdn.jtvnw.net/ttv-boxart/{game.id}.jpg",
    }


def stream_entry(channel: Channel) -> dict[str, Any]:
    """A channel's broadcast."""
    account = channel.account
    return {
        "id": channel.stream_id,
        "user_id": account.id,
        "user_login": account.login,
        "user_name": account.name,
        "game_id": channel.game.id if channel.game else "",
        "game_name": channel.game.name if channel.game else "",
        "type": "live",
        "title": channel.title,
        "tags": list(channel.tags),
        "viewer_count": channel.viewers,
        "started_at": rfc3339(channel.started_at or 0.0),
        "language": channel.language,
        "thumbnail_url": "",
        "tag_ids": [],
        "is_mature": False,
    }
