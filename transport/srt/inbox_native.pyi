from transport.srt.inbox import Inbox

class NativeInbox(Inbox):
    def __init__(
        self,
        functions: tuple[int, int, int],
        socket: int,
        event: tuple[int, int],
        would_block: int,
        message_bytes: int,
        interval_s: float,
        most: int,
    ) -> None: ...
    def stop(self) -> None: ...
    def wait(self, most: int, seconds: float) -> tuple[list[bytes], bool]: ...
