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
    uint32_t bytes;
    uint8_t data[DATAGRAM_BYTES];
} kept;

struct inbox {
    pthread_mutex_t lock; /* all of it, but the slots that are being taken */
    pthread_cond_t changed;
    uint64_t read, written, dropped;
    bool is_ended, is_closed, is_taken;
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
    free(i);
}

bool inbox_put(inbox *i, const uint8_t *data, size_t bytes) {
    pthread_mutex_lock(&i->lock);
    bool is_over = i->is_ended;
    bool has_room = bytes <= DATAGRAM_BYTES && i->written - i->read < INBOX_SLOTS;
    if (!is_over && has_room) {
        if (i->read == i->written)
            i->read = i->written = 0; /* who is kept up with has little memory */
        kept *to = &i->slots[i->written++ % INBOX_SLOTS];
        to->bytes = (uint32_t)bytes;
        memcpy(to->data, data, bytes);
    } else if (!is_over) {
        i->dropped++;
    }
    pthread_mutex_unlock(&i->lock);
    if (!is_over && has_room)
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

static struct timespec after(double seconds) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
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

int inbox_wait(inbox *i, int most, double seconds) {
    struct timespec until = after(seconds);
    int failed = 0;
    pthread_mutex_lock(&i->lock);
    if (i->is_taken) {
        pthread_mutex_unlock(&i->lock);
        return -1;
    }
    i->is_taken = true;
    while (i->read == i->written && !i->is_ended && !failed)
        failed = pthread_cond_timedwait(&i->changed, &i->lock, &until);
    uint64_t count = i->is_closed ? 0 : i->written - i->read;
    pthread_mutex_unlock(&i->lock);
    return most < (int)count ? most : (int)count;
}

const uint8_t *inbox_at(const inbox *i, int n, size_t *bytes) {
    const kept *from = &i->slots[(i->read + (uint64_t)n) % INBOX_SLOTS];
    *bytes = from->bytes;
    return from->data;
}

void inbox_release(inbox *i, int count) {
    pthread_mutex_lock(&i->lock);
    i->read += (uint64_t)count;
    i->is_taken = false;
    pthread_mutex_unlock(&i->lock);
}
