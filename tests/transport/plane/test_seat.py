import socket

from transport.plane.interface import PlaneOptions
from transport.plane.routes import UdpRoute, plain_address
from transport.plane.seat import Seat
from transport.plane.viewer import Viewer


def seat() -> Seat:
    return Seat(Viewer(1, PlaneOptions(), 0.0), consent_at=30.0)


def routes(count: int) -> list[UdpRoute]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return [UdpRoute(sock, ("192.0.2.1", 1000 + n)) for n in range(count)]


def test_the_first_check_gives_an_address_and_a_nomination_another() -> None:
    first, second = routes(2)
    one = seat()
    assert one.checked(first, nominated=False) == (True, None)
    assert one.checked(second, nominated=False) == (False, None)
    assert one.selected == first
    assert one.checked(second, nominated=True) == (True, None)
    assert one.checked(second, nominated=True) == (False, None)
    assert one.selected == second


def test_the_ninth_address_evicts_the_oldest_but_never_the_one_in_use() -> None:
    several = routes(10)
    one = seat()
    for route in several[:8]:
        one.checked(route, nominated=False)
    assert one.checked(several[8], nominated=False) == (False, several[1])
    assert one.checked(several[9], nominated=True) == (True, several[0])
    assert len(one.routes) == 8 and one.selected == several[9]


def test_losing_the_address_in_use_falls_back_to_the_one_checked_last() -> None:
    several = routes(3)
    one = seat()
    for route in several:
        one.checked(route, nominated=True)
    one.checked(several[0], nominated=False)
    assert not one.lose(several[1])
    assert one.lose(several[2]) and one.selected == several[0]
    assert not one.lose(several[0]) and one.selected is None


def test_addresses_are_shown_plainly() -> None:
    assert plain_address(("::ffff:192.0.2.1", 5, 0, 0)) == ("192.0.2.1", 5)
    assert plain_address(("fe80::1%eth0", 5, 0, 2)) == ("fe80::1", 5)
    assert plain_address(("192.0.2.1", 5)) == ("192.0.2.1", 5)
