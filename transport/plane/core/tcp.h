/* A TCP connection, over which somebody may prove to be a viewer (RFC 6544): of the shard's thread. */
#ifndef PLANE_TCP_H
#define PLANE_TCP_H

#include "peer.h"

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

#endif
