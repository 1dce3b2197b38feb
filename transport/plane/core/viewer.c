/* One viewer's media, reports and repairs, encrypted. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "plane.h"
#include "wire.h"

#define REPORT_INTERVAL_S 1.0
/* The answer to a receiver's clock goes out at once, but not more often than this. */
#define MIN_REPORT_INTERVAL_S 0.2
#define UNIX_TO_NTP_S 2208988800.0
/* One stream's: SR, SDES with the longest name, DLRR. */
#define MAX_REPORT_BYTES 320
#define MAX_COMPOUND_BYTES 1024
#define BUDGET_BIN_S 0.1
#define MIN_REPEAT_MS 10

enum { RTCP_SR = 200, RTCP_SDES = 202, RTCP_BYE = 203, RTCP_XR = 207 };

typedef struct pull {
    shard *shard;
    uint64_t bytes;
} pull;

static void send_media(void *context, outgoing *o, const packet *found) {
    pull *in = context;
    peer *p = o->peer;
    size_t payload_bytes = unit_size(found->unit, found->place);
    uint8_t *at = send_begin(in->shard, p->selected, MAX_HEADER_BYTES + payload_bytes + SRTP_MAX_OVERHEAD);
    if (at == NULL)
        return;
    const subscription *s = found->segment->subscription;
    size_t header = packet_header(found, at, s->payload_type, s->ssrc, found->number);
    int size = srtp_protect(p->srtp, at, header, s->ssrc, (uint64_t)(found->number - o->rollover_base),
                            packet_payload(found), payload_bytes);
    if (size > 0) {
        send_end(in->shard, p, p->selected, at, (size_t)size, true);
        in->bytes += (uint64_t)size;
    }
}

static void unlink_attachment(shard *s, attachment *a) {
    if (a->previous != NULL)
        a->previous->next = a->next;
    else
        a->feed->shards[s->number].subscribers = a->next;
    if (a->next != NULL)
        a->next->previous = a->previous;
    feed_release(a->feed);
    a->feed = NULL;
    a->next = a->previous = NULL;
}

static void attach(shard *s, outgoing *o, feed *f) {
    attachment *a = o->links[0].feed == NULL ? &o->links[0] : &o->links[1];
    a->feed = feed_hold(f);
    a->previous = NULL;
    a->next = f->shards[s->number].subscribers;
    if (a->next != NULL)
        a->next->previous = a;
    f->shards[s->number].subscribers = a;
}

/* Be in the lists of exactly those feeds whose new units matter. */
static void sync_links(shard *s, outgoing *o) {
    feed *wanted[2] = {outgoing_feed(o), outgoing_next_feed(o)};
    for (int n = 0; n < 2; n++)
        if (wanted[n] != NULL && feed_is_closed(wanted[n]))
            wanted[n] = NULL;
    for (int n = 0; n < 2; n++) {
        attachment *a = &o->links[n];
        if (a->feed != NULL && a->feed != wanted[0] && a->feed != wanted[1])
            unlink_attachment(s, a);
    }
    for (int n = 0; n < 2; n++)
        if (wanted[n] != NULL && o->links[0].feed != wanted[n] && o->links[1].feed != wanted[n])
            attach(s, o, wanted[n]);
}

void viewer_schedule(shard *s, peer *p) {
    if (seat_is_over(p))
        return;
    double due = seat_rings_at(s, p);
    for (outgoing *o = p->outgoings; o != NULL && seat_can_send(p); o = o->next)
        due = fmin(due, o->deadline);
    timer_set(s, p, due);
}

static void note_sent(peer *p, uint64_t bytes, double now) {
    int64_t number = (int64_t)(now / BUDGET_BIN_S);
    int at = (int)(number % BUDGET_BINS);
    if (p->budget.number[at] != number) {
        p->budget.number[at] = number;
        p->budget.bytes[at] = 0;
    }
    p->budget.bytes[at] += (uint32_t)bytes;
}

/* True, and paid, if a retransmission of this size is within the cap. */
static bool may_repeat(peer *p, size_t bytes, double now) {
    int64_t number = (int64_t)(now / BUDGET_BIN_S);
    double window = 0.0;
    for (int n = 0; n < BUDGET_BINS; n++)
        if (p->budget.number[n] > number - 10 && p->budget.number[n] <= number)
            window += p->budget.bytes[n];
    double rate = fmax(MIN_RTX_BYTES_PER_S, window * p->plane->max_rtx_fraction);
    double earned = rate * fmax(0.0, now - p->budget.filled_at);
    p->budget.tokens = fmin(rate, p->budget.tokens + earned);
    p->budget.filled_at = now;
    if (p->budget.tokens < (double)bytes)
        return false;
    p->budget.tokens -= (double)bytes;
    return true;
}

static void pull_media(shard *s, peer *p, outgoing *o, double now) {
    bool is_first = o->packets == 0;
    uint64_t room = p->selected->conn != NULL ? conn_room(p->selected->conn) : UINT64_MAX;
    uint64_t skipped = o->skipped, octets = o->octets;
    pull in = {s, 0};
    outgoing_pull(o, s->number, now, room, send_media, &in);
    if (o->skipped != skipped)
        COUNT(p->counters.packets_dropped, o->skipped - skipped);
    if (o->octets != octets && outgoing_feed(o)->is_video)
        COUNT(p->counters.video_bytes, o->octets - octets);
    if (in.bytes > 0)
        note_sent(p, in.bytes, now);
    sync_links(s, o);
    if (is_first && o->packets > 0)
        viewer_report(s, p, now);
}

void viewer_pull(shard *s, peer *p, outgoing *o, double now) {
    if (!seat_can_send(p))
        return;
    pull_media(s, p, o, now);
    viewer_schedule(s, p);
}

void viewer_expect(const peer *p) {
    if (p == NULL)
        return;
    if (p->srtp != NULL)
        srtp_expect(p->srtp);
    for (const outgoing *o = p->outgoings; o != NULL; o = o->next)
        outgoing_expect_header(o);
    const peer *second = p->next_due;
    if (second == NULL)
        return;
    __builtin_prefetch(second->selected);
    for (size_t at = 0; at < offsetof(srtp, heard); at += 64)
        __builtin_prefetch((const char *)second->srtp + at);
    /* Most have two, of pictures and of sound. */
    outgoing_expect(second->outgoings);
    outgoing_expect(second->last_outgoing);
    const char *third = (const char *)second->next_due;
    for (size_t at = 0; third != NULL && at < offsetof(peer, current); at += 64)
        __builtin_prefetch(third + at);
}

static bool is_due(const shard *s, const attachment *a) {
    return a->feed != NULL && a->feed->shards[s->number].is_due;
}

void viewer_pull_due(shard *s, peer *p, double now) {
    if (!seat_can_send(p))
        return;
    seat_tick(s, p, now); /* may end it */
    for (outgoing *o = p->outgoings; o != NULL && seat_can_send(p); o = o->next)
        if (is_due(s, &o->links[0]) || is_due(s, &o->links[1]))
            pull_media(s, p, o, now);
    viewer_schedule(s, p);
}

void viewer_resume(shard *s, peer *p, double now) {
    for (outgoing *o = p->outgoings; o != NULL; o = o->next)
        viewer_pull(s, p, o, now);
}

outgoing *viewer_outgoing(peer *p, uint32_t ssrc) {
    outgoing *o = p->outgoings;
    while (o != NULL && o->subscription->ssrc != ssrc)
        o = o->next;
    return o;
}

static rtx_stream *find_rtx(peer *p, uint32_t ssrc) {
    rtx_stream *r = p->rtx;
    while (r != NULL && r->ssrc != ssrc)
        r = r->next;
    return r;
}

void viewer_keys(shard *s, peer *p, srtp *keys) {
    (void)s;
    srtp_free(p->srtp);
    p->srtp = keys;
    for (outgoing *o = p->outgoings; o != NULL; o = o->next)
        outgoing_rekey(o);
    for (rtx_stream *r = p->rtx; r != NULL; r = r->next)
        r->rollover_base = r->next_number & ~(int64_t)0xFFFF;
}

void viewer_subscribe(shard *s, command *c, double now) {
    peer *p = c->peer;
    outgoing *o = viewer_outgoing(p, c->subscription->ssrc);
    if (c->rtx != NULL && find_rtx(p, c->rtx->ssrc) == NULL) {
        c->rtx->next = p->rtx;
        p->rtx = c->rtx;
        c->rtx = NULL;
    }
    if (o == NULL) {
        o = c->outgoing;
        c->outgoing = NULL;
        /* At the end: pictures before sound, as they were asked for. */
        outgoing **end = &p->outgoings;
        while (*end != NULL)
            end = &(*end)->next;
        *end = p->last_outgoing = o;
    } else {
        outgoing_move(o, c->subscription, c->feed, now, c->meanwhile);
    }
    sync_links(s, o);
    viewer_pull(s, p, o, now);
}

void viewer_detach(shard *s, peer *p) {
    for (outgoing *o = p->outgoings; o != NULL; o = o->next)
        for (int n = 0; n < 2; n++)
            if (o->links[n].feed != NULL)
                unlink_attachment(s, &o->links[n]);
}

/* Reports */

static size_t begin_packet(uint8_t *out, int type, int count, size_t bytes) {
    out[0] = (uint8_t)(0x80 | count);
    out[1] = (uint8_t)type;
    put16(out + 2, (uint16_t)(bytes / 4 - 1));
    return bytes;
}

static size_t sender_report(peer *p, const outgoing *o, uint8_t *out, double now, double wall) {
    const subscription *s = o->subscription;
    feed *f = outgoing_feed(o);
    double ntp = wall + UNIX_TO_NTP_S, whole = floor(ntp);
    int64_t timestamp = f->offset + llrint(wall * (double)f->clock_rate) + outgoing_shift(o);
    size_t at = begin_packet(out, RTCP_SR, 0, 28);
    put32(out + 4, s->ssrc);
    put32(out + 8, (uint32_t)(uint64_t)whole);
    put32(out + 12, (uint32_t)((ntp - whole) * 4294967296.0));
    put32(out + 16, (uint32_t)timestamp);
    put32(out + 20, (uint32_t)o->packets);
    put32(out + 24, (uint32_t)o->octets);
    /* At least one zero ends the list of items. */
    size_t items = 2 + s->cname_bytes, size = 8 + items + (4 - items % 4);
    memset(out + at, 0, size);
    begin_packet(out + at, RTCP_SDES, 1, size);
    put32(out + at + 4, s->ssrc);
    out[at + 8] = 1;
    out[at + 9] = (uint8_t)s->cname_bytes;
    memcpy(out + at + 10, s->cname, s->cname_bytes);
    at += size;
    if (p->has_reference_time) {
        double delay = fmax(0.0, fmin(65535.0, now - p->reference_at));
        begin_packet(out + at, RTCP_XR, 0, 24);
        put32(out + at + 4, s->ssrc);
        out[at + 8] = 5; /* DLRR, RFC 3611 4.5 */
        out[at + 9] = 0;
        put16(out + at + 10, 3);
        put32(out + at + 12, p->reference_ssrc);
        put32(out + at + 16, p->reference_middle);
        put32(out + at + 20, (uint32_t)(delay * 65536.0));
        at += 24;
        p->has_reference_time = false;
    }
    return at;
}

static void send_rtcp(shard *s, peer *p, uint8_t *packet, size_t bytes) {
    int size = srtcp_protect(p->srtp, packet, bytes);
    if (size > 0)
        send_copy(s, p, p->selected, packet, (size_t)size);
}

static bool has_something_to_report(const outgoing *o) {
    return o->packets > 0 && !feed_is_closed(outgoing_feed(o));
}

void viewer_report(shard *s, peer *p, double now) {
    double interval = p->has_reference_time ? MIN_REPORT_INTERVAL_S : REPORT_INTERVAL_S;
    bool is_due = false;
    for (const outgoing *o = p->outgoings; o != NULL && !is_due; o = o->next)
        is_due = now >= o->reported_at + interval && has_something_to_report(o);
    if (!is_due || !seat_can_send(p))
        return;
    /* One that is due takes the others along, from then on they are due together (RFC 8108 section 5.2). */
    uint8_t compound[MAX_COMPOUND_BYTES];
    size_t at = 0;
    for (outgoing *o = p->outgoings; o != NULL; o = o->next) {
        if (!has_something_to_report(o))
            continue;
        if (at + MAX_REPORT_BYTES + SRTCP_MAX_OVERHEAD > sizeof compound) {
            send_rtcp(s, p, compound, at);
            at = 0;
        }
        o->reported_at = now;
        at += sender_report(p, o, compound + at, now, plane_wall(s->plane));
    }
    send_rtcp(s, p, compound, at);
}

void viewer_bye(shard *s, peer *p, double now) {
    uint8_t packet[MAX_COMPOUND_BYTES];
    uint32_t ssrcs[31];
    size_t count = 0, at = 0;
    for (outgoing *o = p->outgoings; o != NULL; o = o->next) {
        if (o->packets == 0)
            continue;
        if (at == 0)
            at = sender_report(p, o, packet, now, plane_wall(s->plane));
        if (count < 31)
            ssrcs[count++] = o->subscription->ssrc;
        if (count < 31 && o->subscription->has_rtx)
            ssrcs[count++] = o->subscription->rtx_ssrc;
    }
    if (count == 0 || at + 4 + 4 * count + SRTCP_MAX_OVERHEAD > sizeof packet)
        return;
    begin_packet(packet + at, RTCP_BYE, (int)count, 4 + 4 * count);
    for (size_t n = 0; n < count; n++)
        put32(packet + at + 4 + 4 * n, ssrcs[n]);
    send_rtcp(s, p, packet, at + 4 + 4 * count);
}

/* Repair */

/* True, and noted, unless it was repeated a moment ago: that answer may still be on its way. */
static bool is_repeat_due(peer *p, uint32_t ssrc, uint32_t number, double now) {
    uint32_t now_ms = (uint32_t)(int64_t)(now * 1000.0);
    uint32_t pause = (uint32_t)fmax(MIN_REPEAT_MS, p->counters.rtt_ms / 2);
    unsigned at = (number ^ ssrc * 2654435761u >> 16) % REPEATS;
    if (p->repeats[at].is_used && p->repeats[at].ssrc == ssrc && p->repeats[at].number == number &&
        now_ms - p->repeats[at].at_ms < pause)
        return false;
    p->repeats[at].is_used = true;
    p->repeats[at].ssrc = ssrc;
    p->repeats[at].number = number;
    p->repeats[at].at_ms = now_ms;
    return true;
}

static int protect_again(peer *p, const outgoing *o, const packet *found, uint8_t *at) {
    const subscription *s = o->subscription;
    rtx_stream *rtx = s->has_rtx ? find_rtx(p, s->rtx_ssrc) : NULL;
    const uint8_t *payload = packet_payload(found);
    size_t bytes = unit_size(found->unit, found->place);
    if (rtx == NULL) { /* the very same packet */
        const subscription *then = found->segment->subscription;
        size_t header = packet_header(found, at, then->payload_type, then->ssrc, found->number);
        return srtp_protect(p->srtp, at, header, then->ssrc, (uint64_t)(found->number - o->rollover_base), payload,
                            bytes);
    }
    /* RFC 4588 4: the old number stands before the payload. The header extensions are repeated, as Firefox
     * finds the stream of an RTX packet by its MID. */
    size_t header = packet_header(found, at, s->rtx_payload_type, rtx->ssrc, rtx->next_number);
    put16(at + header, (uint16_t)found->number);
    bytes -= unit_padding(found->unit, found->place);
    memcpy(at + header + 2, payload, bytes);
    uint64_t index = (uint64_t)(rtx->next_number++ - rtx->rollover_base);
    return srtp_protect(p->srtp, at, header, rtx->ssrc, index, at + header, bytes + 2);
}

void viewer_repair(shard *s, peer *p, outgoing *o, uint16_t seq, double now) {
    packet found;
    if (!outgoing_find(o, seq, &found)) {
        COUNT(p->counters.rtx_refused, 1);
        return;
    }
    size_t bytes = unit_size(found.unit, found.place);
    uint8_t *at;
    if (!is_repeat_due(p, o->subscription->ssrc, (uint32_t)found.number, now)) {
        /* nothing to count: the viewer has its answer */
    } else if (!may_repeat(p, bytes, now)) {
        COUNT(p->counters.rtx_refused, 1);
    } else if ((at = send_begin(s, p->selected, MAX_HEADER_BYTES + 2 + bytes + SRTP_MAX_OVERHEAD)) != NULL) {
        int size = protect_again(p, o, &found, at);
        if (size > 0) {
            COUNT(p->counters.retransmitted, 1);
            send_end(s, p, p->selected, at, (size_t)size, false);
        }
    }
    unit_release(found.unit);
}
