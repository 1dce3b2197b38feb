from transport.plane.inbox import MAX_DATAGRAMS, Inbox


def test_it_holds_so_many() -> None:
    inbox = Inbox()
    assert all(inbox.put(b"%d" % n, n) for n in range(MAX_DATAGRAMS + 3))
    assert inbox.dropped == 3
    assert inbox.take(MAX_DATAGRAMS + 3, 0.0) == [(b"%d" % n, n) for n in range(MAX_DATAGRAMS)]
    assert inbox.take(1, 0.0) == []


def test_at_the_end_what_is_there_may_be_taken_unless_it_was_closed() -> None:
    ended, closed = Inbox(), Inbox()
    for inbox in (ended, closed):
        inbox.put(b"kept", 1.0)
    ended.end()
    closed.close()
    for inbox in (ended, closed):
        assert not inbox.put(b"late", 2.0)
        assert inbox.dropped == 0
    assert ended.take(10, 3600.0) == [(b"kept", 1.0)]
    assert ended.take(10, 3600.0) == closed.take(10, 3600.0) == []
