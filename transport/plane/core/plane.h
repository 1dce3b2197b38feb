/* The plane, and who may touch what.
 *
 * `peer.h` is a viewer, `shard.h` a thread with its viewers, `tables.h` how they are found, `tcp.h` a connection,
 * `events.h` what Python is told, `viewer.h` what is done for one viewer.
 *
 * A viewer (`peer`) belongs to one shard; everything of it that is not marked otherwise is touched by that
 * shard's thread alone. Other threads talk to a shard through its inbox: commands from Python, datagrams and
 * notes from the thread that receives. `tables` finds a peer by the user name fragment of its ICE credentials
 * or by its address. What a publisher sends waits in its own inbox (`inbox.h`). No lock is held across a system call,
 * and none is taken while another is held.
 */
#ifndef PLANE_PLANE_H
#define PLANE_PLANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "events.h"
#include "feed.h"
#include "inbox.h"
#include "peer.h"
#include "shard.h"
#include "tables.h"
#include "tcp.h"
#include "viewer.h"

#define MAX_SOCKETS 16

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
void feed_announce(plane *p, feed *f, double now);
/* Whether a thread has so many viewers that what is written waits a moment for company. */
bool plane_lingers(plane *p);

#endif
