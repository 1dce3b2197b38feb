from transport.rtp.keyframes import KeyframeRequests


def asked(requests: KeyframeRequests, start: float, end: float) -> list[float]:
    """When it asks, looked at every 10 ms."""
    steps = range(round(start * 100), round(end * 100))
    return [step / 100 for step in steps if requests.take(step / 100)]


def begun(*, with_keyframe: bool) -> KeyframeRequests:
    requests = KeyframeRequests(2.0)
    requests.begin(0.0, with_keyframe=with_keyframe)
    return requests


def test_a_sender_that_does_not_begin_with_a_keyframe_is_asked_every_second() -> None:
    assert asked(begun(with_keyframe=False), 0.0, 3.5) == [0.0, 1.0, 2.0, 3.0]


def test_one_that_seems_to_begin_with_a_keyframe_has_a_second_for_it() -> None:
    requests = begun(with_keyframe=True)
    assert asked(requests, 0.0, 1.5) == [1.0]
    assert requests.needed


def test_after_a_keyframe_the_next_is_asked_for_when_none_came_by_itself() -> None:
    requests = begun(with_keyframe=True)
    requests.came(0.0)
    assert not requests.needed
    assert asked(requests, 0.0, 5.0) == [2.1, 4.2]
    requests.came(5.0)
    assert asked(requests, 5.0, 7.0) == []
    requests.came(7.0)
    assert asked(requests, 7.0, 9.0) == []


def test_a_loss_is_told_at_once_and_again_every_second() -> None:
    requests = begun(with_keyframe=True)
    requests.came(0.0)
    requests.need(0.8)
    assert asked(requests, 0.8, 1.2) == [0.8]
    requests.need(1.2)
    assert asked(requests, 1.2, 3.0) == [1.8, 2.8]
    requests.came(3.0)
    assert asked(requests, 3.0, 5.0) == []


def test_requests_are_half_a_second_apart() -> None:
    requests = begun(with_keyframe=True)
    requests.came(0.0)
    requests.want()
    assert asked(requests, 0.0, 0.1) == [0.0]
    requests.want()
    requests.want()
    assert requests.deadline() == 0.5
    assert asked(requests, 0.1, 1.0) == [0.5]


def test_a_keyframe_answers_who_wanted_one() -> None:
    requests = begun(with_keyframe=True)
    requests.want()
    requests.came(0.1)
    assert asked(requests, 0.1, 2.0) == []
