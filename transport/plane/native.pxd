"""The C core (`core/`), as far as `native.pyx` uses it."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "stdbool.h":
    ctypedef bint flag "bool"


cdef extern from "core/srtp.h" nogil:
    enum:
        PROFILE_AES_256_GCM
        PROFILE_AES_128_GCM
        PROFILE_AES_128_SHA1_80
    ctypedef struct srtp:
        pass
    srtp *srtp_new(int profile, const uint8_t *tx, const uint8_t *rx)
    int srtp_protect(srtp *s, uint8_t *out, size_t header_bytes, uint32_t ssrc, uint64_t index,
                     const uint8_t *payload, size_t payload_bytes)
    int srtcp_protect(srtp *s, uint8_t *packet, size_t size)
    int srtcp_unprotect(srtp *s, uint8_t *packet, size_t size)


cdef extern from "core/crypto.h" nogil:
    int crypto_load(int allow_ipsec_mb)
    const char *crypto_name()
    ctypedef struct cipher:
        pass
    cipher *gcm_encrypter(const uint8_t *key, size_t key_bytes)
    void cipher_free(cipher *c)
    int gcm_seal(cipher *c, const uint8_t *iv, const uint8_t *aad, size_t aad_bytes, const uint8_t *plain,
                 size_t size, uint8_t *out)


cdef extern from "core/slab.h" nogil:
    void *slab_take(size_t size)


cdef extern from "core/feed.h" nogil:
    int MAX_SHARDS
    ctypedef struct unit:
        int64_t timestamp
        bint keyframe
        uint32_t *offsets
        flag *is_padded
        uint8_t *data
    ctypedef struct feed:
        pass
    feed *feed_new(bint is_video, int64_t clock_rate, int64_t offset, double keep_s, size_t max_bytes)
    feed *feed_hold(feed *f)
    void feed_release(feed *f)
    unit *unit_new(uint32_t count, size_t size)
    int feed_append(feed *f, unit *u, double now)
    int feed_replace(feed *f, unit *u)
    void feed_close(feed *f)
    bint feed_is_closed(feed *f)
    int64_t feed_next_index(feed *f)


cdef extern from "core/opening.h" nogil:
    ctypedef struct opener:
        pass
    opener *opener_new(int profile, const uint8_t *key)
    void opener_free(opener *o)


cdef extern from "core/inbox.h" nogil:
    int INBOX_SLOTS
    ctypedef struct inbox "inbox":
        pass
    void inbox_close(inbox *i)
    uint64_t inbox_dropped(inbox *i)
    flag inbox_open_with(inbox *i, opener *o)
    uint64_t inbox_refused(inbox *i)
    int inbox_wait(inbox *i, int most, double seconds, double pause)
    const uint8_t *inbox_at(const inbox *i, int n, size_t *size, double *came_at)
    void inbox_release(inbox *i, int count)


cdef extern from "core/outgoing.h" nogil:
    int MAX_EXTENSION_BYTES
    ctypedef struct subscription:
        int refs
        uint8_t payload_type
        uint8_t rtx_payload_type
        bint has_rtx
        uint32_t ssrc
        uint32_t rtx_ssrc
        uint8_t *extensions
        size_t extensions_bytes
        size_t playout_delay_at
        uint8_t *cname
        size_t cname_bytes
    ctypedef struct outgoing:
        pass
    void subscription_release(subscription *s)
    subscription *subscription_hold(subscription *s)
    outgoing *outgoing_new(peer *p, subscription *s, feed *f, int64_t first_number)


cdef extern from "core/plane.h" nogil:
    enum:
        MAX_SOCKETS
    int DATAGRAM_BYTES
    enum:
        COMMAND_ADD
        COMMAND_KEYS
        COMMAND_SUBSCRIBE
        COMMAND_SEND
        COMMAND_CLOSE
        COMMAND_FEED_CLOSED
        EVENT_DTLS
        EVENT_MOVED
        EVENT_KEYFRAME
        EVENT_LOST
    ctypedef union address:
        pass
    ctypedef struct counters:
        uint64_t packets_sent, bytes_sent, video_bytes, packets_dropped, retransmitted, rtx_refused, nacks, plis
        int64_t video_lost, audio_lost
        float video_fraction_lost, audio_fraction_lost, video_jitter_ms, audio_jitter_ms, rtt_ms
        uint64_t remb_bps
        double last_heard_s
    ctypedef struct rtx_stream:
        uint32_t ssrc
        int64_t next_number
    ctypedef struct shard:
        pass
    ctypedef struct peer "peer":
        uint64_t id
        shard *shard
        inbox *inbox
        counters counters
    ctypedef struct command:
        feed *feed
        srtp *srtp
        subscription *subscription
        outgoing *outgoing
        rtx_stream *rtx
        bint with_bye
        bint meanwhile
        uint8_t *data
    ctypedef struct event:
        int kind
        peer *peer
        feed *feed
        bint is_tcp
        address address
        uint32_t bytes
        uint8_t *data
    ctypedef struct plane "plane":
        int shards_count
        shard *shards
        flag *has_gso
        double consent_s
        double max_rtx_fraction
        double (*clock)(void *) noexcept
        double (*wall_clock)(void *) noexcept
        void *clock_context
        uint64_t garbage
        uint64_t calls
        uint64_t refused_runs
        uint64_t wakes
        int events_fd
    plane *plane_new(const int *udp, int udp_count, const int *tcp, int tcp_count, int threads)
    void plane_release(plane *p)
    void plane_stop(plane *p)
    void plane_fail_sends(plane *p, int error, int count, bint only_runs)
    void plane_send_one_by_one(plane *p, bint is_on)
    void peer_counters(const peer *p, counters *out)
    void plane_delays(plane *p, uint64_t *counts)
    int DELAY_BUCKETS
    double DELAY_UNIT_S
    peer *peer_new(plane *p, uint64_t id, double now, bint collects)
    void peer_release(peer *p)
    void shard_command(shard *s, command *c)
    void shard_command_later(shard *s, command *c)
    command *command_new(int kind, peer *p, size_t size)
    void command_free(command *c)
    void feed_announce(plane *p, feed *f, double now)
    bint plane_lingers(plane *p)
    int event_take(plane *p, event *out)
    int tables_add_credentials(plane *p, peer *owner, const uint8_t *ufrag, size_t ufrag_bytes,
                               const uint8_t *password, size_t password_bytes, double now)
    void tables_forget(plane *p, peer *owner)
    int tables_published(plane *p, peer *whose, address *out, flag *is_tcp)
    void address_text(const address *a, char *host, int *port)
    void shard_run(shard *s)
