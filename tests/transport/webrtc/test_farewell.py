from __future__ import annotations

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTP_PROFILES
from OpenSSL import SSL

from transport.webrtc.farewell import Farewell


def connected(cipher: bytes) -> tuple[SSL.Connection, SSL.Connection]:
    """Server and client, their handshake done in memory."""
    ends = []
    for _ in range(2):
        context = RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES)
        context.set_cipher_list(cipher)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        ends.append(SSL.Connection(context))
        ends[-1].set_ciphertext_mtu(1200)
    server, client = ends
    server.set_accept_state()
    client.set_connect_state()
    for _ in range(4):
        for end, other in ((client, server), (server, client)):
            try:
                end.do_handshake()
            except SSL.WantReadError:
                pass
            try:
                other.bio_write(end.bio_read(65536))
            except SSL.WantReadError:
                pass
    return server, client


@pytest.mark.parametrize("cipher", [b"ECDHE-ECDSA-AES128-GCM-SHA256", b"ECDHE-ECDSA-CHACHA20-POLY1305"])
@pytest.mark.parametrize("role", ["server", "client"])
def test_both_goodbyes(cipher, role):
    server, client = connected(cipher)
    ours, theirs = (server, client) if role == "server" else (client, server)
    farewell = Farewell.of(ours, role)
    assert farewell is not None
    theirs.shutdown()
    goodbye = theirs.bio_read(1000)
    assert farewell.is_goodbye(goodbye)
    assert not farewell.is_goodbye(farewell.close_notify)  # another key, in the other direction
    other = Farewell.of(connected(cipher)[0], "server")
    assert other is not None and not other.is_goodbye(goodbye)

    theirs.bio_write(farewell.close_notify)
    with pytest.raises(SSL.ZeroReturnError):
        theirs.recv(100)


def test_other_records_are_no_goodbye():
    server, client = connected(b"ECDHE-ECDSA-AES128-GCM-SHA256")
    farewell = Farewell.of(server, "server")
    assert farewell is not None
    client.send(b"\1\0")
    data = client.bio_read(1000)
    assert not farewell.is_goodbye(data)
    # Application data passed off as an alert: the type is authenticated.
    assert not farewell.is_goodbye(b"\x15" + data[1:])
    client.shutdown()
    goodbye = client.bio_read(1000)
    assert farewell.is_goodbye(data + goodbye)
    assert not any(farewell.is_goodbye(goodbye[:size]) for size in range(len(goodbye)))


def test_the_key_is_not_in_the_representation():
    farewell = Farewell.of(connected(b"ECDHE-ECDSA-AES128-GCM-SHA256")[0], "server")
    assert farewell is not None and "_key" not in repr(farewell) and "_iv" not in repr(farewell)


def test_a_suite_that_is_not_understood_leaves_the_connection_as_it_is():
    server, client = connected(b"ECDHE-ECDSA-AES128-SHA")
    assert Farewell.of(server, "server") is None
    server.send(b"still there")
    client.bio_write(server.bio_read(1000))
    assert client.recv(100) == b"still there"
