# cython: language_level=3, embedsignature=True
"""The media plane in native code, behind the same interface as `reference.py`.

What is here hands arguments, once `arguments.py` and `claims.py` have checked them, and units, once `packing.py` has
packetised them, to the C core under `core/`, whose threads never hold the GIL.
Begin reading there with `plane.h` (who may touch what) and `shard.c` (what a thread does).
"""

import itertools
import os
import secrets
import threading
import time

import numpy as np

from transport.errors import StateError
from transport.media import Codec
from transport.plane.arguments import check_keys, check_options, check_payload_types, credential_bytes
from transport.plane.claims import Claims
from transport.plane.delays import BUCKETS, UNIT_S
from transport.plane.inbox import MAX_DATAGRAMS
from transport.plane.interface import (
    COUNTERS,
    AddressLearned,
    ConsentLost,
    DtlsReceived,
    KeyframeWanted,
    PlaneOptions,
    SrtpProfile,
)
from transport.plane.outgoing import extension_block, playout_delay_offset
from transport.plane.packing import Packing
from transport.plane.priority import raise_priority
from transport.rtp.padding import PaddedPayload

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

_PROFILES = {
    SrtpProfile.AEAD_AES_256_GCM: PROFILE_AES_256_GCM,
    SrtpProfile.AEAD_AES_128_GCM: PROFILE_AES_128_GCM,
    SrtpProfile.AES128_CM_SHA1_80: PROFILE_AES_128_SHA1_80,
}
_MAX_RTP_OFFSET = 1 << 31


cdef struct CountersRow:
    uint64_t peer_id
    counters counted


cdef double _clock(void *context) noexcept with gil:
    return (<NativePlane>context)._monotonic()


cdef double _wall_clock(void *context) noexcept with gil:
    return (<NativePlane>context)._wall()


cdef tuple _plain(const address *where):
    cdef char host[46]
    cdef int port = 0
    address_text(where, host, &port)
    return host.decode(), port


cdef command *_command(int kind, peer *whose, size_t size) except NULL:
    cdef command *made = command_new(kind, whose, size)
    if made == NULL:
        raise MemoryError
    return made


cdef const uint8_t *_bytes(bytes data) noexcept:
    return <const uint8_t *>PyBytes_AS_STRING(data)


cdef unit *_packed(list payloads, int64_t timestamp, bint keyframe) except NULL:
    cdef size_t total = 0
    cdef uint32_t count = 0, at = 0
    for payload in payloads:  # a subclass of bytes, some of them
        total += PyBytes_GET_SIZE(payload)
    if total > 0xFFFFFFFF:
        raise ValueError("an access unit of more than 4 GB")
    cdef unit *made = unit_new(<uint32_t>len(payloads), total)
    if made == NULL:
        raise MemoryError
    for payload in payloads:
        memcpy(made.data + at, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload))
        at += <uint32_t>PyBytes_GET_SIZE(payload)
        made.is_padded[count] = isinstance(payload, PaddedPayload)
        count += 1
        made.offsets[count] = at
    made.timestamp = timestamp
    made.keyframe = keyframe
    return made


cdef class NativeFeed:
    """See `interface.Feed`."""

    cdef feed *_feed
    cdef NativePlane _plane
    cdef object _packing
    cdef bint _pairs

    def __dealloc__(self):
        feed_release(self._feed)

    @property
    def clock_rate(self):
        """Ticks per second of the RTP timestamps."""
        return self._packing.clock_rate

    @property
    def codec(self):
        """What it carries."""
        return self._packing.codec

    @property
    def malformed(self):
        """Units that could not be packetised."""
        return self._packing.malformed

    def write(self, unit):
        """Packetise one unit and wake the threads.

        A unit that cannot be packetised is counted and left out.

        Raises:
            ValueError: a unit of another codec.
        """
        cdef bint keyframe = unit.keyframe
        self._packing.check(unit)
        if feed_is_closed(self._feed) or (not keyframe and feed_next_index(self._feed) == 0):
            return  # nobody can start before the first keyframe
        if self._pairs and plane_lingers(self._plane._plane) and self._is_paired(unit):
            return
        payloads = self._packing.packetize(unit)
        if payloads:
            self._append(payloads, self._packing.timestamp(unit), keyframe, self._plane._monotonic())

    cdef bint _is_paired(self, sound) except -1:
        """Whether this sound goes out in one packet with the last one, which no thread has taken yet."""
        pair = self._packing.pair(sound)
        if pair is None:
            return False
        payload, timestamp = pair
        return feed_replace(self._feed, _packed([payload], timestamp, True)) == 0

    cdef _append(self, list payloads, int64_t timestamp, bint keyframe, double now):
        cdef unit *made = _packed(payloads, timestamp, keyframe)
        with nogil:
            if feed_append(self._feed, made, now) == 0:
                feed_announce(self._plane._plane, self._feed, now)

    def close(self):
        """Forget the history and every subscription. Idempotent."""
        if feed_is_closed(self._feed):
            return
        feed_close(self._feed)
        self._plane._feeds.pop(<uintptr_t>self._feed, None)
        cdef command *told
        for number in range(self._plane._plane.shards_count):
            told = _command(COMMAND_FEED_CLOSED, NULL, 0)
            told.feed = feed_hold(self._feed)
            shard_command(&self._plane._plane.shards[<int>number], told)


cdef class NativePeer:
    """See `interface.Peer`."""

    cdef peer *_peer
    cdef NativePlane _plane
    cdef object _claims, _lock
    cdef set _used_keys

    def __dealloc__(self):
        peer_release(self._peer)

    @property
    def id(self):
        """Unique for the plane's life."""
        return self._peer.id

    @property
    def address(self):
        """Where it is sent to, None until a STUN check passed."""
        cdef address where
        cdef flag is_tcp = False
        if not tables_published(self._plane._plane, self._peer, &where, &is_tcp):
            return None
        return _plain(&where)

    @property
    def protocol(self):
        """How it is reached: "udp", "tcp", or "" while unknown."""
        cdef address where
        cdef flag is_tcp = False
        if not tables_published(self._plane._plane, self._peer, &where, &is_tcp):
            return ""
        return "tcp" if is_tcp else "udp"

    @property
    def datagrams_dropped(self):
        """Datagrams of a publisher that found no room."""
        return 0 if self._peer.inbox == NULL else inbox_dropped(self._peer.inbox)

    @property
    def datagrams_refused(self):
        """Datagrams of a publisher that could not be opened."""
        return 0 if self._peer.inbox == NULL else inbox_refused(self._peer.inbox)

    def set_credentials(self, ufrag, pwd):
        """ICE restart: accept checks under new local credentials too.

        Raises:
            ValueError: the ufrag belongs to another viewer, one of the two is too long, or this viewer was closed.
        """
        cdef bytes name, password
        name, password = credential_bytes(ufrag, pwd)
        cdef int result = tables_add_credentials(
            self._plane._plane, self._peer, _bytes(name), len(name), _bytes(password), len(password),
            self._plane._monotonic(),
        )
        if result == -1:
            raise MemoryError
        if result < 0:
            raise ValueError("this viewer was closed" if result == -3 else "this ufrag is in use")

    def set_keys(self, profile, tx, rx):
        """Start SRTP, or change its keys. A key that was used before changes nothing.

        Raises:
            ValueError: a key whose length does not fit the profile.
        """
        check_keys(profile, tx, rx)
        cdef bytes sending = bytes(tx), receiving = bytes(rx)
        cdef command *told = _command(COMMAND_KEYS, self._peer, 0)
        told.srtp = srtp_new(_PROFILES[profile], _bytes(sending), _bytes(receiving))
        if told.srtp == NULL:
            command_free(told)
            raise MemoryError
        with self._lock:
            is_used = sending in self._used_keys
            self._used_keys.add(sending)
            is_awaited = bool(self._claims)
        if is_used:  # rollovers would be counted from zero again, and numbers encrypted twice
            command_free(told)
            return
        if is_awaited:
            shard_command(self._peer.shard, told)
        else:  # there is nothing to send before the first subscription, which wakes the thread
            shard_command_later(self._peer.shard, told)

    def send(self, data):
        """Send one datagram as it is to the current address: DTLS, or RTCP that is already protected.

        It is dropped while there is no address.
        """
        cdef bytes datagram = bytes(data)
        if not 0 < len(datagram) <= DATAGRAM_BYTES:
            return
        cdef command *told = _command(COMMAND_SEND, self._peer, len(datagram))
        memcpy(told.data, PyBytes_AS_STRING(datagram), len(datagram))
        shard_command(self._peer.shard, told)

    def open_with(self, profile, key):
        """Open what a publisher sent; see `interface.Peer`."""
        if self._peer.inbox == NULL:
            raise ValueError("nothing is collected of a viewer")
        if len(key) != profile.key_bytes + profile.salt_bytes:
            raise ValueError(f"{len(key)} bytes of key and salt do not fit {profile.value}")
        cdef bytes receiving = bytes(key)
        cdef opener *made = opener_new(_PROFILES[profile], _bytes(receiving))
        if made == NULL:
            raise MemoryError
        if not inbox_open_with(self._peer.inbox, made):
            opener_free(made)

    def take(self, most, seconds, pause=0.0):
        """Wait for what a publisher sent; see `interface.Peer`."""
        cdef inbox *whose = self._peer.inbox
        if whose == NULL:
            raise ValueError("nothing is collected of a viewer")
        if most < 1:
            raise ValueError(f"{most} datagrams cannot be taken")
        cdef int limit = min(most, INBOX_SLOTS), count
        cdef double patience = seconds, apart = pause, came_at = 0.0
        cdef size_t size = 0
        cdef const uint8_t *data
        with nogil:
            count = inbox_wait(whose, limit, patience, apart)
        if count < 0:
            raise StateError("another thread takes from this publisher")
        taken = []
        try:
            for n in range(count):
                data = inbox_at(whose, n, &size, &came_at)
                if size > 0:
                    taken.append(((<const char *>data)[:size], came_at))
        finally:
            inbox_release(whose, count)
        return taken

    cdef void _close_inbox(self) noexcept:
        if self._peer.inbox != NULL:
            inbox_close(self._peer.inbox)

    def subscribe(self, feed, subscription, *, bint meanwhile=True):
        """Send this feed to the viewer, or move the subscription with this ssrc to it.

        Raises:
            ValueError: a feed of another plane, a header extension that does not fit, an ssrc that another
                subscription of this peer uses, or a move to another codec or clock rate.
        """
        if not isinstance(feed, NativeFeed) or (<NativeFeed>feed)._plane is not self._plane:
            raise ValueError("a feed of another plane")
        cdef bytes extensions = extension_block(subscription, self._plane._options)
        cdef bytes cname = subscription.cname.encode()[:255]
        if len(extensions) > MAX_EXTENSION_BYTES:
            raise ValueError("too many header extensions")
        check_payload_types(subscription)
        with self._lock:
            self._claims.claim(subscription, feed)
        self._hand_over(feed, subscription, extensions, cname, meanwhile)

    cdef _hand_over(self, NativeFeed feed, object wanted, bytes extensions, bytes cname, bint meanwhile):
        cdef command *told = _command(COMMAND_SUBSCRIBE, self._peer, 0)
        cdef subscription *s = <subscription *>slab_take(sizeof(subscription))
        told.subscription = s
        told.meanwhile = meanwhile
        if s == NULL:
            command_free(told)
            raise MemoryError
        s.refs = 1
        s.payload_type = wanted.payload_type
        s.ssrc = wanted.ssrc
        memcpy(s.extensions, PyBytes_AS_STRING(extensions), len(extensions))
        s.extensions_bytes = len(extensions)
        s.playout_delay_at = playout_delay_offset(wanted)
        memcpy(s.cname, PyBytes_AS_STRING(cname), len(cname))
        s.cname_bytes = len(cname)
        told.feed = feed_hold(feed._feed)
        if wanted.rtx_ssrc is not None and wanted.rtx_payload_type is not None:
            s.has_rtx = True
            s.rtx_ssrc = wanted.rtx_ssrc
            s.rtx_payload_type = wanted.rtx_payload_type
            told.rtx = <rtx_stream *>calloc(1, sizeof(rtx_stream))
            if told.rtx != NULL:
                told.rtx.ssrc = s.rtx_ssrc
                told.rtx.next_number = secrets.randbelow(1 << 15)
        # Lower half only: a receiver that misses the first packets must still guess ROC 0 (RFC 3711 3.3.1).
        told.outgoing = outgoing_new(self._peer, s, feed._feed, secrets.randbelow(1 << 15))
        if told.outgoing == NULL or (s.has_rtx and told.rtx == NULL):
            command_free(told)
            raise MemoryError
        shard_command(self._peer.shard, told)

    def close(self, *, bye=True):
        """Stop sending, with an RTCP BYE first when asked. Idempotent."""
        # First: where memory is short it can be tried again.
        cdef command *told = _command(COMMAND_CLOSE, self._peer, 0)
        if self._plane._peers.pop(self._peer.id, None) is None:
            command_free(told)
            return
        self._close_inbox()
        tables_forget(self._plane._plane, self._peer)
        told.with_bye = bye
        shard_command(self._peer.shard, told)


cdef class NativePlane:
    """See `interface.Plane`.

    Args:
        udp: bound sockets, 16 at most; the plane closes them.
        tcp: listening sockets, as `udp`.
        options: limits and times.
        clock: monotonic seconds; a test may bring its own.
        wall_clock: seconds since 1970, for sender reports.
        ipsec_mb: use intel-ipsec-mb for AES-GCM if the machine has it.

    Raises:
        ValueError: options that packets cannot be made with.
        OSError: libcrypto or a descriptor cannot be had.
    """

    cdef plane *_plane
    cdef object _monotonic, _wall, _options, _lock, _ids, _sockets, _name_of_cipher
    cdef dict _peers, _feeds, _offsets
    cdef list _threads
    cdef bint _is_closed

    def __init__(self, udp, tcp, options, clock=time.monotonic, wall_clock=time.time, *, bint ipsec_mb=True):
        check_options(options)
        if not 0 < len(udp) <= MAX_SOCKETS or len(tcp) > MAX_SOCKETS:
            raise ValueError(f"{len(udp)} UDP and {len(tcp)} TCP sockets")
        assert COUNTERS.itemsize == sizeof(CountersRow)
        with _load_lock:
            if crypto_load(ipsec_mb) < 0:
                raise OSError("libcrypto could not be loaded")
            self._name_of_cipher = crypto_name().decode()
        self._options = options
        self._monotonic, self._wall = clock, wall_clock
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._peers, self._feeds, self._offsets = {}, {}, {}
        self._sockets = (*udp, *tcp)
        for sock in self._sockets:
            sock.setblocking(False)
        cdef int udp_fds[MAX_SOCKETS]
        cdef int tcp_fds[MAX_SOCKETS]
        for number, sock in enumerate(udp):
            udp_fds[<int>number] = sock.fileno()
        for number, sock in enumerate(tcp):
            tcp_fds[<int>number] = sock.fileno()
        cdef int threads = min(MAX_SHARDS, options.threads or len(os.sched_getaffinity(0)))
        self._plane = plane_new(udp_fds, len(udp), tcp_fds, len(tcp), threads)
        if self._plane == NULL:
            raise OSError("no memory or descriptors for the media plane")
        self._plane.consent_s = options.consent_s
        self._plane.max_rtx_fraction = options.max_rtx_fraction
        self._plane.clock_context = <void *>self
        if clock is not time.monotonic:
            self._plane.clock = _clock
        if wall_clock is not time.time:
            self._plane.wall_clock = _wall_clock
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"plane-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def __dealloc__(self):
        plane_release(self._plane)

    def _run(self, int number):
        cdef shard *s = &self._plane.shards[number]
        raise_priority()
        with nogil:
            shard_run(s)

    @property
    def name(self):
        """Which implementation this is."""
        return "native"

    @property
    def cipher(self):
        """Whose AES-GCM runs."""
        return self._name_of_cipher

    @property
    def garbage(self):
        """Datagrams ignored so far: malformed, not authentic, from strangers, or too many at once."""
        return self._plane.garbage

    @property
    def send_calls(self):
        """System calls that sent something so far."""
        return self._plane.calls

    @property
    def refused_runs(self):
        """GSO runs that the kernel refused and that were sent packet by packet."""
        return self._plane.refused_runs

    @property
    def wakes(self):
        """How often one of its threads was woken by another thread."""
        return self._plane.wakes

    @property
    def has_gso(self):
        """Whether runs of packets go out in one message on the first socket."""
        return self._plane.has_gso[0]

    def feed(self, codec, clock_rate, *, epoch_s, sealed=False):
        """See `interface.Plane`.

        Raises:
            ValueError: a codec that WebRTC does not carry.
        """
        with self._lock:
            offset = self._offsets.setdefault(clock_rate, secrets.randbelow(_MAX_RTP_OFFSET))
        cdef NativeFeed made = NativeFeed.__new__(NativeFeed)
        made._plane = self
        made._packing = Packing(codec, clock_rate, epoch_s, offset, self._options.max_payload_bytes)
        made._pairs = codec is Codec.OPUS and not sealed
        made._feed = feed_new(
            codec.is_video, clock_rate, offset, self._options.history_s, self._options.max_history_bytes
        )
        if made._feed == NULL:
            raise MemoryError
        self._feeds[<uintptr_t>made._feed] = made
        return made

    def peer(self, ufrag, pwd, *, bint collects=False):
        """Make a viewer, or a publisher, that has `consent_s` to prove itself.

        Raises:
            ValueError: the ufrag is in use.
        """
        cdef NativePeer made = NativePeer.__new__(NativePeer)
        made._plane = self
        made._claims = Claims()
        made._used_keys = set()
        made._lock = threading.Lock()
        made._peer = peer_new(self._plane, next(self._ids), self._monotonic(), collects)
        if made._peer == NULL:
            raise MemoryError
        made.set_credentials(ufrag, pwd)
        cdef command *told = _command(COMMAND_ADD, made._peer, 0)
        self._peers[made._peer.id] = made
        shard_command_later(made._peer.shard, told)
        if self._is_closed:  # meanwhile, and so that `close` may not have seen it
            made._close_inbox()
        return made

    def poll(self):
        """Take the events since the last call; never waits."""
        if self._is_closed:
            return ()
        try:
            # First, so that an event that is added meanwhile makes it readable again.
            os.eventfd_read(self._plane.events_fd)
        except BlockingIOError:
            return ()
        return self._take_events()

    def _take_events(self):
        cdef event found
        events = []
        while event_take(self._plane, &found):
            if found.kind == EVENT_KEYFRAME:
                feed = self._feeds.get(<uintptr_t>found.feed)
                feed_release(found.feed)
                if feed is not None:
                    events.append(KeyframeWanted(feed))
                continue
            peer = self._peers.get(found.peer.id)
            peer_release(found.peer)
            if peer is None:
                continue
            if found.kind == EVENT_DTLS:
                events.append(DtlsReceived(peer, (<const char *>found.data)[:found.bytes]))
            elif found.kind == EVENT_MOVED:
                events.append(AddressLearned(peer, _plain(&found.address), "tcp" if found.is_tcp else "udp"))
            else:
                events.append(ConsentLost(peer))
        return events

    def fileno(self):
        """Readable while `poll` has something."""
        return self._plane.events_fd

    def snapshot(self):
        """Counters of all peers at one moment, dtype `COUNTERS`."""
        cdef list peers = list(self._peers.values())
        rows = np.zeros(len(peers), dtype=COUNTERS)
        if not peers:
            return rows
        cdef uint8_t[::1] raw = rows.view(np.uint8)
        cdef CountersRow *row = <CountersRow *>&raw[0]
        for number, peer in enumerate(peers):
            row[<int>number].peer_id = (<NativePeer>peer)._peer.id
            peer_counters((<NativePeer>peer)._peer, &row[<int>number].counted)
        return rows

    def send_delays(self):
        """See `interface.Plane`."""
        counts = np.zeros(BUCKETS, dtype=np.uint64)
        cdef uint64_t[::1] raw = counts
        plane_delays(self._plane, &raw[0])
        return counts

    def close(self):
        """Stop the threads and close the sockets. Idempotent; waits for the threads."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        for peer in list(self._peers.values()):
            (<NativePeer>peer)._close_inbox()
        plane_stop(self._plane)
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()
        self._take_events()  # releases what they hold
        self._peers.clear()
        self._feeds.clear()

    def _fail_sends(self, int error, int count, *, bint only_runs=False):
        """For tests: let the next `count` system calls fail as the kernel might."""
        plane_fail_sends(self._plane, error, count, only_runs)

    def _send_one_by_one(self, bint is_on):
        """For tests: let the kernel take one message per call, as it may."""
        plane_send_one_by_one(self._plane, is_on)


assert (BUCKETS, UNIT_S) == (DELAY_BUCKETS, DELAY_UNIT_S), "delays.py and plane.h disagree"
assert MAX_DATAGRAMS == INBOX_SLOTS, "inbox.py and inbox.h disagree"
_load_lock = threading.Lock()


def seal(key, iv, aad, plain, *, bint ipsec_mb=True):
    """AES-GCM as the plane does it, and whose: for tests against published vectors.

    Returns:
        What encrypted ("openssl" or "ipsec-mb"), and ciphertext and tag.

    Raises:
        ValueError: a length that AES-GCM in SRTP does not have.
        OSError: libcrypto could not be loaded.
    """
    cdef bytes secret = bytes(key), nonce = bytes(iv), header = bytes(aad), text = bytes(plain)
    cdef cipher *made
    cdef bytearray out = bytearray(len(text) + 16)
    cdef uint8_t[::1] view = out
    if len(secret) not in (16, 32) or len(nonce) != 12:
        raise ValueError("a key of 16 or 32 bytes and an IV of 12")
    with _load_lock:
        if crypto_load(ipsec_mb) < 0:
            raise OSError("libcrypto could not be loaded")
        name = crypto_name().decode()
        made = gcm_encrypter(_bytes(secret), len(secret))
    if made == NULL:
        raise MemoryError
    failed = gcm_seal(made, _bytes(nonce), _bytes(header), len(header), _bytes(text), len(text), &view[0])
    cipher_free(made)
    if failed:
        raise OSError("libcrypto failed")
    return name, bytes(out)
