"""One stream as RTP, packetised once for all that read it over RTSP.

It has a thread: the publisher's must not wait for a hundred sends. What was sent since the last keyframe is
kept, so that who comes between two keyframes has a picture at once. What a reader says is heard in a thread
of its own, see `reader.py`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time

from streamer.egress.rtsp.player import Player
from streamer.egress.rtsp.programme import CodedOtherwise, Programme
from streamer.errors import NotLive
from streamer.hub.intake import Intake
from streamer.hub.stream import Publisher, Stream
from transport.media import AccessUnit
from transport.rtsp.batch import Batch
from transport.rtsp.formats import CARRIED

_log = logging.getLogger(__name__)

#: How often tracks that changed are noticed, and reports are due.
_LOOK_EVERY_S, _REPORT_EVERY_S = 0.5, 5.0
#: What comes within so long goes out together.
_GATHER_S = 0.02
#: As much as the hub keeps of a picture group.
_MAX_GOP_BYTES = 32 * 1024 * 1024


class RtspOutput:
    """Feeds its readers until the last one has left. Thread-safe.

    Raises:
        RuntimeError: the machine allows no more threads.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._players: list[Player] = []
        self._playing: list[Player] = []
        self._is_over = False
        self._batch: Batch | None = None
        self._number = 0
        self._gop: list[Batch] = []
        self._gop_bytes = 0
        self._publisher: Publisher | None = None
        self._has_picture = False
        self._report_at = time.monotonic() + _REPORT_EVERY_S
        self._intake = Intake(stream, CARRIED, self._wake.set)
        try:
            self._programme = Programme(stream, self._intake)
            self._has_picture = self._programme.picture is not None
            self._thread = threading.Thread(target=self._run, name=f"rtp {stream.name}", daemon=True)
            self._thread.start()
        except BaseException:
            self._intake.close()
            raise

    @property
    def ssrcs(self) -> tuple[int, ...]:
        """Of the tracks that were described."""
        return self._programme.ssrcs

    def attend(self, player: Player) -> bytes | None:
        """One more may play.

        Returns:
            The description; None when the output is over, or of something else than what comes now.
        """
        description = self._programme.describe(self._intake)
        with self._lock:
            if self._is_over or description is None:
                return None
            self._players.append(player)
        return description

    def leave(self, player: Player) -> bool:
        """One less, who is given nothing more once this returns; True when it was the last."""
        with self._lock:
            self._players = [each for each in self._players if each is not player]
            self._playing = [each for each in self._playing if each is not player]
            self._is_over |= not self._players
            is_over = self._is_over
        if is_over:
            self._wake.set()
        return is_over

    def play(self, player: Player) -> None:
        """Have one begin, in its own thread: at the last keyframe, or where it paused."""
        with self._lock:
            self._catch_up()
            # What was shown last before the publisher left is nothing for who comes now.
            gop = self._gop if self.stream.publisher is self._publisher else []
            goes_on = bool(gop) and gop[0].number <= player.given
            batches = [batch for batch in gop if not goes_on or batch.number > player.given]
            player.begin(self._programme.firsts(batches), goes_on=goes_on)
            if batches:
                player.send(self._reports(batches[0]), *batches)
            self._playing.append(player)

    def pause(self, player: Player) -> None:
        """It is given nothing more once this returns."""
        with self._lock:
            self._playing = [each for each in self._playing if each is not player]
            player.pause()

    def goodbye(self) -> Batch:
        """That nothing more comes."""
        return Batch(self._number, *self._programme.goodbyes(time.time() - self.stream.epoch_s))

    def join(self) -> None:
        """Wait for the thread, once it is over."""
        self._thread.join()

    def _run(self) -> None:
        reason = "the server failed"
        try:
            with contextlib.closing(self._intake):
                self._feed()
        except RuntimeError as error:  # no thread to make something on the way
            reason = str(error)
        except Exception:  # one stream's trouble must stay its own
            _log.exception("%s: its packets failed", self.stream.name)
        finally:
            with self._lock:
                self._is_over = True
                left, self._playing = self._players, []
                self._forget()
            for player in left:
                player.end(reason)

    def _feed(self) -> None:
        looked_at = time.monotonic()
        while not self._is_over:
            if self._wake.wait(_LOOK_EVERY_S):
                time.sleep(_GATHER_S)
            self._wake.clear()
            with self._lock:
                self._catch_up()
            now = time.monotonic()
            if now - looked_at >= _LOOK_EVERY_S:
                looked_at = now
                with self._lock:  # who had this made may not have come
                    self._is_over |= not self._players
                self._intake.follow()
                self._has_picture = self._programme.picture is not None and self._intake.video is not None

    def _catch_up(self) -> None:
        """Send everything that came."""
        for unit in self._intake.take():
            self._take(unit)
        self._send()

    def _take(self, unit: AccessUnit) -> None:
        publisher = self.stream.publisher
        if publisher is not None and publisher is not self._publisher:
            self._begin_anew(publisher)
        number = self._programme.number_of(unit)
        starts_over = unit.track.is_video and unit.keyframe
        if number is None or not (starts_over or self._is_wanted()):
            return
        try:
            portion = self._programme.packets(unit)
        except CodedOtherwise as error:
            for player in self._players:
                if player.takes(number):
                    player.end(str(error))
            return
        if self._batch is None or starts_over:
            self._send()
            self._batch = self._begun(unit, starts_over=starts_over)
        self._batch.portions.append(portion)

    def _begin_anew(self, publisher: Publisher) -> None:
        """Nothing of the publisher before is of use to a decoder any more."""
        self._send()
        self._forget()
        self._publisher = publisher
        for player in self._playing:
            player.is_flowing = False

    def _is_wanted(self) -> bool:
        """Whether anybody has a use for what is no keyframe: now, or who comes later."""
        has_begun = bool(self._gop) or self._batch is not None
        return has_begun or any(each.is_flowing or not self._waits(each) for each in self._playing)

    def _waits(self, player: Player) -> bool:
        """For a keyframe, before which it wants no sound either."""
        picture = self._programme.picture
        return self._has_picture and picture is not None and player.takes(picture)

    def _begun(self, unit: AccessUnit, *, starts_over: bool) -> Batch:
        self._number += 1
        batch = Batch(self._number, starts_over=starts_over)
        now = time.monotonic()
        if now >= self._report_at:
            self._report_at = now + _REPORT_EVERY_S
            batch.portions += self._programme.reports(unit.pts_s)
        return batch

    def _reports(self, batch: Batch) -> Batch:
        """What goes before somebody's first packet: players put sound and picture in step by it."""
        return Batch(batch.number, *self._programme.reports(batch.portions[0].at_s))

    def _send(self) -> None:
        batch, self._batch = self._batch, None
        if batch is None:
            return
        reports: Batch | None = None
        for player in self._playing:
            if player.is_flowing:
                player.send(batch)
            elif batch.starts_over or not self._waits(player):
                reports = reports or self._reports(batch)
                player.send(reports, batch)
            else:
                player.pass_over(batch)
        if batch.starts_over:
            self._forget()
        if batch.starts_over or self._gop:
            self._keep(batch)

    def _keep(self, batch: Batch) -> None:
        self._gop.append(batch)
        self._gop_bytes += batch.size_bytes
        if self._gop_bytes > _MAX_GOP_BYTES:
            self._forget()

    def _forget(self) -> None:
        self._gop.clear()
        self._gop_bytes = 0


class Outputs:
    """The output of every stream that is read. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outputs: dict[Stream, RtspOutput] = {}

    def attend(self, stream: Stream, player: Player) -> tuple[RtspOutput, bytes]:
        """The output that somebody gets a stream's packets from, and its description.

        Raises:
            NotLive: it has just changed.
            RuntimeError: the machine allows no more threads.
        """
        with self._lock:
            output = self._outputs.get(stream)
            description = output.attend(player) if output is not None else None
            if output is None or description is None:
                # Who was described something else goes on with the other one.
                self._outputs[stream] = output = RtspOutput(stream)
                description = output.attend(player)
        if description is None:
            raise NotLive(stream.name, "what it holds has just changed")
        return output, description

    def leave(self, output: RtspOutput, player: Player) -> None:
        """The opposite of `attend`."""
        if not output.leave(player):
            return
        with self._lock:
            if self._outputs.get(output.stream) is output:
                del self._outputs[output.stream]
        output.join()
