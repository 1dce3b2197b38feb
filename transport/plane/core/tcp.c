/* Viewers behind firewalls that let no UDP through: ICE-TCP, passive side (RFC 6544), two bytes of length before
 * each datagram (RFC 4571). Here buffers grow and shrink; it is the slower way. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "plane.h"
#include "wire.h"

#define MAX_UNPROVEN 256
#define PROOF_S 10.0
/* With more than this waiting, a connection takes no new access unit. */
#define MAX_BACKLOG_BYTES (512 * 1024)
/* What no viewer reaches by following that rule; reports and answers alone must not grow without end either. */
#define MAX_BUFFER_BYTES (32 * 1024 * 1024)
#define FIRST_CAPACITY (64 * 1024)
/* Answers to somebody who has proved nothing; who does not read them is no viewer. */
#define MAX_STRANGER_BYTES 4096

static void mark_dirty(shard *s, conn *c) {
    if (!c->is_dirty) {
        c->is_dirty = true;
        c->next_dirty = s->dirty;
        s->dirty = c;
    }
}

static void list(shard *s, conn *c) {
    c->next = s->conns;
    c->where = &s->conns;
    if (c->next != NULL)
        c->next->where = &c->next;
    s->conns = c;
}

static void unlist(conn *c) {
    if (c->where != NULL) {
        *c->where = c->next;
        if (c->next != NULL)
            c->next->where = c->where;
        c->where = NULL;
    }
}

static void prove(plane *p, conn *c) {
    if (c->is_counted) {
        c->is_counted = false;
        __atomic_sub_fetch(&p->unproven, 1, __ATOMIC_RELAXED);
    }
}

/* Of whoever does not read nothing is read either: every check would add an answer to what waits. */
static void watch(shard *s, conn *c) {
    uint32_t events = (conn_room(c) > 0 ? EPOLLIN : 0) | (c->out_bytes > 0 ? EPOLLOUT : 0);
    if (c->is_registered && events == c->watched)
        return;
    struct epoll_event wanted = {.events = events, .data.ptr = c};
    if (epoll_ctl(s->epoll_fd, c->is_registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &wanted) == 0) {
        c->is_registered = true;
        c->watched = events;
    } else {
        c->is_open = false;
        mark_dirty(s, c);
    }
}

static void flush(conn *c) {
    while (c->is_open && c->out_bytes > 0) {
        ssize_t sent = send(c->fd, c->out + c->out_first, c->out_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                c->is_open = false;
            return;
        }
        c->out_first += (size_t)sent;
        c->out_bytes -= (size_t)sent;
    }
    if (c->out_bytes == 0) {
        c->out_first = 0;
        if (c->out_capacity > FIRST_CAPACITY) { /* a backlog was there; a viewer that keeps up needs little */
            free(c->out);
            c->out = NULL;
            c->out_capacity = 0;
        }
    }
}

/* Whether two addresses are likely to be of one machine, or of machines that one person has. */
static bool same_network(const address *a, const address *b) {
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    /* A wrapped IPv4 address has something to tell it by in the last half only. */
    size_t bytes = IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr) ? 16 : 8;
    return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, bytes) == 0;
}

/* End a connection that has proved nothing, so that whoever floods us keeps nobody else out: of the network that has
 * most of them, the one that is there longest. False if this shard has none. */
static bool make_room(shard *s) {
    conn *strangers[2 * MAX_UNPROVEN], *chosen = NULL;
    int count = 0, most = 0;
    for (conn *c = s->conns; c != NULL && count < 2 * MAX_UNPROVEN; c = c->next)
        if (c->owner == NULL && c->is_open)
            strangers[count++] = c;
    for (int n = 0; n < count; n++) {
        int alike = 0;
        for (int m = 0; m < count; m++)
            alike += same_network(&strangers[n]->from, &strangers[m]->from);
        if (alike >= most) { /* the list begins with the newest */
            most = alike;
            chosen = strangers[n];
        }
    }
    if (chosen == NULL)
        return false;
    conn_mark_closed(s, chosen);
    return true;
}

void conn_accept(shard *s, int listener, double now) {
    address from;
    socklen_t size = sizeof from;
    int fd = accept4(s->plane->tcp[listener], &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* What stays in the backlog would wake us without end. */
            struct timespec pause = {0, 1000000};
            nanosleep(&pause, NULL);
        }
        return;
    }
    bool is_known = from.any.sa_family == AF_INET || from.any.sa_family == AF_INET6;
    bool has_room = __atomic_load_n(&s->plane->unproven, __ATOMIC_RELAXED) < MAX_UNPROVEN;
    conn *c = is_known && (has_room || make_room(s)) ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        close(fd);
        return;
    }
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    c->fd = fd;
    c->from = from;
    c->opened_at = now;
    c->is_open = c->is_counted = true;
    __atomic_add_fetch(&s->plane->unproven, 1, __ATOMIC_RELAXED);
    list(s, c);
    watch(s, c);
}

void conn_leave(shard *s, conn *c) {
    flush(c);
    unlist(c);
    for (conn **at = &s->dirty; *at != NULL; at = &(*at)->next_dirty) {
        if (*at == c) {
            *at = c->next_dirty;
            break;
        }
    }
    c->is_dirty = false;
    if (c->is_registered)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    c->is_registered = false;
}

/* Cut off whole datagrams, the first one at the start of the buffer. */
static void take_frames(shard *s, conn *c, double now) {
    while (c->is_open && c->in_bytes >= 2) {
        size_t size = take16(c->in);
        if (size == 0 || size > DATAGRAM_BYTES) { /* nothing later can be understood */
            plane_garbage(s->plane);
            conn_mark_closed(s, c);
            return;
        }
        if (c->in_bytes - 2 < size)
            return;
        uint8_t datagram[DATAGRAM_BYTES];
        memcpy(datagram, c->in + 2, size);
        if (!receive_datagram(s, c->owner, datagram, size, -1, &c->from, c, now))
            return; /* another shard's now, which begins with this frame */
        c->in_bytes -= 2 + size;
        memmove(c->in, c->in + 2 + size, c->in_bytes);
    }
}

void conn_adopt(shard *s, conn *c, double now) {
    list(s, c);
    if (!c->is_open) { /* it failed when the shard before sent its last answers */
        mark_dirty(s, c);
        return;
    }
    watch(s, c);
    take_frames(s, c, now);
}

void conn_ready(shard *s, conn *c, uint32_t events, double now) {
    if (!c->is_open)
        return;
    if (events & EPOLLOUT)
        mark_dirty(s, c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t got = recv(c->fd, c->in + c->in_bytes, sizeof c->in - c->in_bytes, MSG_DONTWAIT);
        if (got > 0) {
            c->in_bytes += (size_t)got;
            take_frames(s, c, now); /* may be the last that this shard sees of it */
        } else if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            c->is_open = false;
            mark_dirty(s, c);
        }
    }
}

void conn_buffer(shard *s, conn *c, const uint8_t *data, size_t bytes) {
    size_t needed = c->out_bytes + bytes + 2;
    mark_dirty(s, c);
    if (needed > (c->owner != NULL ? MAX_BUFFER_BYTES : MAX_STRANGER_BYTES)) {
        c->is_open = false;
        return;
    }
    if (c->out_first + needed > c->out_capacity && c->out_first > 0) {
        memmove(c->out, c->out + c->out_first, c->out_bytes);
        c->out_first = 0;
    }
    if (needed > c->out_capacity) {
        size_t capacity = c->out_capacity > 0 ? c->out_capacity : FIRST_CAPACITY;
        while (capacity < needed)
            capacity *= 2;
        uint8_t *larger = realloc(c->out, capacity);
        if (larger == NULL) {
            c->is_open = false;
            return;
        }
        c->out = larger;
        c->out_capacity = capacity;
    }
    uint8_t *at = c->out + c->out_first + c->out_bytes;
    put16(at, (uint16_t)bytes);
    memcpy(at + 2, data, bytes);
    c->out_bytes = needed;
}

size_t conn_room(const conn *c) { return c->out_bytes < MAX_BACKLOG_BYTES ? MAX_BACKLOG_BYTES - c->out_bytes : 0; }

void conn_mark_closed(shard *s, conn *c) {
    flush(c);
    c->is_open = false;
    mark_dirty(s, c);
}

void conn_discard(plane *p, conn *c) {
    prove(p, c);
    close(c->fd);
    free(c->out);
    free(c);
}

static void destroy(shard *s, conn *c) {
    unlist(c);
    conn_discard(s->plane, c);
}

void conn_flush_all(shard *s, double now) {
    while (s->dirty != NULL) {
        conn *c = s->dirty;
        s->dirty = c->next_dirty;
        c->is_dirty = false;
        if (c->owner != NULL)
            prove(s->plane, c);
        flush(c);
        if (c->is_open) {
            watch(s, c);
            continue;
        }
        peer *owner = c->owner;
        if (owner != NULL) {
            route *lost = c->route;
            c->owner = NULL;
            seat_lose_route(s, owner, lost, now);
            if (owner->selected == NULL)
                seat_lose(s, owner);
        }
        if (c->is_dirty) { /* the loss put it there again */
            for (conn **at = &s->dirty; *at != NULL; at = &(*at)->next_dirty) {
                if (*at == c) {
                    *at = c->next_dirty;
                    break;
                }
            }
        }
        destroy(s, c);
    }
}

void conn_expire(shard *s, double now) {
    for (conn *c = s->conns; c != NULL; c = c->next)
        if (c->owner == NULL && c->is_open && now >= c->opened_at + PROOF_S)
            conn_mark_closed(s, c);
}

void conn_close_all(shard *s) {
    s->dirty = NULL;
    while (s->conns != NULL) {
        flush(s->conns);
        destroy(s, s->conns);
    }
}
