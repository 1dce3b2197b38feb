/* A shard's thread: waits, takes what came in, sends what is due. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "plane.h"

#define EPOLL_EVENTS 64
/* Also how late a clock that is not the system's may be noticed. */
#define MAX_WAIT_S 0.25
/* With many viewers, what was written waits for what is written next: a picture and the sound that comes with it, or
 * two packets of sound, cost little more than one. */
#define LINGER_S 0.0015
/* What many viewers send waits for what others send, and for a picture that is to be sent. */
#define READ_EVERY_S 0.005
/* Viewers whose time has come are served so many at a time: the rest of a large picture for all of them takes longer
 * than the sound and the next picture may wait. */
#define TIMERS_AT_ONCE 32
/* So far ahead the list of a feed's viewers is fetched. */
#define AHEAD 8

static void settle(shard *s, peer *p) {
    pthread_mutex_lock(&s->lock);
    p->is_settled = true;
    pthread_mutex_unlock(&s->lock);
}

static void run_command(shard *s, command *c, double now) {
    peer *p = c->peer;
    switch (c->kind) {
    case COMMAND_ADD:
        p->is_added = true;
        p->next_of_shard = s->peers;
        p->where_in_shard = &s->peers;
        if (s->peers != NULL)
            s->peers->where_in_shard = &p->next_of_shard;
        s->peers = peer_hold(p);
        COUNT(s->peers_count, 1);
        seat_tick(s, p, now);
        viewer_schedule(s, p);
        break;
    case COMMAND_KEYS:
        if (!p->is_closed) {
            viewer_keys(s, p, c->srtp);
            c->srtp = NULL;
            settle(s, p);
            viewer_resume(s, p, now);
        }
        break;
    case COMMAND_SUBSCRIBE:
        if (!seat_is_over(p))
            viewer_subscribe(s, c, now);
        break;
    case COMMAND_SEND:
        if (p->selected != NULL && !seat_is_over(p))
            send_copy(s, p, p->selected, c->data, c->bytes);
        break;
    case COMMAND_CLOSE:
        seat_remove(s, p, c->with_bye, now);
        break;
    case COMMAND_FEED_CLOSED:
        for (attachment *a = c->feed->shards[s->number].subscribers, *next; a != NULL; a = next) {
            next = a->next;
            /* One that waits to move need not wait for a keyframe now. */
            viewer_pull(s, a->outgoing->peer, a->outgoing, now);
        }
        break;
    }
}

void shard_drain_commands(shard *s, double now) {
    pthread_mutex_lock(&s->lock);
    command *c = s->commands;
    s->commands = NULL;
    s->commands_end = &s->commands;
    pthread_mutex_unlock(&s->lock);
    while (c != NULL) {
        command *next = c->next;
        run_command(s, c, now);
        command_free(c);
        c = next;
    }
}

static void drain_ring(shard *s, uint64_t until, double now) {
    while (s->ring_read != until) {
        slot *t = s->taken;
        pthread_mutex_lock(&s->lock);
        const slot *from = &s->ring[s->ring_read++ % RING_SLOTS];
        memcpy(t, from, offsetof(slot, data) + from->bytes);
        t->peer->posted--;
        pthread_mutex_unlock(&s->lock);
        receive_datagram(s, t->peer, t->data, t->bytes, t->socket, &t->from, NULL, now);
        peer_release(t->peer);
    }
}

static peer *take_told(shard *s) {
    pthread_mutex_lock(&s->lock);
    peer *p = s->told;
    if (p != NULL) {
        s->told = p->next_told;
        p->is_told = false;
    }
    pthread_mutex_unlock(&s->lock);
    return p;
}

static void drain_told(shard *s, double now) {
    peer *p;
    while ((p = take_told(s)) != NULL) {
        seat_lose_taken(s, p, now);
        peer_release(p);
    }
}

static void drain_inbox(shard *s, double now) {
    pthread_mutex_lock(&s->lock);
    s->is_awake = false;
    uint64_t until = s->ring_written;
    conn *handed = s->handed;
    s->handed = NULL;
    pthread_mutex_unlock(&s->lock);
    /* After the others were counted: what a caller asked for before a viewer spoke takes effect before. */
    shard_drain_commands(s, now);
    drain_ring(s, until, now);
    drain_told(s, now);
    while (handed != NULL) {
        conn *c = handed;
        handed = c->next_handed;
        conn_adopt(s, c, now);
    }
}

static bool is_time_for_feeds(shard *s, double now) {
    pthread_mutex_lock(&s->lock);
    if (s->written != NULL && s->peers_count >= MANY_PEERS && s->linger_until == 0.0)
        s->linger_until = now + LINGER_S;
    bool is_time = s->written != NULL && now >= s->linger_until;
    if (is_time)
        s->linger_until = 0.0;
    pthread_mutex_unlock(&s->lock);
    return is_time;
}

static feed *take_written(shard *s) {
    feed *due = NULL;
    pthread_mutex_lock(&s->lock);
    for (feed *f = s->written, *next; f != NULL; f = next) {
        next = f->shards[s->number].next_written;
        f->shards[s->number].announced = false;
        f->shards[s->number].is_due = true;
        f->shards[s->number].due_since = f->shards[s->number].announced_at;
        f->shards[s->number].next_due = due;
        due = f;
    }
    s->written = NULL;
    s->written_end = &s->written;
    pthread_mutex_unlock(&s->lock);
    return due;
}

static void note_delay(shard *s, double seconds) {
    int bucket = seconds > DELAY_UNIT_S ? (int)fmin(ceil(8.0 * log2(seconds / DELAY_UNIT_S)), DELAY_BUCKETS - 1) : 0;
    COUNT(s->delays[bucket], 1);
}

/* Put their viewers behind `end`; returns the new end. */
static peer **list_due(attachment *subscribers, peer **end) {
    attachment *walked[AHEAD] = {0};
    unsigned n = 0;
    for (attachment *a = subscribers; a != NULL; a = a->next) {
        peer *p = a->outgoing->peer;
        __builtin_prefetch(a->ahead);
        __builtin_prefetch(a->ahead_peer);
        attachment *before = walked[n % AHEAD];
        if (before != NULL && before->ahead != a) {
            before->ahead = a;
            before->ahead_peer = p;
        }
        walked[n++ % AHEAD] = a;
        if (p->is_due)
            continue;
        p->is_due = true;
        p->next_due = NULL;
        *end = p;
        end = &p->next_due;
    }
    return end;
}

/* Viewer by viewer and not feed by feed: what is for one viewer follows each other, into one message. */
static void run_feeds(shard *s, double now) {
    feed *feeds = take_written(s);
    peer *peers = NULL, **end = &peers;
    for (feed *f = feeds; f != NULL; f = f->shards[s->number].next_due)
        end = list_due(f->shards[s->number].subscribers, end);
    for (peer *p = peers; p != NULL; p = p->next_due) {
        viewer_expect(p->next_due);
        p->is_due = false;
        viewer_pull_due(s, p, now);
    }
    send_flush(s);
    double sent_at = plane_now(s->plane);
    for (feed *f = feeds, *next; f != NULL; f = next) {
        next = f->shards[s->number].next_due;
        f->shards[s->number].is_due = false;
        if (f->shards[s->number].subscribers != NULL)
            note_delay(s, sent_at - f->shards[s->number].due_since);
        feed_release(f);
    }
}

static void run_timers(shard *s, double now) {
    peer *p;
    for (int taken = 0; taken < TIMERS_AT_ONCE && (p = timer_take(s, now)) != NULL; taken++) {
        seat_tick(s, p, now);
        for (outgoing *o = p->outgoings; o != NULL && !seat_is_over(p); o = o->next)
            if (o->deadline <= now)
                viewer_pull(s, p, o, now);
        viewer_schedule(s, p);
    }
}

static int wait_for_events(shard *s, struct epoll_event *events) {
    double wait = MAX_WAIT_S;
    if (s->heap != NULL)
        wait = fmin(wait, s->heap->due - plane_now(s->plane));
    if (s->linger_until != 0.0)
        wait = fmin(wait, s->linger_until - plane_now(s->plane));
    if (s->unwatched != 0)
        wait = fmin(wait, s->read_at - plane_now(s->plane));
    wait = fmax(wait, 0.0);
    static bool has_pwait2 = true;
    if (__atomic_load_n(&has_pwait2, __ATOMIC_RELAXED)) {
        struct timespec timeout = {0, (long)(wait * 1e9)};
        int count = epoll_pwait2(s->epoll_fd, events, EPOLL_EVENTS, &timeout, NULL);
        if (count >= 0 || errno != ENOSYS)
            return count;
        __atomic_store_n(&has_pwait2, false, __ATOMIC_RELAXED); /* before Linux 5.11 */
    }
    return epoll_wait(s->epoll_fd, events, EPOLL_EVENTS, (int)ceil(wait * 1000));
}

static bool has_work(shard *s) {
    pthread_mutex_lock(&s->lock);
    bool found = s->commands != NULL || s->ring_read != s->ring_written || s->told != NULL || s->handed != NULL;
    /* From here on nobody puts anything in. */
    if (!found && __atomic_load_n(&s->plane->is_stopping, __ATOMIC_SEQ_CST))
        s->is_over = true;
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void read_udp(shard *s, double now) {
    s->read_at = now + READ_EVERY_S;
    for (int n = 0; n < s->plane->udp_count; n++) {
        if (!(s->unwatched & 1U << n))
            continue;
        if (receive_udp(s, n) == RECEIVE_MESSAGES) {
            s->read_at = now; /* the next turn goes on with it */
        } else if (s->peers_count < MANY_PEERS) {
            s->unwatched &= ~(1U << n);
            watch_udp(s, n, false);
        }
    }
    receive_wake_others(s);
}

static void turn(shard *s) {
    struct epoll_event events[EPOLL_EVENTS];
    int count = wait_for_events(s, events);
    double now = plane_now(s->plane);
    for (int n = 0; n < count; n++) {
        uint64_t tag = events[n].data.u64;
        if (tag == 0) {
            eventfd_t ignored;
            (void)!eventfd_read(s->wake_fd, &ignored);
        } else if (tag <= MAX_SOCKETS) {
            s->unwatched |= 1U << (tag - 1);
        } else if (tag <= 2 * MAX_SOCKETS) {
            conn_accept(s, (int)tag - 1 - MAX_SOCKETS, now);
        } else {
            shard_drain_commands(s, now);
            conn_ready(s, events[n].data.ptr, events[n].events, now);
        }
    }
    now = plane_now(s->plane);
    if (s->unwatched != 0)
        read_udp(s, now);
    drain_inbox(s, now);
    if (is_time_for_feeds(s, now))
        run_feeds(s, now);
    run_timers(s, now);
    conn_expire(s, now);
    conn_flush_all(s, now);
    send_flush(s);
}

static void leave(shard *s) {
    double now = plane_now(s->plane);
    while (s->peers != NULL)
        seat_remove(s, s->peers, false, now);
    send_flush(s);
    conn_close_all(s);
    while (s->written != NULL) {
        feed *f = s->written;
        s->written = f->shards[s->number].next_written;
        feed_release(f);
    }
}

void shard_run(shard *s) {
    char name[16]; /* at most, with the zero: see `top -H` */
    snprintf(name, sizeof name, "plane-%d", s->number);
    pthread_setname_np(pthread_self(), name);
    while (has_work(s) || !s->is_over)
        turn(s);
    leave(s);
}
