"""One client's connection, the server's side without I/O: who reads, and who publishes (RFC 2326).

    INIT ──SETUP──▶ READY ──PLAY──▶ PLAYING ──PAUSE──▶ READY
                      └────RECORD──▶ RECORDING                    TEARDOWN ends it wherever it is

Bytes in; events and bytes out. Whoever owns a session answers its questions: `Asking` with `describe`,
`take_announcement` or `reject`, `Starting` with `start` or `reject`. What a client asks meanwhile waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from transport.errors import StateError, WireError
from transport.rtsp import sdp
from transport.rtsp.events import Asking, Event, Packet, Pausing, Starting, State, Way
from transport.rtsp.naming import base_of, find_track, parse_address, parse_authorization
from transport.rtsp.transports import Transport, parse_transports, serialize_tcp, serialize_udp
from transport.rtsp.wire import Frame, Parser, Request, serialize_response

__all__ = [
    "SESSION_TIMEOUT_S",
    "Asking",
    "Event",
    "Packet",
    "Pausing",
    "ServerSession",
    "Starting",
    "State",
    "Way",
]

#: Who is not heard of for so long has left; it is told so (section 12.37).
SESSION_TIMEOUT_S = 60
_SDP = "application/sdp"
#: Requests and packets that wait for an answer to one before them; no client sends so many without.
_MAX_WAITING = 64


_METHODS = (
    *("OPTIONS", "DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "PAUSE", "RECORD", "TEARDOWN"),
    *("GET_PARAMETER", "SET_PARAMETER"),
)
#: In which states what may be asked; the rest may be at any time.
_ALLOWED = {
    "DESCRIBE": {State.INIT},
    "ANNOUNCE": {State.INIT},
    "SETUP": {State.INIT, State.READY},
    "PLAY": {State.READY, State.PLAYING},
    "PAUSE": {State.READY, State.PLAYING},
    "RECORD": {State.READY},
}


class ServerSession:
    """One connection, and the one session on it.

    Args:
        id: what the session is called; not to be guessed.
        udp_ports: of this side for RTP and RTCP; None where packets go between the requests alone.

    Attributes:
        state: what the client does.
        udp_ports: as given.
        ways: of the tracks that were set up, by their numbers.
    """

    def __init__(self, id: str, udp_ports: tuple[int, int] | None = None) -> None:
        self.state = State.INIT
        self.ways: dict[int, Way] = {}
        self._id = id
        self.udp_ports = udp_ports
        self._parser = Parser()
        self._waiting: deque[Request | Frame] = deque()
        self._output = bytearray()
        self._asked: Request | None = None
        self._name: str | None = None
        self._controls: tuple[str, ...] = ()
        self._ssrcs: tuple[int, ...] = ()
        self._secured: tuple[bool, ...] = ()
        self._publishes = False

    @property
    def is_full(self) -> bool:
        """So much waits for an answer that no more should be received."""
        return len(self._waiting) >= _MAX_WAITING

    def receive(self, data: bytes) -> None:
        """Take bytes from the client; `next_event` says what follows from them.

        Raises:
            WireError: the client's fault; the session is of no use any more.
        """
        self._waiting.extend(self._parser.receive(data))

    def next_event(self) -> Event | None:
        """What happened next; None when there is nothing more, or an answer is due first."""
        while self._waiting and self._asked is None:
            message = self._waiting.popleft()
            event = self._frame(message) if isinstance(message, Frame) else self._request(message)
            if event is not None:
                return event
        return None

    def take_output(self) -> bytes:
        """What is to be sent now; ask after every call."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def describe(self, description: bytes, ssrcs: Sequence[int]) -> None:
        """Answer an `Asking` of somebody who reads.

        Args:
            description: SDP, with controls as `sdp.control_of` makes them.
            ssrcs: of the tracks in it.

        Raises:
            StateError: nothing was asked.
        """
        request = self._take_question()
        self._name = parse_address(request.uri).name
        self._publishes = False
        self._controls = tuple(sdp.control_of(number) for number in range(len(ssrcs)))
        self._ssrcs = tuple(ssrcs)
        self._secured = (False,) * len(ssrcs)
        if request.method == "SETUP":
            self._set_up(request)
        else:
            base = ("Content-Base", base_of(request.uri))
            self._answer(request, 200, headers=[base, ("Content-Type", _SDP)], body=description)

    def take_announcement(self) -> None:
        """Answer an `Asking` of somebody who publishes.

        Raises:
            StateError: nothing was asked.
        """
        request = self._take_question()
        self._name = parse_address(request.uri).name
        self._publishes = True
        announced = sdp.parse(request.body)
        self._controls = tuple(media.control for media in announced)
        self._secured = tuple(media.is_secured for media in announced)
        self._ssrcs = ()
        self._answer(request, 200)

    def start(self, firsts: Mapping[int, tuple[int, int]] | None = None) -> None:
        """Answer a `Starting`.

        Args:
            firsts: of tracks to be read, the sequence number of the first packet, and the timestamp of one
                moment that is the same for all; of those of which it is known (section 12.33).

        Raises:
            StateError: nothing was asked.
        """
        request = self._take_question()
        self.state = State.RECORDING if self._publishes else State.PLAYING
        headers = [] if self._publishes else [("Range", "npt=now-")]
        base = base_of(request.uri)
        told = [
            f"url={base}{self._controls[track]};seq={seq};rtptime={timestamp}"
            for track, (seq, timestamp) in (firsts or {}).items()
            if track in self.ways
        ]
        if told:
            headers.append(("RTP-Info", ",".join(told)))
        self._answer(request, 200, headers=headers)

    def reject(self, status: int, reason: str, *, challenge: bool = False) -> None:
        """Say no to an `Asking` or a `Starting`; the client may ask for something else.

        Args:
            status: of `wire.REASONS`.
            reason: in words.
            challenge: it is asked to present something.

        Raises:
            StateError: nothing was asked.
        """
        request = self._take_question()
        asked = [("WWW-Authenticate", 'Basic realm="Streamer"')] if challenge else []
        self._answer(request, status, reason, headers=asked)

    def _take_question(self) -> Request:
        request, self._asked = self._asked, None
        if request is None:
            raise StateError(f"an RTSP client asked for nothing, in state {self.state.name}")
        return request

    def _frame(self, frame: Frame) -> Packet | None:
        if self.state not in (State.PLAYING, State.RECORDING):
            return None
        for track, way in self.ways.items():
            if way.is_tcp and frame.channel in way.pair:
                return Packet(track, frame.channel == way.pair[1], frame.packet)
        return None

    def _request(self, request: Request) -> Event | None:
        status, reason, headers = self._objection(request)
        if status:
            self._answer(request, status, reason, headers=headers)
            return None
        match request.method:
            case "OPTIONS":
                self._answer(request, 200, headers=[("Public", ", ".join(_METHODS))])
            case "GET_PARAMETER" | "SET_PARAMETER":
                self._answer(request, 200)
            case "DESCRIBE":
                return self._ask(request, None)
            case "ANNOUNCE":
                return self._announce(request)
            case "SETUP" if self._name is None:
                return self._ask(request, None)
            case "SETUP":
                self._set_up(request)
            case "PLAY" if self.state is State.PLAYING:  # how some say that they are there
                self._answer(request, 200, headers=[("Range", "npt=now-")])
            case "PLAY" | "RECORD":
                self._asked = request
                return Starting()
            case "PAUSE":
                pauses, self.state = self.state is State.PLAYING, State.READY
                self._answer(request, 200)
                return Pausing() if pauses else None
            case "TEARDOWN":
                self._answer(request, 200)
                self.state = State.ENDED
        return None

    def _objection(self, request: Request) -> tuple[int, str, list[tuple[str, str]]]:
        """Why a request cannot be answered with yes: status, words and headers; 0 where it can."""
        method = request.method
        if request.version != "RTSP/1.0":
            return 505, "RTSP/1.0 is spoken here", []
        if not _sequence(request):
            return 400, "a request without a CSeq", []
        if method not in _METHODS:
            return 501, "", [("Public", ", ".join(_METHODS))]
        if required := request.header("require"):
            return 551, "", [("Unsupported", required)]
        if self.state is State.ENDED:
            return 454, "", []
        session = request.header("session").partition(";")[0].strip()
        if (session and session != self._id) or (method == "TEARDOWN" and self.state is State.INIT):
            return 454, "", []
        if self.state not in _ALLOWED.get(method, set(State)):
            return 455, f"{method} in state {self.state.name}", []
        if method in ("PLAY", "PAUSE", "RECORD") and self._publishes is not (method == "RECORD"):
            return 455, f"{method}, and the session is to {'publish' if self._publishes else 'read'}", []
        if method == "DESCRIBE" and not _accepts_sdp(request.header("accept")):
            return 406, "descriptions are application/sdp", []
        if method == "ANNOUNCE" and request.header("content-type").partition(";")[0].strip().lower() != _SDP:
            return 415, "descriptions are application/sdp", []
        return 0, "", []

    def _announce(self, request: Request) -> Asking | None:
        try:
            announced = tuple(sdp.parse(request.body))
        except WireError as error:
            self._answer(request, 400, str(error))
            return None
        return self._ask(request, announced)

    def _ask(self, request: Request, announced: tuple[sdp.Announced, ...] | None) -> Asking:
        self._asked = request
        return Asking(
            parse_address(request.uri),
            parse_authorization(request.header("authorization")),
            request.header("user-agent")[:200],
            announced,
        )

    def _set_up(self, request: Request) -> None:
        track = find_track(request.uri, self._controls)
        if track is None or (not self._publishes and parse_address(request.uri).name != self._name):
            self._answer(request, 404, "no such track")
            return
        for offered in parse_transports(request.header("transport")):
            way = self._way(track, offered)
            if way is not None:
                self.ways[track] = way
                self.state = State.READY
                self._answer(request, 200, headers=[("Transport", self._transport(track, way))])
                return
        profile = "SAVP" if self._secured[track] else "AVP"
        over = "UDP or TCP" if self.udp_ports is not None and profile == "AVP" else "TCP"
        self._answer(request, 461, f"packets go over {over}, unicast, by RTP/{profile}")

    def _way(self, track: int, offered: Transport) -> Way | None:
        if (offered.records and not self._publishes) or offered.is_secured is not self._secured[track]:
            return None
        if not offered.is_tcp:
            return Way(False, offered.pair) if self.udp_ports is not None and offered.pair else None
        taken = {
            channel
            for other, way in self.ways.items()
            if way.is_tcp and other != track
            for channel in way.pair
        }
        pair = offered.pair
        if pair is None or taken.intersection(pair):
            # The server has the last word, as the answer tells.
            pair = next((at, at + 1) for at in range(0, 256, 2) if not taken.intersection((at, at + 1)))
        return Way(True, pair)

    def _transport(self, track: int, way: Way) -> str:
        ssrc = self._ssrcs[track] if track < len(self._ssrcs) else None
        if way.is_tcp:
            secured = self._secured[track]
            return serialize_tcp(way.pair, ssrc, records=self._publishes, is_secured=secured)
        assert self.udp_ports is not None
        return serialize_udp(way.pair, self.udp_ports, ssrc, records=self._publishes)

    def _answer(
        self,
        request: Request,
        status: int,
        reason: str = "",
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        sequence = _sequence(request)
        said = ([("CSeq", sequence)] if sequence else []) + [("Server", "Streamer")]
        if self.state not in (State.INIT, State.ENDED):
            said.append(("Session", f"{self._id};timeout={SESSION_TIMEOUT_S}"))
        self._output += serialize_response(status, reason, [*said, *headers], body)


def _sequence(request: Request) -> str:
    """The number of a request; "" where it has none."""
    said = request.header("cseq")
    return said if said.isascii() and said.isdigit() and len(said) <= 10 else ""


def _accepts_sdp(accept: str) -> bool:
    wanted = {each.partition(";")[0].strip().lower() for each in accept.split(",")} - {""}
    return not wanted or not wanted.isdisjoint({_SDP, "application/*", "*/*"})
