/* A shard: a thread, the viewers that are its own, and its inbox, through which other threads talk to it. */
#ifndef PLANE_SHARD_H
#define PLANE_SHARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "feed.h"
#include "peer.h"

#define RING_SLOTS 1024
/* Of one viewer, so that nobody takes all the slots: more than is sent while a thread has its hands full. */
#define MAX_POSTED 64
#define RECEIVE_MESSAGES 64
/* Of one thread; from here on what it does for one of them waits a moment for what it does for others. */
#define MANY_PEERS 64
#define BATCH_MESSAGES 64
#define BATCH_BYTES (512 * 1024)
#define MAX_RUN_BYTES 65000
#define MAX_RUN_PACKETS 64 /* UDP_MAX_SEGMENTS of older kernels */
/* From a unit's writing until it went to the kernel for all of a shard's viewers: bucket n holds what took at most
 * DELAY_UNIT_S * 2 ** (n / 8.0), the last one everything. */
#define DELAY_BUCKETS 112
#define DELAY_UNIT_S 0.00005

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
    bool meanwhile; /* of a move: the feed before is sent until the new one begins */
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
    peer *told;           /* whose address is another viewer's now; a reference to each */
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

/* plane.c */
/* Any thread; hands over what the command owns. */
void shard_command(shard *s, command *c);
/* The same for what changes nothing until a datagram or another command comes: wakes nobody. */
void shard_command_later(shard *s, command *c);
command *command_new(int kind, peer *p, size_t bytes);
void command_free(command *c);
void wake(shard *s);
/* Report once that something can be read; again only after the next call. 0, or -1. */
int watch_udp(const shard *s, int socket, bool is_new);

/* shard.c: the thread. */
void shard_run(shard *s);

/* send.c: of the shard's thread. */
uint8_t *send_begin(shard *s, const route *to, size_t room);
void send_end(shard *s, peer *whose, const route *to, uint8_t *data, size_t bytes, bool is_media);
void send_copy(shard *s, peer *whose, const route *to, const uint8_t *data, size_t bytes);
void send_flush(shard *s);

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

#endif
