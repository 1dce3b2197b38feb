"""The tables as the code declares them."""

from __future__ import annotations

import importlib
import pkgutil

from sqlalchemy import MetaData

import auth
from auth.storage.schema import metadata


def schema() -> MetaData:
    """Every table that any part of `auth`, engagement or recording declares; imports all of it."""
    importlib.import_module("streamer.engagement.tables")
    importlib.import_module("streamer.recording.keys")
    for module in pkgutil.walk_packages(auth.__path__, "auth."):
        importlib.import_module(module.name)
    return metadata
