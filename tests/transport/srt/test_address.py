from __future__ import annotations

import ctypes

import pytest

from transport.errors import LinkError
from transport.srt.address import pack_sockaddr, resolve, unpack_sockaddr, unpack_sockaddr_at


@pytest.mark.parametrize(
    ("host", "raw"),
    [
        ("192.0.2.7", "0200 2328 c0000207 0000000000000000"),
        ("2001:db8::7", "0a00 2328 00000000 20010db8000000000000000000000007 03000000"),
    ],
)
def test_the_layout_of_sockaddr_in_and_in6(host: str, raw: str) -> None:
    packed = pack_sockaddr((host, 9000, 3))
    assert packed == bytes.fromhex(raw)
    assert unpack_sockaddr(packed) == (host, 9000)
    memory = ctypes.create_string_buffer(packed, len(packed))
    assert unpack_sockaddr_at(ctypes.addressof(memory)) == (host, 9000)


def test_an_ipv4_caller_on_an_ipv6_socket_is_shown_as_ipv4() -> None:
    assert unpack_sockaddr(pack_sockaddr(("::ffff:192.0.2.7", 9000, 0))) == ("192.0.2.7", 9000)


def test_names_and_addresses() -> None:
    assert resolve("127.0.0.1", 9000) == [("127.0.0.1", 9000, 0)]
    assert resolve("::1", 9000) == [("::1", 9000, 0)]
    assert resolve("localhost", 9000)[0] == ("127.0.0.1", 9000, 0)
    with pytest.raises(LinkError) as caught:
        resolve("a..b", 9000)
    assert caught.value.reason == "unreachable"
