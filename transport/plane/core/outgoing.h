/* One viewer's view of one feed: which packet it gets when, under which sequence number and timestamp.
 *
 * Without I/O. Every packet is computed from the shared history and a segment, the same way when it is sent
 * and when it is sent again: one sequence number is never encrypted with two contents. `outgoing.py` and
 * `timeline.py` say the same in Python, and why.
 */
#ifndef PLANE_OUTGOING_H
#define PLANE_OUTGOING_H

#include "feed.h"

#define MAX_SEGMENTS 16
#define MAX_EXTENSION_BYTES 40
#define RTP_HEADER_BYTES 12
#define MAX_HEADER_BYTES (RTP_HEADER_BYTES + MAX_EXTENSION_BYTES)

/* What an SDP answer said; immutable, counted. */
typedef struct subscription {
    int refs;
    uint8_t payload_type, rtx_payload_type;
    bool has_rtx;
    uint32_t ssrc, rtx_ssrc;
    uint8_t extensions[MAX_EXTENSION_BYTES]; /* serialised; a multiple of four */
    size_t extensions_bytes;
    size_t playout_delay_at; /* where the three bytes of that extension are, 0 if there is none */
    uint8_t cname[255];
    size_t cname_bytes;
} subscription;

subscription *subscription_hold(subscription *s);
void subscription_release(subscription *s);

/* A map from the feed's timestamps to the viewer's: `shift` always, a straight line until `until`. */
typedef struct timeline {
    int64_t shift, start, first, until;
} timeline;

int64_t timeline_map(const timeline *t, int64_t timestamp);
/* `last`: what the viewer got before, from another feed, `seconds` ago; NULL for nothing. */
timeline timeline_begin(int64_t start, int64_t newest, int64_t backlog_units, int64_t clock_rate,
                        const int64_t *last, double seconds);

/* What a viewer's reports say about its line. */
typedef struct playout {
    uint16_t min; /* what it should be told, in units of 10 ms */
    bool is_raised;
    unsigned lossy_reports;
    double rtt_ms, hold_until;
} playout;

/* As the subscription says, unless it is raised. */
void playout_reset(playout *p, const subscription *s);
void playout_reported(playout *p, const subscription *s, double fraction_lost, double rtt_ms, double now);
/* Put a delay into a subscription's serialised extensions. */
void playout_write(const subscription *s, uint16_t min, uint8_t *extensions);

/* A stretch in which sequence numbers follow the feed's packet numbers. */
typedef struct segment {
    subscription *subscription;
    feed *feed;
    timeline timeline;
    int64_t first_number, first_packet;
    uint16_t playout_delay_min; /* in units of 10 ms */
} segment;

/* In a feed's list of subscribers. */
typedef struct attachment {
    struct outgoing *outgoing;
    feed *feed; /* NULL: not in a list */
    struct attachment *next, *previous;
    /* What stood further on in the list when it was last walked, to be fetched ahead and not to be read: it may be
     * gone. */
    const void *ahead, *ahead_peer;
} attachment;

typedef struct outgoing {
    /* What is touched for every picture stands together, up to `playout`; see `outgoing_expect`. */
    struct outgoing *next; /* of the same peer */
    struct peer *peer;
    attachment links[2];
    subscription *subscription; /* the one in force */
    double deadline;            /* when `pull` has more to give, HUGE_VAL if only a new unit can change that */
    uint64_t packets, octets;   /* sent so far, payload only */
    uint64_t skipped;           /* packets left out: connection full, or fallen behind */
    int64_t next_number;        /* unwrapped */
    int64_t rollover_base;      /* of the keys in force: a multiple of 2**16 */
    int64_t index, skipped_until;
    unit *unit;
    bool is_borrowed; /* `unit` is, for as long as it is being sent without a pause */
    uint32_t place;
    unsigned segments_first, segments_count;
    bool has_started, needs_keyframe, has_last;
    bool is_silent; /* until it begins with the feed that it moves to */
    int64_t last_timestamp;
    double last_at;
    double unit_started_at, gap_s;
    double burst_started_at;
    int64_t burst_until_index;
    subscription *waiting_subscription; /* what it begins with, or moves to; NULL for nothing */
    feed *waiting_feed;
    playout playout;

    int64_t waiting_from;
    double reported_at; /* -HUGE_VAL before the first report */
    int64_t first_number;
    segment segments[MAX_SEGMENTS];
} outgoing;

/* Let the processor fetch what `outgoing_pull` begins with. */
static inline void outgoing_expect(const outgoing *o) {
    if (o == NULL)
        return;
    for (size_t at = 0; at < offsetof(outgoing, waiting_from); at += 64)
        __builtin_prefetch((const char *)o + at);
}

/* And what `packet_header` is made from, once that is here. */
static inline void outgoing_expect_header(const outgoing *o) {
    const segment *last = &o->segments[(o->segments_first + o->segments_count - 1) % MAX_SEGMENTS];
    for (size_t at = 0; at < sizeof *last; at += 64)
        __builtin_prefetch((const char *)last + at);
    for (size_t at = 0; at < offsetof(subscription, cname); at += 64)
        __builtin_prefetch((const char *)o->subscription + at);
}

/* A packet as it was sent, or is to be sent; `unit` is a borrowed reference in `pull`, an own one in `find`. */
typedef struct packet {
    const segment *segment;
    unit *unit;
    uint32_t place;
    int64_t number;
} packet;

typedef void (*packet_sink)(void *context, outgoing *o, const packet *p);

/* `first_number` in the lower half of 16 bits. Takes a reference of both. NULL when out of memory. */
outgoing *outgoing_new(struct peer *peer, subscription *s, feed *f, int64_t first_number);
void outgoing_free(outgoing *o);
/* The feed that is being sent, or that will be first; and the one it moves to, or NULL. */
feed *outgoing_feed(const outgoing *o);
feed *outgoing_next_feed(const outgoing *o);
int64_t outgoing_shift(const outgoing *o);
/* `meanwhile`: what it had is sent until the new feed begins; else nothing is, nor anything again. */
void outgoing_move(outgoing *o, subscription *s, feed *f, double now, bool meanwhile);
/* New keys: resend nothing of what was sent so far, count rollovers anew. */
void outgoing_rekey(outgoing *o);
/* Give what is due now to `sink`, in order; after `room` bytes of payload no further unit is begun, without any the
 * connection is full. `shard` is of the thread that asks. */
void outgoing_pull(outgoing *o, int shard, double now, uint64_t room, packet_sink sink, void *context);
/* The packet that was sent under this number; the caller releases its unit. False if it is gone. */
bool outgoing_find(const outgoing *o, uint16_t seq, packet *found);
/* RTP header of a packet, or of its repetition under another SSRC, which has no padding; returns its size, at
 * most MAX_HEADER_BYTES. */
size_t packet_header(const packet *p, uint8_t *out, uint8_t payload_type, uint32_t ssrc, int64_t number);
static inline const uint8_t *packet_payload(const packet *p) { return p->unit->data + p->unit->offsets[p->place]; }

#endif
