/* What the plane tells Python. */
#ifndef PLANE_EVENTS_H
#define PLANE_EVENTS_H

#include "feed.h"
#include "peer.h"

#define EVENT_SLOTS 2048
/* Of one viewer, so that nobody takes all the slots: more than any handshake sends before it waits for an answer. */
#define MAX_DTLS_UNREAD 32

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

void event_dtls(plane *p, peer *from, const uint8_t *data, size_t bytes);
void event_moved(plane *p, peer *moved, const route *to);
void event_keyframe(plane *p, feed *f, double now);
void event_lost(plane *p, peer *lost);
/* Take one, with its reference; 0 if there is none. */
int event_take(plane *p, event *out);

#endif
