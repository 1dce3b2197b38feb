#!/usr/bin/python3
# mypy: ignore-errors
"""A camera: GStreamer's RTSP server. Runs under the system's Python, which has its bindings.

    /usr/bin/python3 rtsp_server.py '{"mounts": {"/cam": "videotestsrc ! ... ! rtph264pay name=pay0"}}'

Keys: mounts (path to launch line), port, auth ("basic" or "digest"), user, password, certificate (PEM file
with key: serve rtsps). Prints the port when it listens, and a line for each client that comes or goes.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def say(text):
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def authentication(settings):
    """Who may watch."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if "auth" not in settings:
        auth.set_default_token(token)
    elif settings["auth"] == "basic":
        basic = GstRtspServer.RTSPAuth.make_basic(settings["user"], settings["password"])
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(basic, token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(settings["user"], settings["password"], token)
    if "certificate" in settings:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(settings["certificate"]))
    return auth


def main():
    """Serve until killed."""
    settings = json.loads(sys.argv[1])
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(settings.get("port", 0)))
    guarded = "auth" in settings or "certificate" in settings
    if guarded:
        server.set_auth(authentication(settings))
    mounts = server.get_mount_points()
    for path, launch in settings["mounts"].items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {launch} )")
        factory.set_shared(False)
        factory.set_latency(0)
        if guarded:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("viewer", "media.factory.access", True)
            permissions.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(permissions)
        mounts.add_factory(path, factory)

    def connected(_server, client):
        say("client")
        client.connect("closed", lambda _client: say("gone"))

    server.connect("client-connected", connected)
    server.attach(None)
    say(str(server.get_bound_port()))
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
