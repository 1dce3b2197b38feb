/* What viewers report and ask for: RFC 3550, 4585, 5104, 3611 and REMB. Every length is checked before it is used,
 * and a compound with a wrong one changes nothing. */
#include <math.h>
#include <string.h>

#include "plane.h"
#include "wire.h"

#define MAX_RTT_S 60
#define BLOCK_BYTES 24
#define UNIX_TO_NTP_S 2208988800.0
/* Numbers of lost packets that a viewer may name in a second, and at once; libwebrtc names 1000 at most. To look one up
 * takes time even where nothing is repeated. */
#define MAX_LOOKUPS_PER_S 4096

enum { SR = 200, RR = 201, BYE = 203, RTPFB = 205, PSFB = 206, XR = 207 };
enum { NACK = 1, PLI = 1, FIR = 4, AFB = 15, RRTR = 4 };

typedef struct reaction {
    shard *shard;
    peer *peer;
    double now, wall;
    bool has_left;
} reaction;

static void take_block(reaction *r, const uint8_t *block) {
    peer *p = r->peer;
    outgoing *o = viewer_outgoing(p, take32(block));
    if (o == NULL)
        return;
    const feed *f = outgoing_feed(o);
    float fraction = (float)block[4] / 256;
    int32_t lost = (int32_t)((uint32_t)block[5] << 24 | (uint32_t)block[6] << 16 | (uint32_t)block[7] << 8) >> 8;
    float jitter = (float)((double)take32(block + 12) * 1000 / (double)f->clock_rate);
    if (f->is_video) {
        NOTE(p->counters.video_lost, lost);
        NOTE(p->counters.video_fraction_lost, fraction);
        NOTE(p->counters.video_jitter_ms, jitter);
    } else {
        NOTE(p->counters.audio_lost, lost);
        NOTE(p->counters.audio_fraction_lost, fraction);
        NOTE(p->counters.audio_jitter_ms, jitter);
    }
    uint32_t lsr = take32(block + 16), dlsr = take32(block + 20);
    if (lsr != 0) {
        uint32_t middle = (uint32_t)(uint64_t)fmod((r->wall + UNIX_TO_NTP_S) * 65536.0, 4294967296.0);
        uint32_t elapsed = middle - lsr - dlsr;
        if (elapsed < MAX_RTT_S * 65536u) /* else the clock was set, or the report is wrong */
            NOTE(p->counters.rtt_ms, (float)((double)elapsed * 1000 / 65536));
    }
    if (f->is_video)
        playout_reported(&o->playout, o->subscription, fraction, p->counters.rtt_ms, r->now);
}

static void want_keyframe(reaction *r, uint32_t ssrc) {
    outgoing *o = viewer_outgoing(r->peer, ssrc);
    if (o == NULL)
        return;
    COUNT(r->peer->counters.plis, 1);
    if (!feed_is_closed(outgoing_feed(o)))
        event_keyframe(r->shard->plane, outgoing_feed(o), r->now);
}

static bool may_look_up(peer *p, double now) {
    double free_since = fmax(0.0, now - p->looked_at) * MAX_LOOKUPS_PER_S;
    p->lookups = fmax(0.0, p->lookups - free_since);
    p->looked_at = now;
    if (p->lookups + 1 > MAX_LOOKUPS_PER_S)
        return false;
    p->lookups += 1;
    return true;
}

static void repair(reaction *r, outgoing *o, uint16_t seq) {
    COUNT(r->peer->counters.nacks, 1);
    if (may_look_up(r->peer, r->now))
        viewer_repair(r->shard, r->peer, o, seq, r->now);
    else
        COUNT(r->peer->counters.rtx_refused, 1);
}

static void take_nack(reaction *r, const uint8_t *body, size_t bytes) {
    outgoing *o = viewer_outgoing(r->peer, take32(body + 4));
    if (o == NULL || !seat_can_send(r->peer))
        return;
    for (size_t at = 8; at + 4 <= bytes; at += 4) {
        uint16_t first = take16(body + at), mask = take16(body + at + 2);
        repair(r, o, first);
        for (int bit = 0; bit < 16; bit++)
            if (mask >> bit & 1)
                repair(r, o, (uint16_t)(first + bit + 1));
    }
}

static int on_reports(reaction *r, const uint8_t *body, size_t bytes, size_t skip, unsigned count, bool act) {
    if (bytes < skip + (size_t)count * BLOCK_BYTES)
        return -1;
    for (unsigned n = 0; n < count && act; n++)
        take_block(r, body + skip + n * BLOCK_BYTES);
    return 0;
}

static int on_payload_feedback(reaction *r, const uint8_t *body, size_t bytes, unsigned format, bool act) {
    if (bytes < 8)
        return -1;
    if (format == PLI && act)
        want_keyframe(r, take32(body + 4));
    if (format == FIR && act)
        for (size_t at = 8; at + 8 <= bytes; at += 8)
            want_keyframe(r, take32(body + at));
    if (format == AFB && bytes >= 12 && memcmp(body + 8, "REMB", 4) == 0) {
        if (bytes < 16 || bytes < 16 + 4 * (size_t)body[12])
            return -1;
        if (act) {
            uint32_t packed = take32(body + 12);
            uint64_t mantissa = packed & 0x3FFFF;
            unsigned exponent = packed >> 18 & 0x3F;
            bool fits = exponent < 46; /* 18 bits of mantissa */
            NOTE(r->peer->counters.remb_bps, fits ? mantissa << exponent : mantissa != 0 ? UINT64_MAX : 0);
        }
    }
    return 0;
}

static int on_extended(reaction *r, const uint8_t *body, size_t bytes, bool act) {
    if (bytes < 4)
        return -1;
    for (size_t at = 4; at + 4 <= bytes;) {
        size_t size = 4 * (size_t)take16(body + at + 2);
        if (size > bytes - at - 4)
            return -1;
        if (body[at] == RRTR) {
            if (size != 8)
                return -1;
            if (act) {
                r->peer->has_reference_time = true;
                r->peer->reference_ssrc = take32(body);
                r->peer->reference_middle =
                    (uint32_t)take16(body + at + 6) << 16 | take16(body + at + 8); /* of 64 bits */
                r->peer->reference_at = r->now;
            }
        }
        at += 4 + size;
    }
    return 0;
}

static int on_packet(reaction *r, unsigned type, unsigned count, const uint8_t *body, size_t bytes, bool act) {
    switch (type) {
    case SR:
        return on_reports(r, body, bytes, 24, count, act);
    case RR:
        return on_reports(r, body, bytes, 4, count, act);
    case BYE:
        if (act)
            r->has_left = true;
        return bytes < 4 * (size_t)count ? -1 : 0;
    case RTPFB:
        if (bytes < 8)
            return -1;
        if (count == NACK && act)
            take_nack(r, body, bytes);
        return 0;
    case PSFB:
        return on_payload_feedback(r, body, bytes, count, act);
    case XR:
        return on_extended(r, body, bytes, act);
    default:
        return 0;
    }
}

static int walk(reaction *r, const uint8_t *data, size_t bytes, bool act) {
    for (size_t at = 0; at < bytes;) {
        if (bytes - at < 4 || data[at] >> 6 != 2)
            return -1;
        size_t size = 4 * (size_t)take16(data + at + 2);
        if (size > bytes - at - 4)
            return -1;
        const uint8_t *body = data + at + 4;
        size_t used = size;
        if (data[at] & 0x20) {
            if (size == 0 || body[size - 1] == 0 || body[size - 1] > size)
                return -1;
            used -= body[size - 1];
        }
        if (on_packet(r, data[at + 1], data[at] & 0x1F, body, used, act) < 0)
            return -1;
        at += 4 + size;
    }
    return 0;
}

void rtcp_receive(shard *s, peer *p, uint8_t *data, size_t bytes, double now) {
    if (p->srtp == NULL)
        return;
    int size = srtcp_unprotect(p->srtp, data, bytes);
    reaction r = {s, p, now, plane_wall(s->plane), false};
    if (size < 0 || walk(&r, data, (size_t)size, false) < 0) {
        plane_garbage(s->plane);
        return;
    }
    walk(&r, data, (size_t)size, true);
    NOTE(p->counters.last_heard_s, now);
    if (r.has_left)
        seat_lose(s, p);
    else
        viewer_report(s, p, now);
}
