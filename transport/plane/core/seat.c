/* One viewer's addresses: which it proved, which it is sent to, and how it ends. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plane.h"

#define TICK_S 0.5
/* Many viewers' ticks come with their pictures, not everybody's with the same one (RFC 3550 section 6.3.5). Where
 * there are no pictures, they come together, so often. */
#define MANY_TICK_S 1.0
#define MANY_TICK_SPREAD_S 0.25
#define TICK_GRID_S 0.05

bool seat_is_over(const peer *p) { return p->is_lost || p->is_closed; }

bool seat_can_send(const peer *p) { return p->selected != NULL && !seat_is_over(p) && p->srtp != NULL; }

route *seat_find(peer *p, int socket, const address *from, const conn *c) {
    for (int n = 0; n <= MAX_ROUTES; n++) {
        route *r = &p->routes[n];
        if (r->checked != 0 && r->conn == c && (c != NULL || (r->socket == socket && same_address(&r->address, from))))
            return r;
    }
    return NULL;
}

static route *latest(peer *p) {
    route *found = NULL;
    for (int n = 0; n <= MAX_ROUTES; n++)
        if (p->routes[n].checked != 0 && (found == NULL || p->routes[n].checked > found->checked))
            found = &p->routes[n];
    return found;
}

static void forget(shard *s, route *r) {
    if (r->conn == NULL) {
        tables_unlist_route(s->plane, r);
    } else {
        r->conn->owner = NULL;
        r->conn->route = NULL;
        r->conn = NULL;
    }
    r->checked = 0;
}

/* The ninth address: the one that was checked longest ago has to go, but the one in use. */
static void evict(shard *s, peer *p, const route *added) {
    route *oldest = NULL;
    int count = 0;
    for (int n = 0; n <= MAX_ROUTES; n++) {
        route *r = &p->routes[n];
        count += r->checked != 0;
        if (r->checked != 0 && r != p->selected && r != added && (oldest == NULL || r->checked < oldest->checked))
            oldest = r;
    }
    if (count > MAX_ROUTES && oldest != NULL) {
        conn *c = oldest->conn;
        forget(s, oldest);
        if (c != NULL)
            conn_mark_closed(s, c);
    }
}

static route *add_route(peer *p, int socket, const address *from, conn *c) {
    for (int n = 0; n <= MAX_ROUTES; n++) {
        route *r = &p->routes[n];
        if (r->checked == 0) {
            memset(r, 0, sizeof *r);
            r->owner = p;
            r->socket = socket;
            r->address = *from;
            r->conn = c;
            return r;
        }
    }
    return NULL; /* cannot be: one more than `evict` leaves */
}

void seat_checked(shard *s, peer *p, int socket, const address *from, conn *c, bool nominated, double now) {
    if (c != NULL && c->owner != NULL && c->owner != p)
        seat_lose_route(s, c->owner, c->route, now);
    route *r = seat_find(p, socket, from, c);
    if (r == NULL)
        r = add_route(p, socket, from, c);
    if (r == NULL)
        return;
    r->checked = ++p->checks;
    if (c != NULL) {
        c->owner = p;
        c->route = r;
    } else {
        peer *former = tables_list_route(s->plane, r);
        if (former != NULL && former->shard == s && former != p) {
            route *taken = seat_find(former, socket, from, NULL);
            if (taken != NULL)
                seat_lose_route(s, former, taken, now);
        } else if (former != NULL && former != p) {
            shard_tell(former);
        }
        peer_release(former);
    }
    p->consent_at = now + s->plane->consent_s;
    NOTE(p->counters.last_heard_s, now);
    bool moved = r != p->selected && (nominated || p->selected == NULL);
    if (moved) {
        p->selected = r;
        tables_publish(s->plane, p);
    }
    evict(s, p, r);
    if (moved) {
        event_moved(s->plane, p, r);
        viewer_resume(s, p, now);
    }
}

void seat_lose_route(shard *s, peer *p, route *r, double now) {
    bool was_selected = r == p->selected;
    forget(s, r);
    if (!was_selected)
        return;
    p->selected = latest(p);
    tables_publish(s->plane, p);
    if (p->selected != NULL && !seat_is_over(p)) {
        event_moved(s->plane, p, p->selected);
        viewer_resume(s, p, now);
    }
}

static bool is_taken(plane *p, route *r) { return r->checked != 0 && r->conn == NULL && !tables_is_listed(p, r); }

void seat_lose_taken(shard *s, peer *p, double now) {
    for (int n = 0; n <= MAX_ROUTES; n++)
        if (&p->routes[n] != p->selected && is_taken(s->plane, &p->routes[n]))
            seat_lose_route(s, p, &p->routes[n], now);
    /* Last, as one of the others takes its place. */
    if (p->selected != NULL && is_taken(s->plane, p->selected))
        seat_lose_route(s, p, p->selected, now);
}

void seat_lose(shard *s, peer *p) {
    if (!seat_is_over(p)) {
        p->is_lost = true;
        viewer_detach(s, p);
        timer_cancel(s, p);
        if (p->inbox != NULL)
            inbox_end(p->inbox);
        event_lost(s->plane, p);
    }
}

void seat_remove(shard *s, peer *p, bool with_bye, double now) {
    if (p->is_closed || !p->is_added)
        return;
    if (with_bye && seat_can_send(p))
        viewer_bye(s, p, now);
    send_flush(s); /* messages point to the viewer */
    p->is_closed = true;
    viewer_detach(s, p);
    timer_cancel(s, p);
    p->selected = NULL;
    tables_publish(s->plane, p);
    for (int n = 0; n <= MAX_ROUTES; n++) {
        route *r = &p->routes[n];
        if (r->checked != 0) {
            conn *c = r->conn;
            forget(s, r);
            if (c != NULL)
                conn_mark_closed(s, c);
        }
    }
    p->last_outgoing = NULL;
    while (p->outgoings != NULL) {
        outgoing *o = p->outgoings;
        p->outgoings = o->next;
        outgoing_free(o);
    }
    while (p->rtx != NULL) {
        rtx_stream *next = p->rtx->next;
        free(p->rtx);
        p->rtx = next;
    }
    srtp_free(p->srtp);
    p->srtp = NULL;
    COUNT(s->peers_count, -1);
    *p->where_in_shard = p->next_of_shard;
    if (p->next_of_shard != NULL)
        p->next_of_shard->where_in_shard = p->where_in_shard;
    peer_release(p);
}

void seat_tick(shard *s, peer *p, double now) {
    if (seat_is_over(p) || now < p->tick_at)
        return;
    if (now >= p->consent_at) {
        seat_lose(s, p);
        return;
    }
    viewer_report(s, p, now);
    double next = now + TICK_S;
    if (s->peers_count >= MANY_PEERS)
        next = now + MANY_TICK_S + MANY_TICK_SPREAD_S * fmod((double)p->id * 0.618 + now, 1.0);
    p->tick_at = fmin(next, p->consent_at);
}

double seat_rings_at(const shard *s, const peer *p) {
    return s->peers_count >= MANY_PEERS ? (ceil(p->tick_at / TICK_GRID_S) + 1) * TICK_GRID_S : p->tick_at;
}
