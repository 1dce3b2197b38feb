/* What the plane tells Python. DTLS and moves repeat themselves and may be dropped when nobody reads; that a
 * viewer is gone or a picture is wanted is kept in the viewer and the feed themselves, so it cannot be. */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plane.h"

#define KEYFRAME_INTERVAL_S 1.0

static void tell(plane *p) {
    /* It fails only when 2**64 events are unread. */
    (void)!eventfd_write(p->events_fd, 1);
}

static event *next_slot(plane *p) {
    if (p->events_written - p->events_read >= EVENT_SLOTS)
        return NULL;
    return &p->events[p->events_written++ % EVENT_SLOTS];
}

void event_dtls(plane *p, peer *from, const uint8_t *data, size_t bytes) {
    if (bytes > DATAGRAM_BYTES)
        return;
    pthread_mutex_lock(&p->events_lock);
    event *e = next_slot(p);
    if (e != NULL) {
        e->kind = EVENT_DTLS;
        e->peer_id = from->id;
        e->bytes = (uint32_t)bytes;
        memcpy(e->data, data, bytes);
    }
    pthread_mutex_unlock(&p->events_lock);
    tell(p);
}

void event_moved(plane *p, peer *moved, const route *to) {
    pthread_mutex_lock(&p->events_lock);
    event *e = next_slot(p);
    if (e != NULL) {
        e->kind = EVENT_MOVED;
        e->peer_id = moved->id;
        e->is_tcp = to->conn != NULL;
        e->address = to->address;
        e->bytes = 0;
    }
    pthread_mutex_unlock(&p->events_lock);
    tell(p);
}

void event_keyframe(plane *p, feed *f, double now) {
    bool is_new = false;
    pthread_mutex_lock(&p->events_lock);
    if (now - f->keyframe_wanted_at >= KEYFRAME_INTERVAL_S) {
        f->keyframe_wanted_at = now;
        if (!f->is_wanted) {
            f->is_wanted = is_new = true;
            f->next_wanted = NULL;
            *p->wanted_end = feed_hold(f);
            p->wanted_end = &f->next_wanted;
        }
    }
    pthread_mutex_unlock(&p->events_lock);
    if (is_new)
        tell(p);
}

void event_lost(plane *p, peer *lost) {
    pthread_mutex_lock(&p->events_lock);
    if (!lost->is_mourned) {
        lost->is_mourned = true;
        lost->next_mourned = NULL;
        *p->mourned_end = peer_hold(lost);
        p->mourned_end = &lost->next_mourned;
    }
    pthread_mutex_unlock(&p->events_lock);
    tell(p);
}

int event_take(plane *p, event *out) {
    peer *gone = NULL;
    int found = 1;
    pthread_mutex_lock(&p->events_lock);
    if (p->events_read != p->events_written) {
        const event *e = &p->events[p->events_read++ % EVENT_SLOTS];
        memcpy(out, e, offsetof(event, data) + e->bytes);
        out->feed = NULL;
    } else if (p->wanted != NULL) {
        feed *f = p->wanted;
        p->wanted = f->next_wanted;
        if (p->wanted == NULL)
            p->wanted_end = &p->wanted;
        f->is_wanted = false;
        out->kind = EVENT_KEYFRAME;
        out->feed = f;
    } else if (p->mourned != NULL) {
        gone = p->mourned;
        p->mourned = gone->next_mourned;
        if (p->mourned == NULL)
            p->mourned_end = &p->mourned;
        gone->is_mourned = false;
        out->kind = EVENT_LOST;
        out->peer_id = gone->id;
        out->feed = NULL;
    } else {
        found = 0;
    }
    pthread_mutex_unlock(&p->events_lock);
    peer_release(gone);
    return found;
}
