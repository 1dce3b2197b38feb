/* A ring of whole datagrams between the plane's threads and who takes them. */
#include "inbox.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plane.h"

/* A year: so that no clock overflows. */
#define MAX_WAIT_S 31536000.0

typedef struct kept {
    double came_at;
    uint32_t bytes;
    uint8_t data[DATAGRAM_BYTES];
} kept;

struct inbox {
    pthread_mutex_t lock; /* all of it, but the slots that are being taken */
    pthread_cond_t changed;
    uint64_t read, written, dropped, refused;
    opener *opener; /* set once; used by who takes */
    uint64_t urgent;          /* what was written before is not to wait for more */
    bool is_ended, is_closed, is_taken;
    uint64_t awaited;         /* who takes sleeps until so many are there; 0: is awake */
    struct timespec taken_at; /* when something was taken last */
    kept slots[INBOX_SLOTS];
};

_Static_assert(INBOX_SLOTS * DATAGRAM_BYTES <= 4 << 20, "an inbox is bounded in bytes too");

static int init_changed(pthread_cond_t *changed) {
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    if (failed)
        return failed;
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!failed)
        failed = pthread_cond_init(changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed;
}

inbox *inbox_new(void) {
    inbox *i = malloc(sizeof *i);
    if (i == NULL)
        return NULL;
    memset(i, 0, offsetof(inbox, slots)); /* what was never used of the slots takes no memory */
    if (pthread_mutex_init(&i->lock, NULL) != 0) {
        free(i);
        return NULL;
    }
    if (init_changed(&i->changed) != 0) {
        pthread_mutex_destroy(&i->lock);
        free(i);
        return NULL;
    }
    return i;
}

void inbox_free(inbox *i) {
    if (i == NULL)
        return;
    pthread_cond_destroy(&i->changed);
    pthread_mutex_destroy(&i->lock);
    opener_free(i->opener);
    free(i);
}

/* The end of a picture, and RTCP: neither is encrypted in these bytes (RFC 3550 5.1, RFC 5761 4). */
static bool is_urgent(const uint8_t *data, size_t bytes) { return bytes > 1 && data[1] & 0x80; }

static bool has(const inbox *i, uint64_t count) { return i->written - i->read >= count || i->urgent > i->read; }

bool inbox_put(inbox *i, const uint8_t *data, size_t bytes, double now) {
    pthread_mutex_lock(&i->lock);
    bool is_over = i->is_ended, is_awaited = false;
    bool has_room = bytes <= DATAGRAM_BYTES && i->written - i->read < INBOX_SLOTS;
    if (!is_over && has_room) {
        if (i->read == i->written)
            i->read = i->written = i->urgent = 0; /* who is kept up with has little memory */
        kept *to = &i->slots[i->written++ % INBOX_SLOTS];
        to->came_at = now;
        to->bytes = (uint32_t)bytes;
        memcpy(to->data, data, bytes);
        if (is_urgent(data, bytes))
            i->urgent = i->written;
        is_awaited = i->awaited > 0 && has(i, i->awaited);
        if (is_awaited)
            i->awaited = 0; /* woken once is enough */
    } else if (!is_over) {
        i->dropped++;
    }
    pthread_mutex_unlock(&i->lock);
    if (is_awaited)
        pthread_cond_signal(&i->changed);
    return !is_over;
}

static void end(inbox *i, bool for_good) {
    pthread_mutex_lock(&i->lock);
    i->is_ended = true;
    i->is_closed = i->is_closed || for_good;
    pthread_mutex_unlock(&i->lock);
    pthread_cond_signal(&i->changed);
}

void inbox_end(inbox *i) { end(i, false); }

void inbox_close(inbox *i) { end(i, true); }

uint64_t inbox_dropped(inbox *i) {
    pthread_mutex_lock(&i->lock);
    uint64_t dropped = i->dropped;
    pthread_mutex_unlock(&i->lock);
    return dropped;
}

uint64_t inbox_refused(inbox *i) {
    pthread_mutex_lock(&i->lock);
    uint64_t refused = i->refused;
    pthread_mutex_unlock(&i->lock);
    return refused;
}

bool inbox_open_with(inbox *i, opener *o) {
    pthread_mutex_lock(&i->lock);
    bool is_first = i->opener == NULL;
    if (is_first)
        i->opener = o;
    pthread_mutex_unlock(&i->lock);
    return is_first;
}

static struct timespec after(struct timespec at, double seconds) {
    seconds = seconds > 0.0 ? fmin(seconds, MAX_WAIT_S) : 0.0; /* nor is it NaN now */
    double whole = floor(seconds);
    at.tv_sec += (time_t)whole;
    at.tv_nsec += (long)((seconds - whole) * 1e9);
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

static bool is_before(struct timespec a, struct timespec b) {
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/* Sleep until so many are there, it has ended or the moment has come. Under the lock. */
static void await(inbox *i, uint64_t count, const struct timespec *until) {
    int failed = 0;
    while (!has(i, count) && !i->is_ended && !failed) {
        i->awaited = count;
        failed = pthread_cond_timedwait(&i->changed, &i->lock, until);
    }
    i->awaited = 0;
}

/* Returns how many could not be opened. Without the lock, as they are of who takes. */
static int open_all(inbox *i, int count, opener *with) {
    int refused = 0;
    for (int n = 0; n < count; n++) {
        kept *one = &i->slots[(i->read + (uint64_t)n) % INBOX_SLOTS];
        int size = opener_open(with, one->data, one->bytes);
        refused += size < 0;
        one->bytes = size < 0 ? 0 : (uint32_t)size;
    }
    return refused;
}

int inbox_wait(inbox *i, int most, double seconds, double pause) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct timespec until = after(now, seconds);
    pthread_mutex_lock(&i->lock);
    if (i->is_taken) {
        pthread_mutex_unlock(&i->lock);
        return -1;
    }
    i->is_taken = true;
    struct timespec again = after(i->taken_at, pause);
    if (is_before(until, again))
        again = until;
    if (is_before(now, again))
        await(i, (uint64_t)most, &again);
    int count = 0, refused = 0;
    do { /* until one can be opened */
        i->read += (uint64_t)count;
        await(i, 1, &until);
        uint64_t kept = i->is_closed ? 0 : i->written - i->read;
        count = most < (int)kept ? most : (int)kept;
        opener *with = i->opener;
        if (count > 0)
            clock_gettime(CLOCK_MONOTONIC, &i->taken_at);
        pthread_mutex_unlock(&i->lock);
        refused = with != NULL ? open_all(i, count, with) : 0;
        pthread_mutex_lock(&i->lock);
        i->refused += (uint64_t)refused;
    } while (count > 0 && refused == count);
    pthread_mutex_unlock(&i->lock);
    return count;
}

const uint8_t *inbox_at(const inbox *i, int n, size_t *bytes, double *came_at) {
    const kept *from = &i->slots[(i->read + (uint64_t)n) % INBOX_SLOTS];
    *bytes = from->bytes;
    *came_at = from->came_at;
    return from->data;
}

void inbox_release(inbox *i, int count) {
    pthread_mutex_lock(&i->lock);
    i->read += (uint64_t)count;
    i->is_taken = false;
    pthread_mutex_unlock(&i->lock);
}
