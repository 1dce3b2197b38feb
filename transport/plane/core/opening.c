#include "opening.h"

#include <stdbool.h>
#include <string.h>

#include "slab.h"
#include "srtp.h"
#include "wire.h"

#define FIXED_HEADER_BYTES 12
#define MAX_INDEX ((1ll << 48) - 1)
/* More than a publisher has: pictures in three layers, what is sent again of each, and sound. */
#define SOURCES 32
/* How far behind the newest a packet may be: of those that are sent again under their old number. */
#define WINDOW 1024

typedef struct source {
    uint32_t ssrc;
    bool is_known;
    uint64_t heard; /* the packets opened before it was heard last */
    int64_t highest;
    uint64_t seen[WINDOW / 64]; /* by index modulo WINDOW: of `highest` and those before it */
} source;

struct opener {
    bool is_gcm;
    size_t tag_bytes;
    cipher *rtp;
    mac *rtp_mac;
    uint8_t rtp_salt[14];
    srtp *rtcp;
    uint64_t opened;
    source sources[SOURCES];
};

_Static_assert(sizeof(opener) <= SLAB_MAX_BYTES, "it fits the slab");

opener *opener_new(int profile, const uint8_t *key) {
    opener *o = slab_take(sizeof *o);
    if (o == NULL)
        return NULL;
    size_t key_bytes = srtp_key_bytes(profile);
    uint8_t secret[32];
    o->is_gcm = profile != PROFILE_AES_128_SHA1_80;
    o->tag_bytes = srtp_tag_bytes(profile);
    o->rtcp = srtcp_receiver(profile, key);
    bool failed = o->rtcp == NULL || srtp_derive(key, profile, SRTP_LABEL_KEY, secret, key_bytes) < 0;
    if (!failed) {
        o->rtp = o->is_gcm ? gcm_decrypter(secret, key_bytes) : ctr_cipher(secret, key_bytes);
        failed = o->rtp == NULL ||
                 srtp_derive(key, profile, SRTP_LABEL_SALT, o->rtp_salt, srtp_salt_bytes(profile)) < 0;
    }
    if (!failed && !o->is_gcm) {
        failed = srtp_derive(key, profile, SRTP_LABEL_MAC, secret, SHA1_BYTES) < 0 ||
                 (o->rtp_mac = mac_new(secret, SHA1_BYTES)) == NULL;
    }
    wipe(secret, sizeof secret);
    if (failed) {
        opener_free(o);
        return NULL;
    }
    return o;
}

void opener_free(opener *o) {
    if (o == NULL)
        return;
    cipher_free(o->rtp);
    mac_free(o->rtp_mac);
    srtp_free(o->rtcp);
    wipe(o, sizeof *o);
    slab_give(o);
}

static source *find(opener *o, uint32_t ssrc) {
    for (int n = 0; n < SOURCES; n++)
        if (o->sources[n].is_known && o->sources[n].ssrc == ssrc)
            return &o->sources[n];
    return NULL;
}

/* Room for a new one: what was heard longest ago gives way. */
static source *make_room(opener *o) {
    source *oldest = &o->sources[0];
    for (int n = 0; n < SOURCES; n++) {
        if (!o->sources[n].is_known)
            return &o->sources[n];
        if (o->sources[n].heard < oldest->heard)
            oldest = &o->sources[n];
    }
    return oldest;
}

static bool is_replayed(const source *s, int64_t index) {
    if (index > s->highest)
        return false;
    return s->highest - index >= WINDOW || (s->seen[index % WINDOW / 64] >> (index % 64) & 1);
}

/* Only after the packet proved authentic. */
static void note(opener *o, source *s, uint32_t ssrc, int64_t index) {
    if (s == NULL) {
        s = make_room(o);
        memset(s, 0, sizeof *s);
        s->ssrc = ssrc;
        s->is_known = true;
        s->highest = index;
    }
    if (index - s->highest >= WINDOW) {
        memset(s->seen, 0, sizeof s->seen);
        s->highest = index;
    }
    while (s->highest < index) {
        s->highest++;
        s->seen[s->highest % WINDOW / 64] &= ~(1ull << (s->highest % 64));
    }
    s->seen[index % WINDOW / 64] |= 1ull << (index % 64);
    s->heard = ++o->opened;
}

/* With contributing sources and extension (RFC 3550 5.1, 5.3.1); 0 if it goes beyond the end. */
static size_t header_bytes(const uint8_t *packet, size_t bytes) {
    if (bytes < FIXED_HEADER_BYTES)
        return 0;
    size_t size = FIXED_HEADER_BYTES + 4u * (packet[0] & 15);
    if (packet[0] & 16)
        size = bytes < size + 4 ? bytes + 1 : size + 4 + 4u * take16(packet + size + 2);
    return size <= bytes ? size : 0;
}

static int open_rtp(opener *o, uint8_t *packet, size_t bytes) {
    size_t header = header_bytes(packet, bytes);
    if (header == 0 || bytes - header < o->tag_bytes)
        return -1;
    size_t payload_bytes = bytes - header - o->tag_bytes;
    uint32_t ssrc = take32(packet + 8);
    uint16_t seq = take16(packet + 2);
    source *from = find(o, ssrc);
    /* The one with this number that is nearest to the highest so far (RFC 3711 3.3.1). */
    int64_t index = from == NULL ? seq : from->highest + (int16_t)(uint16_t)(seq - (uint16_t)from->highest);
    if (index < 0 || index > MAX_INDEX || (from != NULL && is_replayed(from, index)))
        return -1;
    if (o->is_gcm) {
        uint8_t iv[12];
        srtp_gcm_iv(o->rtp_salt, ssrc, (uint64_t)index, iv);
        if (gcm_open(o->rtp, iv, packet, header, packet + header, payload_bytes, packet + header) < 0)
            return -1;
    } else {
        uint8_t iv[16], rollovers[4], tag[SHA1_BYTES];
        put32(rollovers, (uint32_t)(index >> 16));
        if (mac_sign(o->rtp_mac, packet, bytes - o->tag_bytes, rollovers, sizeof rollovers, tag) < 0 ||
            !equal_secret(tag, packet + bytes - o->tag_bytes, o->tag_bytes))
            return -1;
        srtp_counter_iv(o->rtp_salt, ssrc, (uint64_t)index, iv);
        if (ctr_apply(o->rtp, iv, packet + header, payload_bytes, packet + header) < 0)
            return -1;
    }
    note(o, from, ssrc, index);
    return (int)(bytes - o->tag_bytes);
}

int opener_open(opener *o, uint8_t *packet, size_t bytes) {
    /* RFC 5761 section 4. */
    bool is_rtcp = bytes > 1 && packet[1] >= 192 && packet[1] < 224;
    return is_rtcp ? srtcp_unprotect(o->rtcp, packet, bytes) : open_rtp(o, packet, bytes);
}
