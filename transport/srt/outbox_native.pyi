from collections.abc import Sequence

from transport.srt.outbox import Outbox

class NativeOutbox(Outbox):
    def __init__(self, functions: tuple[int, int], no_room: int) -> None: ...
    def send(self, sockets: Sequence[int], messages: Sequence[bytes]) -> list[int | None]: ...
