/* The plane's structures, and who may touch what.
 *
 * A viewer (`peer`) belongs to one shard; everything of it that is not marked otherwise is touched by that
 * shard's thread alone. Other threads talk to a shard through its inbox: commands from Python, datagrams and
 * notes from the thread that receives. `tables` finds a peer by the user name fragment of its ICE credentials
 * or by its address. What a publisher sends waits in its own inbox (`inbox.h`). No lock is held across a system call,
 * and none is taken while another is held.
 */
#ifndef PLANE_PLANE_H
#define PLANE_PLANE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "feed.h"
#include "inbox.h"
#include "outgoing.h"
#include "srtp.h"

#define MAX_SOCKETS 16
#define MAX_ROUTES 8 /* a viewer with more addresses is not looking for a path any more */
#define DATAGRAM_BYTES 2048
#define RING_SLOTS 1024
/* Of one viewer, so that nobody takes all the slots: more than is sent while a thread has its hands full. */
#define MAX_POSTED 64
#define RECEIVE_MESSAGES 64
/* Of one thread; from here on what it does for one of them waits a moment for what it does for others. */
#define MANY_PEERS 64
#define TABLE_BUCKETS 8192
#define BATCH_MESSAGES 64
#define BATCH_BYTES (512 * 1024)
#define MAX_RUN_BYTES 65000
#define MAX_RUN_PACKETS 64 /* UDP_MAX_SEGMENTS of older kernels */
#define REPEATS 256
#define BUDGET_BINS 11
/* Retransmissions are never capped below this: 200 kb/s. */
#define MIN_RTX_BYTES_PER_S 25000.0
#define EVENT_SLOTS 2048
/* Of one viewer, so that nobody takes all the slots: more than any handshake sends before it waits for an answer. */
#define MAX_DTLS_UNREAD 32
/* From a unit's writing until it went to the kernel for all of a shard's viewers: bucket n holds what took at most
 * DELAY_UNIT_S * 2 ** (n / 8.0), the last one everything. */
#define DELAY_BUCKETS 112
#define DELAY_UNIT_S 0.00005

typedef struct plane plane;
typedef struct peer peer;
typedef struct shard shard;
typedef struct conn conn;

/* An address on one of the plane's UDP sockets. */
typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

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

typedef struct credentials {
    struct credentials *next; /* in its bucket */
    peer *owner;
    double expires_at;
    size_t ufrag_bytes, password_bytes;
    uint8_t *ufrag, *password;
} credentials;

/* Written by the shard's thread, read by any: relaxed atomic, except where a lock is named. */
typedef struct counters {
    uint64_t packets_sent, bytes_sent, packets_dropped, retransmitted, rtx_refused, nacks, plis;
    int64_t video_lost, audio_lost;
    float video_fraction_lost, audio_fraction_lost, video_jitter_ms, audio_jitter_ms, rtt_ms;
    uint64_t remb_bps;
    double last_heard_s;
} counters;

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
    int posted; /* slots of the ring */
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

enum { COMMAND_ADD, COMMAND_KEYS, COMMAND_SUBSCRIBE, COMMAND_SEND, COMMAND_CLOSE, COMMAND_FEED_CLOSED };

typedef struct command {
    struct command *next;
    int kind;
    peer *peer;                 /* a reference, or NULL */
    feed *feed;                 /* as above */
    srtp *srtp;                 /* owned until it is taken */
    subscription *subscription; /* a reference, or NULL */
    outgoing *outgoing;         /* owned until it is taken: prepared, as threads do not allocate */
    rtx_stream *rtx;            /* as above */
    bool with_bye;
    size_t bytes;
    uint8_t data[];
} command;

typedef struct slot {
    peer *peer; /* a reference */
    int socket;
    address from;
    uint32_t bytes;
    uint8_t data[DATAGRAM_BYTES];
} slot;

/* What goes to the kernel in one call: one message per viewer and run. */
typedef struct message {
    peer *peer; /* NULL: an answer to somebody unknown */
    bool is_media;
    bool is_full; /* a shorter packet ended the run */
    uint32_t packets, packet_bytes, bytes;
    uint8_t *data;
    address to;
} message;

struct shard {
    plane *plane;
    int number;
    int epoll_fd, wake_fd;

    pthread_mutex_t lock; /* the inbox: */
    command *commands, **commands_end;
    feed *written, **written_end;
    conn *handed;
    slot *ring;
    uint64_t ring_read, ring_written;
    uint64_t ring_waited; /* what stands before this has waited since the last read */
    peer *told; /* whose address is another viewer's now; a reference to each */
    bool is_awake, is_over;
    double linger_until; /* 0: nothing written waits for company; the thread's to change */

    /* The thread's own: */
    peer *peers, *heap;
    int peers_count; /* atomic for who reads it elsewhere */
    uint32_t unwatched; /* bit n: the thread is not woken for socket n, but reads it whenever it is awake */
    double read_at;     /* at the latest */
    conn *conns, *dirty;
    int batch_socket, batch_count;
    size_t batch_used;
    uint8_t *batch;
    message messages[BATCH_MESSAGES];
    uint64_t delays[DELAY_BUCKETS]; /* atomic */
    uint8_t scratch[DATAGRAM_BYTES + 256];
    uint8_t (*received)[DATAGRAM_BYTES];
    slot *taken;
};

enum { EVENT_DTLS, EVENT_MOVED, EVENT_KEYFRAME, EVENT_LOST };

typedef struct event {
    int kind;
    peer *peer; /* a reference, but for EVENT_KEYFRAME */
    feed *feed; /* a reference, for EVENT_KEYFRAME */
    bool is_tcp;
    address address;
    uint32_t bytes;
    uint8_t data[DATAGRAM_BYTES];
} event;

struct plane {
    int refs;
    int shards_count;
    shard shards[MAX_SHARDS];
    int udp_count, tcp_count;
    int udp[MAX_SOCKETS], tcp[MAX_SOCKETS];
    bool has_gso[MAX_SOCKETS]; /* atomic */
    double consent_s, max_rtx_fraction;
    double (*clock)(void *), (*wall_clock)(void *); /* NULL: the system's */
    void *clock_context;
    bool is_stopping;    /* atomic */
    uint64_t garbage;    /* atomic, as the next four */
    uint64_t calls, refused_runs, received, wakes;
    int unproven; /* atomic: TCP connections that showed no valid check */

    pthread_mutex_t tables_lock;
    credentials *credentials[TABLE_BUCKETS];
    route *routes[TABLE_BUCKETS];

    pthread_mutex_t events_lock;
    int events_fd;
    event *events;
    uint64_t events_read, events_written;
    feed *wanted, **wanted_end;
    peer *news, **news_end; /* viewers that moved or are gone */

    /* Tests: the next `fail_count` sends fail; atomic, see `plane_fail_sends`. */
    int fail_errno, fail_count, fail_only_runs, short_count;
};

/* plane.c: for any thread. */
plane *plane_new(const int *udp, int udp_count, const int *tcp, int tcp_count, int threads);
plane *plane_hold(plane *p);
void plane_release(plane *p);
void plane_stop(plane *p);
double plane_now(plane *p);
double plane_wall(plane *p);
void plane_garbage(plane *p);
/* Tests: let the next `count` sends fail as the kernel might; let it take one message a call. */
void plane_fail_sends(plane *p, int error, int count, bool only_runs);
void plane_send_one_by_one(plane *p, bool is_on);
/* Of all shards. */
void plane_delays(plane *p, uint64_t counts[DELAY_BUCKETS]);
peer *peer_new(plane *p, uint64_t id, double now, bool collects);
peer *peer_hold(peer *p);
void peer_release(peer *p);
/* As they are now. */
void peer_counters(const peer *p, counters *out);
/* Any thread; hands over what the command owns. */
void shard_command(shard *s, command *c);
/* The same for what changes nothing until a datagram or another command comes: wakes nobody. */
void shard_command_later(shard *s, command *c);
command *command_new(int kind, peer *p, size_t bytes);
void command_free(command *c);
void feed_announce(plane *p, feed *f, double now);
/* Whether a thread has so many viewers that what is written waits a moment for company. */
bool plane_lingers(plane *p);
void wake(shard *s);
/* Report once that something can be read; again only after the next call. 0, or -1. */
int watch_udp(const shard *s, int socket, bool is_new);

/* events.c */
void event_dtls(plane *p, peer *from, const uint8_t *data, size_t bytes);
void event_moved(plane *p, peer *moved, const route *to);
void event_keyframe(plane *p, feed *f, double now);
void event_lost(plane *p, peer *lost);
/* Take one, with its reference; 0 if there is none. */
int event_take(plane *p, event *out);

/* tables.c: for any thread. */
/* 0; -1: no memory; -2: another's; -3: the viewer was forgotten. */
int tables_add_credentials(plane *p, peer *owner, const uint8_t *ufrag, size_t ufrag_bytes,
                           const uint8_t *password, size_t password_bytes, double now);
/* Nobody finds it by a name any more, ever. */
void tables_forget(plane *p, peer *owner);
/* A reference, or NULL; copies the password (at most 256 bytes). */
peer *tables_by_ufrag(plane *p, const uint8_t *ufrag, size_t bytes, double now, uint8_t *password,
                      size_t *password_bytes);
peer *tables_by_address(plane *p, int socket, const address *from);
/* List a route; returns a reference to the peer that was listed with its address before, or NULL. */
peer *tables_list_route(plane *p, route *r);
void tables_unlist_route(plane *p, route *r);
bool tables_is_listed(plane *p, route *r);
void tables_publish(plane *p, peer *whose);
int tables_published(plane *p, peer *whose, address *out, bool *is_tcp);
bool same_address(const address *a, const address *b);
socklen_t address_bytes(const address *a);
/* Numeric host, and port; IPv4 as such where a dual-stack socket wraps it. */
void address_text(const address *a, char host[46], int *port);

/* shard.c: the thread. */
void shard_run(shard *s);

/* send.c: of the shard's thread. */
uint8_t *send_begin(shard *s, const route *to, size_t room);
void send_end(shard *s, peer *whose, const route *to, uint8_t *data, size_t bytes, bool is_media);
void send_copy(shard *s, peer *whose, const route *to, const uint8_t *data, size_t bytes);
void send_flush(shard *s);

/* tcp.c: of the shard's thread. */
void conn_accept(shard *s, int listener, double now);
void conn_adopt(shard *s, conn *c, double now);
void conn_ready(shard *s, conn *c, uint32_t events, double now);
void conn_buffer(shard *s, conn *c, const uint8_t *data, size_t bytes);
/* Bytes that may still wait for it before it takes no new access unit. */
size_t conn_room(const conn *c);
void conn_flush_all(shard *s, double now);
void conn_expire(shard *s, double now);
void conn_mark_closed(shard *s, conn *c);
void conn_close_all(shard *s);
/* Take it out of this shard, so that another may have it. */
void conn_leave(shard *s, conn *c);
/* End one that is in no shard. */
void conn_discard(plane *p, conn *c);

/* viewer.c: of the shard's thread. */
void viewer_pull(shard *s, peer *p, outgoing *o, double now);
/* Let the processor fetch what `viewer_pull_due` will look at for this viewer and the two after it, the more the
 * sooner it is needed: one must be here before what it points to can be fetched. NULL for nobody. */
void viewer_expect(const peer *p);
/* Of every feed that is due. */
void viewer_pull_due(shard *s, peer *p, double now);
void viewer_resume(shard *s, peer *p, double now);
void viewer_report(shard *s, peer *p, double now);
void viewer_bye(shard *s, peer *p, double now);
void viewer_keys(shard *s, peer *p, srtp *keys);
void viewer_subscribe(shard *s, command *c, double now);
void viewer_detach(shard *s, peer *p);
void viewer_schedule(shard *s, peer *p);
void viewer_repair(shard *s, peer *p, outgoing *o, uint16_t seq, double now);
outgoing *viewer_outgoing(peer *p, uint32_t ssrc);

/* rtcp.c */
void rtcp_receive(shard *s, peer *p, uint8_t *data, size_t bytes, double now);

/* seat.c: addresses and the end of a viewer. */
bool seat_is_over(const peer *p);
bool seat_can_send(const peer *p);
void seat_checked(shard *s, peer *p, int socket, const address *from, conn *c, bool nominated, double now);
void seat_lose_route(shard *s, peer *p, route *r, double now);
/* Those that were listed as another viewer's, and not proved again since. */
void seat_lose_taken(shard *s, peer *p, double now);
route *seat_find(peer *p, int socket, const address *from, const conn *c);
void seat_lose(shard *s, peer *p);
void seat_remove(shard *s, peer *p, bool with_bye, double now);
void seat_tick(shard *s, peer *p, double now);
/* When its timer has to ring for the tick. */
double seat_rings_at(const shard *s, const peer *p);

/* receive.c */
/* Take RECEIVE_MESSAGES at most; returns how many. */
int receive_udp(shard *s, int socket);
/* A datagram for this shard, or from nobody known yet. `c` is NULL for UDP. False: it was for another shard, and
 * the connection (if any) went there. */
bool receive_datagram(shard *s, peer *owner, uint8_t *data, size_t bytes, int socket, const address *from,
                      conn *c, double now);
void shard_drain_commands(shard *s, double now);
/* For the shard of the viewer, which is woken for what cannot wait. False: it has ended, or too much waits, of this
 * viewer or of all. */
bool shard_post(peer *p, int socket, const address *from, const uint8_t *data, size_t bytes);
/* An address of this viewer was listed as another's. Kept in the viewer itself, so it cannot be lost. */
void shard_tell(peer *p);
void shard_hand(shard *s, conn *c);
/* After everything was read: wake who has not come by itself for what was posted before the last time, or, unless this
 * thread reads again soon, since then. */
void receive_wake_others(shard *s);

/* timers.c */
void timer_set(shard *s, peer *p, double due);
void timer_cancel(shard *s, peer *p);
peer *timer_take(shard *s, double now);

struct conn {
    int fd;
    address from;
    peer *owner; /* borrowed: a closed peer closes its connections first; NULL before a valid check */
    route *route;
    double opened_at;
    bool is_open, is_counted, is_dirty, is_registered;
    uint32_t watched; /* events asked for, if it is registered */
    conn *next, **where; /* the shard's */
    conn *next_dirty, *next_handed;
    size_t in_bytes;
    uint8_t in[2 * DATAGRAM_BYTES + 4];
    uint8_t *out;
    size_t out_first, out_bytes, out_capacity;
};

#define COUNT(field, amount) __atomic_store_n(&(field), (field) + (amount), __ATOMIC_RELAXED)
#define NOTE(field, value)                                                                                           \
    do {                                                                                                             \
        __typeof__(field) note_value = (value);                                                                      \
        __atomic_store(&(field), &note_value, __ATOMIC_RELAXED);                                                     \
    } while (0)

#endif
