from __future__ import annotations

import pytest

from streamer.relay.machine import Do, Patience, RelayMachine, Signal, State

PATIENCE = Patience(away_s=60.0, rotate_s=100.0)


def machine(patience: Patience = PATIENCE) -> RelayMachine:
    return RelayMachine(patience, spread=lambda: 1.0)


def on_air(patience: Patience = PATIENCE, now: float = 0.0) -> RelayMachine:
    made = machine(patience)
    made.signal(Signal.START, now)
    made.signal(Signal.PREPARED, now)
    made.signal(Signal.CONNECTED, now)
    assert made.state is State.LIVE
    return made


def test_the_way_on_the_air_and_off_it() -> None:
    relay = machine()
    assert relay.signal(Signal.START, 0.0) == (Do.PREPARE,)
    assert relay.state is State.PREPARING
    assert relay.signal(Signal.PREPARED, 1.0) == (Do.CONNECT,)
    assert relay.state is State.CONNECTING
    assert relay.signal(Signal.CONNECTED, 2.0) == ()
    assert relay.state is State.LIVE
    assert relay.signal(Signal.STOP, 3.0, "stopped") == (Do.RELEASE, Do.FINISH)
    assert relay.state is State.ENDING
    assert relay.signal(Signal.OVER, 4.0, "stopped") == ()
    assert (relay.state, relay.reason) == (State.ENDED, "stopped")
    assert relay.timer is None


def test_what_does_not_fit_the_state_is_ignored() -> None:
    relay = machine()
    for signal in set(Signal) - {Signal.START}:
        assert relay.signal(signal, 0.0) == ()
    assert relay.state is State.IDLE
    relay = on_air()
    assert relay.signal(Signal.START, 1.0) == ()
    assert relay.signal(Signal.PREPARED, 1.0) == ()
    assert relay.state is State.LIVE


def test_a_lost_connection_is_made_again_and_the_broadcast_goes_on() -> None:
    relay = on_air()
    assert relay.signal(Signal.LOST, 10.0, "hung up") == (Do.RELEASE,)
    assert (relay.state, relay.reason, relay.reconnects) == (State.RECONNECTING, "hung up", 1)
    assert relay.timer == pytest.approx(10.5)
    assert relay.handle_timeout(10.4) == ()
    assert relay.handle_timeout(10.5) == (Do.CONNECT,)
    assert relay.reason == "hung up"
    relay.signal(Signal.CONNECTED, 10.6)
    assert (relay.state, relay.reason) == (State.LIVE, "")


def test_retries_double_up_to_two_seconds_counted_from_the_try_before() -> None:
    relay = on_air(Patience())
    relay.signal(Signal.LOST, 10.0)
    pauses, now = [], 10.0
    for _ in range(6):
        at = relay.timer
        assert at is not None
        pauses.append(round(at - now, 3))
        now = at
        assert relay.handle_timeout(now) == (Do.CONNECT,)
        relay.signal(Signal.LOST, now)
    assert pauses == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]
    relay.handle_timeout(now + 2.0)
    relay.signal(Signal.LOST, now + 2.0 + 5.0)
    assert relay.timer == now + 7.0, "a try that took longer than the pause is followed at once"


def test_after_many_tries_it_is_tried_less_often() -> None:
    relay = on_air(Patience())
    relay.signal(Signal.LOST, 0.0)
    now = 0.0
    for _ in range(45):
        now = relay.timer or 0.0
        relay.handle_timeout(now)
        relay.signal(Signal.LOST, now)
    assert relay.timer == pytest.approx(now + 15.0)


def test_a_refusal_is_final_at_first_and_passing_while_servers_still_hold_the_connection_before() -> None:
    relay = machine()
    relay.signal(Signal.START, 0.0)
    relay.signal(Signal.PREPARED, 0.0)
    assert relay.signal(Signal.REFUSED, 1.0, "wrong key") == (Do.RELEASE, Do.FINISH)
    assert (relay.state, relay.reason) == (State.FAILED, "wrong key")

    relay = on_air(Patience(rotate_s=None))
    relay.signal(Signal.LOST, 500.0)
    relay.handle_timeout(501.0)
    assert relay.signal(Signal.REFUSED, 502.0, "occupied") == (Do.RELEASE,)
    assert relay.state is State.RECONNECTING
    relay.handle_timeout(700.0)
    relay.signal(Signal.REFUSED, 700.0, "occupied")
    assert relay.state is State.FAILED


def test_trouble_and_its_end() -> None:
    relay = on_air()
    relay.trouble("network", "too slow", 1.0)
    assert (relay.state, relay.reason) == (State.DEGRADED, "too slow")
    relay.trouble("platform", "bit rate too low", 2.0)
    relay.well("network", 3.0)
    assert (relay.state, relay.reason) == (State.DEGRADED, "bit rate too low")
    relay.well("platform", 4.0)
    assert (relay.state, relay.reason) == (State.LIVE, "")


def test_trouble_that_lasts_over_a_reconnect_is_known_at_once() -> None:
    relay = on_air()
    relay.trouble("away", "the publisher is away", 1.0)
    relay.signal(Signal.LOST, 2.0, "hung up")
    relay.handle_timeout(3.0)
    relay.signal(Signal.CONNECTED, 3.1)
    assert (relay.state, relay.reason) == (State.DEGRADED, "the publisher is away")


def test_a_publisher_that_stays_away_ends_the_broadcast() -> None:
    relay = on_air()
    relay.away(10.0)
    assert relay.timer == 70.0
    relay.away(20.0)
    assert relay.handle_timeout(69.0) == ()
    assert relay.handle_timeout(70.0) == (Do.RELEASE, Do.FINISH)
    assert relay.state is State.ENDING
    assert "away for 60 s" in relay.reason


def test_one_that_was_ended_by_an_absence_begins_anew() -> None:
    relay = on_air()
    relay.away(10.0)
    relay.handle_timeout(70.0)
    relay.signal(Signal.OVER, 71.0)
    relay.signal(Signal.START, 500.0)
    relay.signal(Signal.PREPARED, 501.0)
    assert relay.handle_timeout(501.0) == ()
    relay.signal(Signal.CONNECTED, 502.0)
    assert relay.state is State.LIVE


def test_a_publisher_that_comes_back_in_time_ends_nothing() -> None:
    relay = on_air()
    relay.away(10.0)
    relay.back()
    assert relay.handle_timeout(80.0) == ()
    assert relay.state is State.LIVE


def test_a_broadcast_that_is_as_long_as_it_may_be_is_followed_by_another() -> None:
    relay = on_air()
    assert relay.timer == 100.0
    assert relay.handle_timeout(100.0) == (Do.RELEASE, Do.FINISH, Do.PREPARE)
    assert relay.state is State.PREPARING
    assert relay.signal(Signal.OVER, 101.0) == ()
    relay.signal(Signal.PREPARED, 102.0)
    relay.signal(Signal.CONNECTED, 103.0)
    assert relay.timer == 203.0


def test_the_platforms_limit_counts_when_it_is_shorter() -> None:
    relay = on_air()
    relay.limit(30.0, 5.0)
    assert relay.timer == 35.0
    relay.limit(None, 6.0)
    assert relay.timer == 100.0


def test_a_platform_that_tells_its_limit_again_and_again_puts_nothing_off() -> None:
    relay = on_air()
    for now in range(1, 100):
        relay.limit(1000.0 - now, float(now))
        assert relay.handle_timeout(float(now)) == ()
    assert relay.handle_timeout(100.0) == (Do.RELEASE, Do.FINISH, Do.PREPARE)


def test_preparing_is_tried_again_ever_less_often() -> None:
    relay = machine()
    relay.signal(Signal.START, 0.0)
    now = 0.0
    for _ in range(10):
        relay.signal(Signal.LOST, now, "the platform does not answer")
        assert relay.state is State.PREPARING
        pause = (relay.timer or 0.0) - now
        now = relay.timer or 0.0
        assert relay.handle_timeout(now) == (Do.PREPARE,)
    assert pause == 30.0


@pytest.mark.parametrize("state", [State.PREPARING, State.CONNECTING, State.RECONNECTING, State.DEGRADED])
def test_it_can_be_stopped_in_every_state(state: State) -> None:
    relay = machine()
    relay.signal(Signal.START, 0.0)
    if state is not State.PREPARING:
        relay.signal(Signal.PREPARED, 0.0)
    if state in (State.RECONNECTING, State.DEGRADED):
        relay.signal(Signal.CONNECTED, 0.0)
        relay.signal(Signal.LOST if state is State.RECONNECTING else Signal.TROUBLED, 0.0)
    assert relay.state is state
    assert relay.signal(Signal.STOP, 1.0, "stopped") == (Do.RELEASE, Do.FINISH)
    assert relay.state is State.ENDING


def test_it_can_be_started_again_after_its_end() -> None:
    relay = on_air()
    relay.signal(Signal.LOST, 1.0)
    relay.signal(Signal.STOP, 1.0)
    relay.signal(Signal.OVER, 2.0)
    assert relay.signal(Signal.START, 3.0) == (Do.PREPARE,)
    assert (relay.reconnects, relay.reason, relay.timer) == (0, "", None)
