/* What the plane tells Python. DTLS repeats itself and may be dropped when nobody reads; that a viewer moved or is
 * gone or a picture is wanted is kept in the viewer and the feed themselves, so it cannot be. */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plane.h"

#define KEYFRAME_INTERVAL_S 1.0

static void tell(plane *p) {
    /* It fails only when 2**64 events are unread. */
    (void)!eventfd_write(p->events_fd, 1);
}

void event_dtls(plane *p, peer *from, const uint8_t *data, size_t bytes) {
    if (bytes > DATAGRAM_BYTES)
        return;
    pthread_mutex_lock(&p->events_lock);
    bool has_room = p->events_written - p->events_read < EVENT_SLOTS && from->dtls_unread < MAX_DTLS_UNREAD;
    if (has_room) {
        event *e = &p->events[p->events_written++ % EVENT_SLOTS];
        from->dtls_unread++;
        e->kind = EVENT_DTLS;
        e->peer = peer_hold(from);
        e->bytes = (uint32_t)bytes;
        memcpy(e->data, data, bytes);
    }
    pthread_mutex_unlock(&p->events_lock);
    if (has_room)
        tell(p);
}

static void list_news(plane *p, peer *of) {
    if (of->has_news)
        return;
    of->has_news = true;
    of->next_news = NULL;
    *p->news_end = peer_hold(of);
    p->news_end = &of->next_news;
}

void event_moved(plane *p, peer *moved, const route *to) {
    pthread_mutex_lock(&p->events_lock);
    moved->has_moved = true;
    moved->moved_to = to->address;
    moved->moved_to_tcp = to->conn != NULL;
    list_news(p, moved);
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
    lost->is_mourned = true;
    list_news(p, lost);
    pthread_mutex_unlock(&p->events_lock);
    tell(p);
}

/* The first viewer's move, or else its end; one with both stays first. */
static void take_news(plane *p, event *out) {
    peer *of = p->news;
    out->bytes = 0;
    out->peer = of;
    if (of->has_moved) {
        of->has_moved = false;
        out->kind = EVENT_MOVED;
        out->address = of->moved_to;
        out->is_tcp = of->moved_to_tcp;
        if (of->is_mourned) {
            peer_hold(of);
            return;
        }
    } else {
        of->is_mourned = false;
        out->kind = EVENT_LOST;
    }
    of->has_news = false;
    p->news = of->next_news;
    if (p->news == NULL)
        p->news_end = &p->news;
}

int event_take(plane *p, event *out) {
    int found = 1;
    out->peer = NULL;
    out->feed = NULL;
    pthread_mutex_lock(&p->events_lock);
    if (p->news != NULL) { /* first: where a viewer is before what it says from there */
        take_news(p, out);
    } else if (p->events_read != p->events_written) {
        const event *e = &p->events[p->events_read++ % EVENT_SLOTS];
        memcpy(out, e, offsetof(event, data) + e->bytes);
        out->feed = NULL;
        out->peer->dtls_unread--;
    } else if (p->wanted != NULL) {
        feed *f = p->wanted;
        p->wanted = f->next_wanted;
        if (p->wanted == NULL)
            p->wanted_end = &p->wanted;
        f->is_wanted = false;
        out->kind = EVENT_KEYFRAME;
        out->feed = f;
    } else {
        found = 0;
    }
    pthread_mutex_unlock(&p->events_lock);
    return found;
}
