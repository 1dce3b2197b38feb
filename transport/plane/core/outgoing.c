#include "outgoing.h"

#include <math.h>
#include <string.h>

#include "slab.h"
#include "wire.h"

/* Packets that go out together, and the most time between two such runs and from first to last of a unit. */
#define RUN_PACKETS 8
#define RUN_GAP_S 0.001
#define MAX_SPREAD_S 0.020
/* Runs that are closer than this are sent as one: no clock tells them apart. */
#define MIN_GAP_S 0.00001
/* Units up to this size are not paced at all. */
#define UNPACED_PACKETS (2 * RUN_PACKETS)
/* A keyframe this fresh is as good as the next one when a subscription moves. */
#define FRESH_KEYFRAME_S 0.5
/* How long a backlog waits for a TCP connection before it is given up, and how often it looks. */
#define MAX_BURST_DELAY_S 3.0
#define BLOCKED_RETRY_S 0.01

subscription *subscription_hold(subscription *s) {
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void subscription_release(subscription *s) {
    if (s != NULL && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
        slab_give(s);
}

static segment *last_segment(const outgoing *o) {
    return (segment *)&o->segments[(o->segments_first + o->segments_count - 1) % MAX_SEGMENTS];
}

static void clear_segment(segment *s) {
    subscription_release(s->subscription);
    feed_release(s->feed);
    memset(s, 0, sizeof *s);
}

static void clear_waiting(outgoing *o) {
    subscription_release(o->waiting_subscription);
    feed_release(o->waiting_feed);
    o->waiting_subscription = NULL;
    o->waiting_feed = NULL;
}

static void wait_for(outgoing *o, subscription *s, feed *f, int64_t from) {
    subscription_hold(s);
    feed_hold(f);
    clear_waiting(o);
    o->waiting_subscription = s;
    o->waiting_feed = f;
    o->waiting_from = from;
}

outgoing *outgoing_new(struct peer *peer, subscription *s, feed *f, int64_t first_number) {
    outgoing *o = slab_take(sizeof *o);
    if (o == NULL)
        return NULL;
    o->peer = peer;
    o->subscription = subscription_hold(s);
    o->deadline = HUGE_VAL;
    o->reported_at = -HUGE_VAL;
    o->first_number = o->next_number = first_number;
    o->links[0].outgoing = o->links[1].outgoing = o;
    playout_reset(&o->playout, s);
    wait_for(o, s, f, 0);
    return o;
}

void outgoing_free(outgoing *o) {
    if (o == NULL)
        return;
    for (unsigned n = 0; n < o->segments_count; n++)
        clear_segment(&o->segments[(o->segments_first + n) % MAX_SEGMENTS]);
    clear_waiting(o);
    subscription_release(o->subscription);
    unit_release(o->unit);
    slab_give(o);
}

feed *outgoing_feed(const outgoing *o) {
    return o->segments_count > 0 ? last_segment(o)->feed : o->waiting_feed;
}

feed *outgoing_next_feed(const outgoing *o) {
    return o->waiting_feed != NULL && o->waiting_feed != outgoing_feed(o) ? o->waiting_feed : NULL;
}

int64_t outgoing_shift(const outgoing *o) { return o->segments_count > 0 ? last_segment(o)->timeline.shift : 0; }

void outgoing_move(outgoing *o, subscription *s, feed *f, double now, bool meanwhile) {
    if (!meanwhile) {
        /* And it stays so: going on in the middle of a GOP would show nothing either. What was lost before is worth
         * nothing any more, and would only keep the line full. */
        o->is_silent = true;
        o->first_number = o->next_number;
    }
    subscription_hold(s);
    subscription_release(o->subscription);
    o->subscription = s;
    playout_reset(&o->playout, s);
    int64_t from = feed_next_index(f);
    unit *keyframe = feed_keyframe(f);
    if (f->is_video && keyframe != NULL && now - keyframe->at <= FRESH_KEYFRAME_S)
        from = keyframe->index;
    unit_release(keyframe);
    wait_for(o, s, f, from);
}

void outgoing_rekey(outgoing *o) {
    o->first_number = o->next_number;
    o->rollover_base = o->next_number & ~(int64_t)0xFFFF;
}

static void append_segment(outgoing *o, subscription *s, feed *f, const timeline *t, const unit *u) {
    /* Before an old one goes: they may be the very same. */
    segment added = {subscription_hold(s), feed_hold(f), *t, o->next_number, u->first_packet,
                     o->playout.min};
    if (o->segments_count == MAX_SEGMENTS) {
        clear_segment(&o->segments[o->segments_first]);
        o->segments_first = (o->segments_first + 1) % MAX_SEGMENTS;
        o->segments_count--;
    }
    o->segments_count++;
    *last_segment(o) = added;
}

/* Count what is left out up to a packet of the feed; returns whether anything is. */
static bool count_skipped(outgoing *o, int64_t end) {
    const segment *s = last_segment(o);
    int64_t expected = s->first_packet + o->next_number - s->first_number;
    int64_t counted = expected > o->skipped_until ? expected : o->skipped_until;
    if (end > counted) {
        o->skipped += (uint64_t)(end - counted);
        o->skipped_until = end;
    }
    return end > expected;
}

static void begin_waiting(outgoing *o, double now) {
    feed *f = o->waiting_feed;
    int64_t from = o->waiting_from;
    if (!f->is_video && !o->has_started) {
        /* Sound starts with the next unit from the moment the viewer can be sent to. */
        o->has_started = true;
        o->waiting_from = feed_next_index(f);
        return;
    }
    unit *u, *newest = feed_newest(f);
    if (f->is_video) {
        if (o->segments_count > 0 && feed_is_closed(last_segment(o)->feed))
            from = 0; /* nothing to show meanwhile: the current GOP is better than a wait */
        u = feed_keyframe(f);
    } else {
        u = feed_unit(f, from, NULL);
        if (u == NULL && newest != NULL)
            u = unit_hold(newest);
    }
    if (u != NULL && newest != NULL && u->index >= from) {
        /* Sound has no backlog: what little there is was written since the viewer could be sent to. */
        int64_t backlog = f->is_video ? newest->index - u->index + 1 : 1;
        timeline t = timeline_begin(u->timestamp, newest->timestamp, backlog, f->clock_rate,
                                    o->has_last ? &o->last_timestamp : NULL, now - o->last_at);
        append_segment(o, o->waiting_subscription, f, &t, u);
        o->has_started = true;
        o->is_silent = false;
        o->index = u->index;
        o->needs_keyframe = false;
        o->skipped_until = 0;
        o->burst_started_at = now;
        o->burst_until_index = backlog > 2 ? newest->index + 1 : 0;
        clear_waiting(o);
    }
    unit_release(u);
    unit_release(newest);
}

static double due_at(const outgoing *o, const unit *u, const segment *s) {
    const timeline *t = &s->timeline;
    if (o->burst_until_index == 0 || u->timestamp + t->shift >= t->until)
        return 0.0;
    int64_t ticks = timeline_map(t, u->timestamp) - t->first;
    return o->burst_started_at + (double)ticks / (double)s->feed->clock_rate;
}

/* Seconds between the runs of one unit, 0.0 to send it at once. */
static double gap_of(const outgoing *o, const unit *u, const segment *s) {
    if (u->count <= UNPACED_PACKETS)
        return 0.0;
    double spread = MAX_SPREAD_S;
    if (o->next_number != s->first_number) {
        if (feed_next_index(s->feed) > u->index + 1 && u->index >= o->burst_until_index)
            return 0.0; /* behind already */
        const timeline *t = &s->timeline;
        double interval = (double)u->interval / (double)s->feed->clock_rate;
        if (u->timestamp + t->shift < t->until && t->until > t->start)
            interval *= (double)(t->until - t->first) / (double)(t->until - t->start);
        spread = fmin(spread, (interval > 0.0 ? interval : 1.0 / 30) / 2);
    }
    double gap = fmin(RUN_GAP_S, spread / ((u->count + RUN_PACKETS - 1) / RUN_PACKETS));
    return gap < MIN_GAP_S ? 0.0 : gap;
}

/* The connection is full: a backlog can wait a little, what is live is left out. */
static void hold_back(outgoing *o, const unit *u, const segment *s, double now) {
    if (u->index < o->burst_until_index && now < o->burst_started_at + MAX_BURST_DELAY_S) {
        o->deadline = now + BLOCKED_RETRY_S;
        return;
    }
    int64_t end;
    feed_end(s->feed, &o->index, &end);
    o->needs_keyframe = s->feed->is_video;
    count_skipped(o, end);
}

/* Make the next unit the current one, if there is one and it is due. */
static bool take_unit(outgoing *o, int shard, double now, bool is_blocked) {
    if (o->waiting_feed != NULL)
        begin_waiting(o, now);
    if (o->segments_count == 0 || o->is_silent)
        return false;
    segment *s = last_segment(o);
    bool is_gone = false;
    unit *u = feed_borrow(s->feed, shard, o->index, &is_gone), *keyframe = NULL;
    if (is_gone)
        o->needs_keyframe = true;
    if (o->needs_keyframe) {
        int64_t next, end;
        feed_end(s->feed, &next, &end);
        u = keyframe = feed_keyframe(s->feed);
        if (u == NULL || u->index < o->index) {
            count_skipped(o, end);
            unit_release(keyframe);
            return false;
        }
        o->index = u->index;
    }
    if (u == NULL)
        return false;
    double due = due_at(o, u, s);
    if (due > now || is_blocked) {
        if (due > now)
            o->deadline = due;
        else
            hold_back(o, u, s, now);
        unit_release(keyframe);
        return false;
    }
    o->needs_keyframe = false;
    o->unit = u;
    o->is_borrowed = keyframe == NULL;
    o->place = 0;
    o->unit_started_at = now;
    o->gap_s = gap_of(o, u, s);
    bool is_gap = count_skipped(o, u->first_packet);
    if (is_gap || (o->playout.min != s->playout_delay_min && s->subscription->playout_delay_at != 0)) {
        timeline t = s->timeline;
        append_segment(o, s->subscription, s->feed, &t, u);
    }
    return true;
}

void outgoing_pull(outgoing *o, int shard, double now, uint64_t room, packet_sink sink, void *context) {
    uint64_t before = o->octets;
    o->deadline = HUGE_VAL;
    while (o->unit != NULL || take_unit(o, shard, now, room == 0)) {
        unit *u = o->unit;
        const segment *s = last_segment(o);
        uint32_t allowed = u->count;
        if (o->gap_s > 0.0) {
            /* The small addend: a deadline that was computed as a product must count as reached. */
            double elapsed = fmax(0.0, now - o->unit_started_at) / o->gap_s + 1e-6;
            double runs = 1.0 + floor(fmin(elapsed, 1e6));
            /* And one that rounding puts at this very moment, or else nothing would ever be due after it. */
            if (o->unit_started_at + runs * o->gap_s <= now)
                runs += 1.0;
            if (runs * RUN_PACKETS < allowed) {
                allowed = (uint32_t)runs * RUN_PACKETS;
                o->deadline = o->unit_started_at + runs * o->gap_s;
            }
        }
        for (; o->place < allowed; o->place++) {
            packet p = {s, u, o->place, o->next_number};
            o->next_number++;
            o->packets++;
            o->octets += unit_size(u, o->place) - unit_padding(u, o->place);
            sink(context, o, &p);
        }
        if (allowed < u->count) {
            if (o->is_borrowed)
                unit_hold(u);
            o->is_borrowed = false;
            return;
        }
        int64_t last = timeline_map(&s->timeline, u->timestamp);
        o->last_timestamp = o->has_last && o->last_timestamp > last ? o->last_timestamp : last;
        o->has_last = true;
        o->last_at = now;
        o->index = u->index + 1;
        o->unit = NULL;
        if (!o->is_borrowed)
            unit_release(u);
        if (o->octets - before >= room) { /* whether the connection takes more is known when it was offered this */
            o->deadline = now + BLOCKED_RETRY_S;
            return;
        }
    }
}

bool outgoing_find(const outgoing *o, uint16_t seq, packet *found) {
    int64_t newest = o->next_number - 1;
    int64_t number = newest - (uint16_t)((uint16_t)newest - seq);
    if (number < o->first_number)
        return false;
    for (unsigned n = o->segments_count; n-- > 0;) {
        const segment *s = &o->segments[(o->segments_first + n) % MAX_SEGMENTS];
        if (s->first_number <= number) {
            uint32_t place = 0;
            unit *u = feed_packet(s->feed, s->first_packet + number - s->first_number, &place);
            *found = (packet){s, u, place, number};
            return u != NULL;
        }
    }
    return false;
}

size_t packet_header(const packet *p, uint8_t *out, uint8_t payload_type, uint32_t ssrc, int64_t number) {
    const subscription *s = p->segment->subscription;
    /* In sound the marker begins a talkspurt (RFC 7587 4.1); a programme is one long one. */
    bool marker = p->segment->feed->is_video && p->place + 1 == p->unit->count;
    out[0] = (uint8_t)(0x80 | (s->extensions_bytes > 0 ? 0x10 : 0) |
                       (ssrc == s->ssrc && p->unit->is_padded[p->place] ? 0x20 : 0));
    out[1] = (uint8_t)(payload_type | (marker ? 0x80 : 0));
    put16(out + 2, (uint16_t)number);
    put32(out + 4, (uint32_t)timeline_map(&p->segment->timeline, p->unit->timestamp));
    put32(out + 8, ssrc);
    memcpy(out + RTP_HEADER_BYTES, s->extensions, s->extensions_bytes);
    playout_write(s, p->segment->playout_delay_min, out + RTP_HEADER_BYTES);
    return RTP_HEADER_BYTES + s->extensions_bytes;
}
