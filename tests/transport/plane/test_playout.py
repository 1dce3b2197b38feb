from transport.plane.playout import Playout


def test_a_single_lossy_report_is_an_accident() -> None:
    playout = Playout(0, 1000)
    for second in range(0, 20, 2):
        playout.reported(0.3, 60, second)
        playout.reported(0.01, 60, second + 1)
        assert playout.min_ms == 0


def test_a_lossy_line_is_given_three_rounds() -> None:
    playout = Playout(0, 1000)
    playout.reported(0.05, 60, 0.0)
    playout.reported(0.05, 60, 1.0)
    assert playout.min_ms == 300  # 3 x (60 + 40)


def test_without_a_known_round_trip_there_is_still_the_time_to_notice() -> None:
    playout = Playout(0, 1000)
    for second in range(2):
        playout.reported(0.05, 0.0, second)
    assert playout.min_ms == 150


def test_it_stays_between_the_configured_limits() -> None:
    near, far, fixed = Playout(400, 1000), Playout(0, 500), Playout(200, 200)
    for second in range(5):
        near.reported(0.05, 20, second)
        far.reported(0.05, 900, second)
        fixed.reported(0.05, 900, second)
    assert (near.min_ms, far.min_ms, fixed.min_ms) == (400, 500, 200)


def test_a_wobbling_round_trip_changes_nothing_and_another_one_does() -> None:
    playout = Playout(0, 1000)
    seen = []
    for second in range(60):
        playout.reported(0.05, 70 + (-6, 6)[second % 2], second)
        seen.append(playout.min_ms)
    assert set(seen[1:]) == {350}
    for second in range(60, 120):
        playout.reported(0.05, 20, second)
    assert 180 <= playout.min_ms <= 250
    for second in range(120, 180):
        playout.reported(0.05, 150, second)
    assert 550 <= playout.min_ms <= 600


def test_it_ends_when_the_line_has_been_good_for_a_while() -> None:
    playout = Playout(50, 1000)
    for second in range(3):
        playout.reported(0.1, 60, second)
    for second in range(3, 17):
        playout.reported(0.0, 60, second)
        assert playout.min_ms == 300
    playout.reported(0.0, 60, 17)
    assert playout.min_ms == 50


def test_one_lossy_report_holds_what_was_raised() -> None:
    playout = Playout(0, 1000)
    for second in range(3):
        playout.reported(0.1, 60, second)
    for second in range(3, 60):
        playout.reported(0.03 if second % 10 == 0 else 0.0, 60, second)
        assert playout.min_ms == 300
