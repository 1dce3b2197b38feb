/* Making and ending a plane, and what any thread may ask of it. */
#define _GNU_SOURCE
#include "plane.h"
#include "slab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

double plane_now(plane *p) {
    if (p->clock != NULL)
        return p->clock(p->clock_context);
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double plane_wall(plane *p) {
    if (p->wall_clock != NULL)
        return p->wall_clock(p->clock_context);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void plane_garbage(plane *p) { __atomic_add_fetch(&p->garbage, 1, __ATOMIC_RELAXED); }

void plane_fail_sends(plane *p, int error, int count, bool only_runs) {
    __atomic_store_n(&p->fail_errno, error, __ATOMIC_RELAXED);
    __atomic_store_n(&p->fail_only_runs, only_runs, __ATOMIC_RELAXED);
    __atomic_store_n(&p->fail_count, count, __ATOMIC_RELEASE);
}

void plane_send_one_by_one(plane *p, bool is_on) { __atomic_store_n(&p->short_count, is_on, __ATOMIC_RELAXED); }

static int watch(int epoll_fd, int fd, uint64_t tag) {
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = tag};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &wanted);
}

int watch_udp(const shard *s, int socket, bool is_new) {
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)socket + 1};
    return epoll_ctl(s->epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s->plane->udp[socket], &wanted);
}

static int open_shard(plane *p, int number) {
    shard *s = &p->shards[number];
    s->plane = p;
    s->number = number;
    s->commands_end = &s->commands;
    s->written_end = &s->written;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->ring = calloc(RING_SLOTS, sizeof *s->ring);
    s->batch = malloc(BATCH_BYTES);
    s->received = malloc(RECEIVE_MESSAGES * sizeof *s->received);
    s->taken = malloc(sizeof *s->taken);
    if (s->epoll_fd < 0 || s->wake_fd < 0 || s->ring == NULL || s->batch == NULL || s->received == NULL ||
        s->taken == NULL || pthread_mutex_init(&s->lock, NULL) != 0)
        return -1;
    int failed = watch(s->epoll_fd, s->wake_fd, 0);
    if (number == 0) { /* one thread receives; what is another's goes to its inbox */
        for (int n = 0; n < p->udp_count; n++)
            failed |= watch_udp(s, n, true);
        for (int n = 0; n < p->tcp_count; n++)
            failed |= watch(s->epoll_fd, p->tcp[n], (uint64_t)(n + 1 + MAX_SOCKETS));
    }
    return failed ? -1 : 0;
}

plane *plane_new(const int *udp, int udp_count, const int *tcp, int tcp_count, int threads) {
    plane *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->refs = 1;
    p->shards_count = threads;
    p->udp_count = udp_count;
    p->tcp_count = tcp_count;
    for (int n = 0; n < udp_count; n++) {
        p->udp[n] = udp[n];
        p->has_gso[n] = true; /* until the kernel says otherwise */
    }
    for (int n = 0; n < tcp_count; n++)
        p->tcp[n] = tcp[n];
    for (int n = 0; n < MAX_SHARDS; n++)
        p->shards[n].epoll_fd = p->shards[n].wake_fd = -1;
    p->wanted_end = &p->wanted;
    p->news_end = &p->news;
    p->events_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    p->events = calloc(EVENT_SLOTS, sizeof *p->events);
    int failed = p->events_fd < 0 || p->events == NULL || pthread_mutex_init(&p->tables_lock, NULL) != 0 ||
                 pthread_mutex_init(&p->events_lock, NULL) != 0;
    for (int n = 0; n < threads && !failed; n++)
        failed = open_shard(p, n) < 0;
    if (failed) {
        plane_release(p);
        return NULL;
    }
    return p;
}

plane *plane_hold(plane *p) {
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

static void close_if_open(int fd) {
    if (fd >= 0)
        close(fd);
}

static void drop_events(plane *p) {
    while (p->wanted != NULL) {
        feed *f = p->wanted;
        p->wanted = f->next_wanted;
        feed_release(f);
    }
}

void plane_release(plane *p) {
    if (p == NULL || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (int n = 0; n < p->shards_count; n++) {
        shard *s = &p->shards[n];
        close_if_open(s->epoll_fd);
        close_if_open(s->wake_fd);
        free(s->ring);
        free(s->batch);
        free(s->received);
        free(s->taken);
    }
    close_if_open(p->events_fd);
    drop_events(p);
    free(p->events);
    free(p);
}

void plane_stop(plane *p) {
    __atomic_store_n(&p->is_stopping, true, __ATOMIC_SEQ_CST);
    for (int n = 0; n < p->shards_count; n++)
        wake(&p->shards[n]);
}

_Static_assert(sizeof(peer) <= SLAB_MAX_BYTES && sizeof(outgoing) <= SLAB_MAX_BYTES, "a viewer fits the slab");

peer *peer_new(plane *p, uint64_t id, double now, bool collects) {
    peer *made = slab_take(sizeof *made);
    if (made == NULL)
        return NULL;
    made->refs = 1;
    made->plane = plane_hold(p);
    made->id = id;
    made->shard = &p->shards[id % (uint64_t)p->shards_count];
    made->consent_at = now + p->consent_s;
    made->tick_at = now;
    made->budget.tokens = MIN_RTX_BYTES_PER_S;
    made->budget.filled_at = now;
    if (collects && (made->inbox = inbox_new()) == NULL) {
        peer_release(made);
        return NULL;
    }
    return made;
}

peer *peer_hold(peer *p) {
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void peer_release(peer *p) {
    if (p == NULL || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    /* There are some if the plane ended before the viewer; then nobody looks for them any more. */
    tables_forget(p->plane, p);
    plane_release(p->plane);
    inbox_free(p->inbox);
    slab_give(p);
}

_Static_assert(sizeof(counters) % sizeof(uint64_t) == 0, "counters are whole words");

void peer_counters(const peer *p, counters *out) {
    const uint64_t *from = (const uint64_t *)&p->counters;
    uint64_t *to = (uint64_t *)out;
    for (size_t n = 0; n < sizeof *out / sizeof *to; n++)
        to[n] = __atomic_load_n(&from[n], __ATOMIC_RELAXED);
}

void wake(shard *s) {
    __atomic_add_fetch(&s->plane->wakes, 1, __ATOMIC_RELAXED);
    (void)!eventfd_write(s->wake_fd, 1);
}

command *command_new(int kind, peer *p, size_t bytes) {
    command *c = calloc(1, sizeof *c + bytes);
    if (c == NULL)
        return NULL;
    c->kind = kind;
    c->peer = p != NULL ? peer_hold(p) : NULL;
    c->bytes = bytes;
    return c;
}

void command_free(command *c) {
    outgoing_free(c->outgoing);
    free(c->rtx);
    srtp_free(c->srtp);
    subscription_release(c->subscription);
    feed_release(c->feed);
    peer_release(c->peer);
    free(c);
}

static bool add_command(shard *s, command *c, bool is_urgent) {
    pthread_mutex_lock(&s->lock);
    bool is_over = s->is_over, is_first = is_urgent && !s->is_awake;
    if (!is_over) {
        s->is_awake = s->is_awake || is_urgent;
        *s->commands_end = c;
        s->commands_end = &c->next;
    }
    pthread_mutex_unlock(&s->lock);
    if (is_over)
        command_free(c);
    return !is_over && is_first;
}

void shard_command(shard *s, command *c) {
    if (add_command(s, c, true))
        wake(s);
}

void shard_command_later(shard *s, command *c) { add_command(s, c, false); }

void plane_delays(plane *p, uint64_t counts[DELAY_BUCKETS]) {
    memset(counts, 0, DELAY_BUCKETS * sizeof counts[0]);
    for (int n = 0; n < p->shards_count; n++)
        for (int bucket = 0; bucket < DELAY_BUCKETS; bucket++)
            counts[bucket] += __atomic_load_n(&p->shards[n].delays[bucket], __ATOMIC_RELAXED);
}

bool plane_lingers(plane *p) {
    for (int n = 0; n < p->shards_count; n++)
        if (__atomic_load_n(&p->shards[n].peers_count, __ATOMIC_RELAXED) >= MANY_PEERS)
            return true;
    return false;
}

void feed_announce(plane *p, feed *f, double now) {
    for (int n = 0; n < p->shards_count; n++) {
        shard *s = &p->shards[n];
        pthread_mutex_lock(&s->lock);
        bool is_first = false;
        if (!s->is_over && !f->shards[n].announced) {
            f->shards[n].announced = true;
            f->shards[n].announced_at = now;
            f->shards[n].next_written = NULL;
            *s->written_end = feed_hold(f);
            s->written_end = &f->shards[n].next_written;
            /* A thread that waits for company for what was written before looks again by itself. */
            is_first = !s->is_awake && s->linger_until == 0.0;
            s->is_awake = s->is_awake || is_first;
        }
        pthread_mutex_unlock(&s->lock);
        if (is_first)
            wake(s);
    }
}
