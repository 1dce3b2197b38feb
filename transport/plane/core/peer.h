/* A viewer, or a publisher. It belongs to one shard, whose thread alone touches what is not marked otherwise. */
#ifndef PLANE_PEER_H
#define PLANE_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "inbox.h"
#include "outgoing.h"
#include "srtp.h"

#define DATAGRAM_BYTES 2048
#define MAX_ROUTES 8 /* a viewer with more addresses is not looking for a path any more */
#define REPEATS 256
#define BUDGET_BINS 11
/* Retransmissions are never capped below this: 200 kb/s. */
#define MIN_RTX_BYTES_PER_S 25000.0

typedef struct plane plane;
typedef struct peer peer;
typedef struct shard shard;
typedef struct conn conn;
typedef struct credentials credentials;

typedef struct route {
    peer *owner;
    conn *conn; /* NULL for UDP */
    int socket;
    address address;
    uint64_t checked; /* order of the last checks; 0: not in use */
    /* Under the tables' lock: */
    bool is_listed;
    struct route *next_listed;
} route;

/* Written by the shard's thread, read by any: relaxed atomic, except where a lock is named. */
typedef struct counters {
    uint64_t packets_sent, bytes_sent, video_bytes, packets_dropped, retransmitted, rtx_refused, nacks, plis;
    int64_t video_lost, audio_lost;
    float video_fraction_lost, audio_fraction_lost, video_jitter_ms, audio_jitter_ms, rtt_ms;
    uint64_t remb_bps;
    double last_heard_s;
} counters;

#define COUNT(field, amount) __atomic_store_n(&(field), (field) + (amount), __ATOMIC_RELAXED)
#define NOTE(field, value)                                                                                           \
    do {                                                                                                             \
        __typeof__(field) note_value = (value);                                                                      \
        __atomic_store(&(field), &note_value, __ATOMIC_RELAXED);                                                     \
    } while (0)

typedef struct rtx_stream {
    struct rtx_stream *next;
    uint32_t ssrc;
    int64_t next_number, rollover_base;
} rtx_stream;

struct peer {
    int refs;
    plane *plane;
    shard *shard;
    uint64_t id;

    /* What is touched for every picture stands together, see `viewer_expect`: */
    peer *next_due; /* in this turn's list */
    bool is_due;
    bool is_added, is_lost, is_closed;
    route *selected;
    srtp *srtp;
    outgoing *outgoings, *last_outgoing;
    double consent_at, tick_at;
    /* Timers: a pairing heap without allocations. */
    bool is_timed;
    double due;
    peer *heap_child, *heap_next, *heap_previous;
    counters counters;
    struct {
        int64_t number[BUDGET_BINS];
        uint32_t bytes[BUDGET_BINS];
        double tokens, filled_at;
    } budget;

    /* Under the tables' lock: */
    credentials *current, *former;
    bool is_published, is_unknown; /* the latter: for good, it has left */
    bool is_tcp;
    address published;

    inbox *inbox; /* for any thread, as it never changes; NULL: a viewer's RTP and RTCP are not collected */
    route routes[MAX_ROUTES + 1];
    uint64_t checks;
    rtx_stream *rtx;
    struct {
        uint32_t ssrc, number, at_ms;
        bool is_used;
    } repeats[REPEATS];
    double lookups, looked_at; /* numbers named in NACKs, less what time has made up for */
    bool has_reference_time;
    uint32_t reference_ssrc, reference_middle;
    double reference_at;
    peer *next_of_shard, **where_in_shard;

    /* Under the shard's lock: */
    int posted;      /* slots of the ring */
    bool is_settled; /* has keys: but for DTLS, what it says may wait for what others say */
    bool is_told;
    peer *next_told;

    /* Under the events' lock: */
    int dtls_unread;
    bool has_news, has_moved, is_mourned;
    bool moved_to_tcp;
    address moved_to;
    peer *next_news;
};

/* plane.c: for any thread. */
peer *peer_new(plane *p, uint64_t id, double now, bool collects);
peer *peer_hold(peer *p);
void peer_release(peer *p);
/* As they are now. */
void peer_counters(const peer *p, counters *out);

#endif
