/* One track's packets: immutable, counted units in a history that all viewers of the feed share. */
#ifndef PLANE_FEED_H
#define PLANE_FEED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_SHARDS 16
#define LENT_UNITS 4

struct attachment;

/* One access unit as RTP payloads; payload n is at data + offsets[n], up to offsets[n + 1], and its last byte
 * counts its padding if is_padded[n]. */
typedef struct unit {
    int refs;
    uint32_t count;       /* payloads, never 0 */
    int64_t index;        /* counts the feed's units */
    int64_t first_packet; /* counts the feed's packets */
    int64_t timestamp;    /* ticks of the RTP clock, unwrapped */
    int64_t interval;     /* ticks since the unit before, 0 if unknown */
    double at;            /* monotonic seconds when it was written */
    bool keyframe;
    bool is_taken; /* somebody has had it: under the lock of its feed */
    uint32_t *offsets;
    bool *is_padded;
    uint8_t *data;
    struct unit *next_dropped;
} unit;

typedef struct feed {
    int refs;
    bool is_video;
    int64_t clock_rate;
    int64_t offset; /* RTP timestamp of 1970, shared by the plane's feeds of this rate */
    bool closed;    /* atomic */

    pthread_mutex_t lock; /* all of the history; never held across anything that could wait */
    double keep_s;
    size_t max_bytes, bytes;
    unit **units; /* ring; capacities are powers of two */
    size_t units_capacity, units_first, units_count;
    int64_t *keyframes; /* ring of indices */
    size_t keyframes_capacity, keyframes_first, keyframes_count;
    int64_t next_index; /* atomic for who reads it without the lock */
    int64_t next_packet, last_timestamp;
    bool has_timestamp;
    double keyframe_wanted_at;

    /* Events: in the plane's list of feeds that want a keyframe; under the plane's events lock. */
    bool is_wanted;
    struct feed *next_wanted;

    struct {
        bool announced;            /* in the shard's list; under its inbox lock */
        double announced_at;       /* as above: when the first unit was written since it was taken */
        struct feed *next_written; /* as above */
        struct attachment *subscribers; /* of the shard's thread alone, as the next */
        unit *lent[LENT_UNITS];         /* by their index; references */
        bool is_due;                    /* in this turn's list */
        double due_since;
        struct feed *next_due;
    } shards[MAX_SHARDS];
} feed;

/* NULL when out of memory. */
feed *feed_new(bool is_video, int64_t clock_rate, int64_t offset, double keep_s, size_t max_bytes);
feed *feed_hold(feed *f);
void feed_release(feed *f);

/* A unit with room for these payloads, to be filled and given to `feed_append`. NULL when out of memory. */
unit *unit_new(uint32_t count, size_t bytes);
unit *unit_hold(unit *u);
void unit_release(unit *u);
static inline size_t unit_size(const unit *u, uint32_t place) { return u->offsets[place + 1] - u->offsets[place]; }
static inline size_t unit_padding(const unit *u, uint32_t place) {
    return u->is_padded[place] ? u->data[u->offsets[place + 1] - 1] : 0;
}

/* Add the next unit, which the history owns from now on, and drop what is too old. 0, or -1 (out of memory, or
 * closed): then the unit is gone. */
int feed_append(feed *f, unit *u, double now);
/* Put this unit in the place of the last one if nobody has had that yet; index, packet number and time are the
 * last one's, whose payloads are as many. 0, or -1: then the unit is gone and nothing has changed. */
int feed_replace(feed *f, unit *u);
void feed_close(feed *f);

bool feed_is_closed(feed *f);
int64_t feed_next_index(feed *f);
void feed_end(feed *f, int64_t *index, int64_t *packet);
/* These return a reference, or NULL. */
unit *feed_unit(feed *f, int64_t index, bool *is_gone);
/* The same for a shard's thread, without a reference: valid until it asks this feed for another. All its viewers want
 * the same few units, and the threads would take their locks and counters from each other for every one of them. */
unit *feed_borrow(feed *f, int shard, int64_t index, bool *is_gone);
unit *feed_keyframe(feed *f);
unit *feed_newest(feed *f);
unit *feed_packet(feed *f, int64_t number, uint32_t *place);

#endif
