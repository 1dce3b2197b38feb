/* Whose thread has a shard's turn.
 *
 * Every shard has a thread. But to wake a thread costs as much as to send five viewers a picture, and two threads that
 * send at once hinder each other. So the first one, which receives, serves the other shards along with its own, and the
 * others sleep, unless there is so much to send that it would be long at it, or it falls behind, or a shard has viewers on
 * TCP.
 *
 * A shard that is served by the first thread is watched by its own from afar: it looks in GRACE_S after it was due. Whoever
 * finds a turn taken goes on. That nothing is forgotten then is up to a shard's own thread, which looks for what nobody was
 * woken for (`has_unheard`) after its turn and before it waits.
 */
#define _GNU_SOURCE
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "plane.h"

/* Also how late a clock that is not the system's may be noticed. */
#define MAX_WAIT_S 0.25
/* For so long the first thread leaves a shard alone when it is behind with it. */
#define OWN_S 5.0
#define GRACE_S 0.1

static double noted(const double *value) {
    double now;
    __atomic_load(value, &now, __ATOMIC_RELAXED);
    return now;
}

static bool was_led(shard *s) { return __atomic_load_n(&s->was_led, __ATOMIC_RELAXED); }

static double wake_at(shard *s) {
    double at = noted(&s->due_at);
    if (s->number != 0)
        return was_led(s) ? at + GRACE_S : at;
    for (int n = 1; n < s->plane->shards_count; n++)
        if (was_led(&s->plane->shards[n]))
            at = fmin(at, noted(&s->plane->shards[n].due_at));
    return at;
}

static bool has_unheard(shard *s) {
    pthread_mutex_lock(&s->lock);
    bool found = s->has_unheard;
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* They stay where they are: who has the turn takes them, which need not be us by then. */
static void wait_for_events(shard *s) {
    if (has_unheard(s))
        return;
    double wait = fmax(0.0, fmin(MAX_WAIT_S, wake_at(s) - plane_now(s->plane)));
    struct timespec timeout = {0, (long)(wait * 1e9)};
    struct pollfd any = {.fd = s->epoll_fd, .events = POLLIN};
    (void)!ppoll(&any, 1, &timeout, NULL);
}

static bool has_work(shard *s) {
    pthread_mutex_lock(&s->lock);
    bool found = s->commands != NULL || s->ring_read != s->ring_written || s->handed != NULL;
    /* From here on nobody puts anything in. */
    if (!found && __atomic_load_n(&s->plane->is_stopping, __ATOMIC_SEQ_CST))
        s->is_over = true;
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void take_turn(shard *s) {
    pthread_mutex_lock(&s->turn);
    NOTE(s->was_led, false);
    shard_events(s);
    shard_serve(s);
    pthread_mutex_unlock(&s->turn);
}

/* Of the first thread, when what was written has waited for company: wake those that have a part in what is much to
 * send. Not before, for then they would wake by their clocks, on whatever processor they fell asleep. */
static void share_out(plane *p) {
    const shard *first = &p->shards[0];
    uint64_t packets = 0;
    for (int n = 0; n < p->shards_count; n++) {
        pthread_mutex_lock(&p->shards[n].lock);
        packets += p->shards[n].written_packets;
        pthread_mutex_unlock(&p->shards[n].lock);
    }
    if ((double)packets * first->packet_s <= noted(&p->alone_s) || first->linger_until == 0.0 || plane_now(p) < first->linger_until)
        return;
    for (int n = 1; n < p->shards_count; n++) {
        shard *s = &p->shards[n];
        pthread_mutex_lock(&s->lock);
        bool is_first = s->written_packets > 0 && !s->is_awake && was_led(s);
        s->is_awake = s->is_awake || is_first;
        pthread_mutex_unlock(&s->lock);
        if (is_first)
            wake(s);
    }
}

/* Of the first thread: whether a shard's own thread has to do with it for a while, which is told then. */
static bool is_left_to_its_own(shard *s) {
    double now = plane_now(s->plane);
    pthread_mutex_lock(&s->lock);
    bool is_late = s->written != NULL && now > s->written->shards[s->number].announced_at + noted(&s->plane->late_s);
    if (is_late)
        s->own_until = now + OWN_S;
    bool is_own = s->is_own = now < s->own_until;
    bool is_first = is_own && (is_late || s->has_unheard) && !s->is_awake;
    s->is_awake = s->is_awake || is_first;
    pthread_mutex_unlock(&s->lock);
    if (is_first)
        wake(s);
    return is_own;
}

/* Of the first thread: give another shard its turn, unless it has it. */
static void lead(shard *s) {
    if (is_left_to_its_own(s) || pthread_mutex_trylock(&s->turn) != 0)
        return;
    if (!s->has_left) {
        shard_serve(s);
        NOTE(s->was_led, true);
    }
    pthread_mutex_unlock(&s->turn);
}

void shard_run(shard *s) {
    char name[16]; /* at most, with the zero: see `top -H` */
    snprintf(name, sizeof name, "plane-%d", s->number);
    pthread_setname_np(pthread_self(), name);
    plane *p = s->plane;
    int led = s->number == 0 ? p->shards_count : 0;
    while (has_work(s) || !s->is_over) {
        wait_for_events(s);
        if (led > 1)
            share_out(p);
        take_turn(s);
        for (int n = 1; n < led; n++)
            lead(&p->shards[n]);
    }
    pthread_mutex_lock(&s->turn);
    shard_leave(s);
    pthread_mutex_unlock(&s->turn);
}
