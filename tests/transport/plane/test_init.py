from transport.plane import PlaneOptions, bind_sockets, open_plane


def test_where_it_was_compiled_the_native_plane_runs() -> None:
    plane = open_plane(*bind_sockets("127.0.0.1", 0), PlaneOptions())
    try:
        assert plane.name == "native"
        assert plane.cipher in ("openssl", "ipsec-mb")
    finally:
        plane.close()


def test_openssl_can_be_asked_for() -> None:
    plane = open_plane(*bind_sockets("127.0.0.1", 0), PlaneOptions(ipsec_mb=False))
    try:
        assert (plane.name, plane.cipher) == ("native", "openssl")
    finally:
        plane.close()
