#include "srtp.h"

#include <string.h>

#include "slab.h"
#include "wire.h"

#define SHA1_80_TAG_BYTES 10
#define SRTCP_INDEX_MASK 0x7FFFFFFFu
#define ENCRYPTED_BIT 0x80000000u
#define MIN_RTCP_BYTES 8
#define REPLAY_WINDOW 64

enum { LABEL_RTCP_KEY = SRTP_LABEL_SALT + 1, LABEL_RTCP_MAC, LABEL_RTCP_SALT };

size_t srtp_key_bytes(int profile) { return profile == PROFILE_AES_256_GCM ? 32 : 16; }

size_t srtp_salt_bytes(int profile) { return profile == PROFILE_AES_128_SHA1_80 ? 14 : 12; }

size_t srtp_tag_bytes(int profile) {
    return profile == PROFILE_AES_128_SHA1_80 ? SHA1_80_TAG_BYTES : GCM_TAG_BYTES;
}

/* Key derivation (RFC 3711 4.3.1; a 12-byte salt is padded with zeros on the right, RFC 7714 11). */
static int derive(cipher *master, const uint8_t salt[14], uint8_t label, uint8_t *out, size_t bytes) {
    uint8_t counter[16] = {0};
    memcpy(counter, salt, 14);
    counter[7] ^= label;
    memset(out, 0, bytes);
    return ctr_apply(master, counter, out, bytes, out);
}

static int derive_direction(srtp *s, const uint8_t *key, int profile, int is_tx) {
    size_t key_bytes = srtp_key_bytes(profile), salt_bytes = srtp_salt_bytes(profile);
    uint8_t salt[14] = {0}, secret[32];
    memcpy(salt, key + key_bytes, salt_bytes);
    cipher *master = ctr_cipher(key, key_bytes);
    int failed = master == NULL;
    if (!failed && is_tx) {
        failed |= derive(master, salt, SRTP_LABEL_KEY, secret, key_bytes);
        s->tx_rtp = s->is_gcm ? gcm_encrypter(secret, key_bytes) : ctr_cipher(secret, key_bytes);
        failed |= derive(master, salt, SRTP_LABEL_SALT, s->tx_rtp_salt, salt_bytes);
        failed |= derive(master, salt, LABEL_RTCP_KEY, secret, key_bytes);
        s->tx_rtcp = s->is_gcm ? gcm_encrypter(secret, key_bytes) : ctr_cipher(secret, key_bytes);
        failed |= derive(master, salt, LABEL_RTCP_SALT, s->tx_rtcp_salt, salt_bytes);
        failed |= s->tx_rtp == NULL || s->tx_rtcp == NULL;
    } else if (!failed) {
        failed |= derive(master, salt, LABEL_RTCP_KEY, secret, key_bytes);
        s->rx_rtcp = s->is_gcm ? gcm_decrypter(secret, key_bytes) : ctr_cipher(secret, key_bytes);
        failed |= derive(master, salt, LABEL_RTCP_SALT, s->rx_rtcp_salt, salt_bytes);
        failed |= s->rx_rtcp == NULL;
    }
    if (!failed && !s->is_gcm && is_tx) {
        failed |= derive(master, salt, SRTP_LABEL_MAC, secret, SHA1_BYTES);
        s->tx_rtp_mac = mac_new(secret, SHA1_BYTES);
        failed |= derive(master, salt, LABEL_RTCP_MAC, secret, SHA1_BYTES);
        s->tx_rtcp_mac = mac_new(secret, SHA1_BYTES);
        failed |= s->tx_rtp_mac == NULL || s->tx_rtcp_mac == NULL;
    } else if (!failed && !s->is_gcm) {
        failed |= derive(master, salt, LABEL_RTCP_MAC, secret, SHA1_BYTES);
        s->rx_rtcp_mac = mac_new(secret, SHA1_BYTES);
        failed |= s->rx_rtcp_mac == NULL;
    }
    cipher_free(master);
    wipe(secret, sizeof secret);
    return failed ? -1 : 0;
}

srtp *srtp_new(int profile, const uint8_t *tx, const uint8_t *rx) {
    srtp *s = slab_take(sizeof *s);
    if (s == NULL)
        return NULL;
    s->is_gcm = profile != PROFILE_AES_128_SHA1_80;
    s->tag_bytes = srtp_tag_bytes(profile);
    if (derive_direction(s, tx, profile, 1) < 0 || derive_direction(s, rx, profile, 0) < 0) {
        srtp_free(s);
        return NULL;
    }
    s->tx_state = cipher_state(s->tx_rtp, &s->tx_state_bytes);
    return s;
}

srtp *srtcp_receiver(int profile, const uint8_t *rx) {
    srtp *s = slab_take(sizeof *s);
    if (s == NULL)
        return NULL;
    s->is_gcm = profile != PROFILE_AES_128_SHA1_80;
    s->tag_bytes = srtp_tag_bytes(profile);
    if (derive_direction(s, rx, profile, 0) < 0) {
        srtp_free(s);
        return NULL;
    }
    return s;
}

int srtp_derive(const uint8_t *key, int profile, uint8_t label, uint8_t *out, size_t bytes) {
    size_t key_bytes = srtp_key_bytes(profile);
    uint8_t salt[14] = {0};
    memcpy(salt, key + key_bytes, srtp_salt_bytes(profile));
    cipher *master = ctr_cipher(key, key_bytes);
    int failed = master == NULL || derive(master, salt, label, out, bytes) < 0;
    cipher_free(master);
    return failed ? -1 : 0;
}

void srtp_free(srtp *s) {
    if (s == NULL)
        return;
    cipher_free(s->tx_rtp);
    cipher_free(s->tx_rtcp);
    cipher_free(s->rx_rtcp);
    mac_free(s->tx_rtp_mac);
    mac_free(s->tx_rtcp_mac);
    mac_free(s->rx_rtcp_mac);
    wipe(s, sizeof *s);
    slab_give(s);
}

/* RFC 7714 8.1 and 9.1: 00 00, SSRC, 48 bits of index (31 for SRTCP), all over the salt. */
void srtp_gcm_iv(const uint8_t salt[12], uint32_t ssrc, uint64_t index, uint8_t iv[12]) {
    iv[0] = iv[1] = 0;
    put32(iv + 2, ssrc);
    put16(iv + 6, (uint16_t)(index >> 32));
    put32(iv + 8, (uint32_t)index);
    for (int i = 0; i < 12; i++)
        iv[i] ^= salt[i];
}

/* RFC 3711 4.1.1. */
void srtp_counter_iv(const uint8_t salt[14], uint32_t ssrc, uint64_t index, uint8_t iv[16]) {
    memset(iv, 0, 16);
    memcpy(iv, salt, 14);
    uint8_t over[10];
    put32(over, ssrc);
    put16(over + 4, (uint16_t)(index >> 32));
    put32(over + 6, (uint32_t)index);
    for (int i = 0; i < 10; i++)
        iv[4 + i] ^= over[i];
}

int srtp_protect(srtp *s, uint8_t *out, size_t header_bytes, uint32_t ssrc, uint64_t index,
                 const uint8_t *payload, size_t payload_bytes) {
    size_t size = header_bytes + payload_bytes;
    if (s->is_gcm) {
        uint8_t iv[12];
        srtp_gcm_iv(s->tx_rtp_salt, ssrc, index, iv);
        if (gcm_seal(s->tx_rtp, iv, out, header_bytes, payload, payload_bytes, out + header_bytes) < 0)
            return -1;
        return (int)(size + GCM_TAG_BYTES);
    }
    uint8_t iv[16], rollovers[4], tag[SHA1_BYTES];
    srtp_counter_iv(s->tx_rtp_salt, ssrc, index, iv);
    put32(rollovers, (uint32_t)(index >> 16));
    if (ctr_apply(s->tx_rtp, iv, payload, payload_bytes, out + header_bytes) < 0 ||
        mac_sign(s->tx_rtp_mac, out, size, rollovers, sizeof rollovers, tag) < 0)
        return -1;
    memcpy(out + size, tag, SHA1_80_TAG_BYTES);
    return (int)(size + SHA1_80_TAG_BYTES);
}

int srtcp_protect(srtp *s, uint8_t *packet, size_t bytes) {
    /* After 2**31 packets a key must not be used any more (RFC 3711 3.4): nothing is better than a repetition. */
    if (bytes < MIN_RTCP_BYTES || s->rtcp_index >= SRTCP_INDEX_MASK)
        return -1;
    uint32_t ssrc = take32(packet + 4), index = ++s->rtcp_index;
    uint8_t trailer[4];
    put32(trailer, ENCRYPTED_BIT | index);
    if (s->is_gcm) {
        uint8_t iv[12], aad[12];
        memcpy(aad, packet, 8);
        memcpy(aad + 8, trailer, 4);
        srtp_gcm_iv(s->tx_rtcp_salt, ssrc, index, iv);
        if (gcm_seal(s->tx_rtcp, iv, aad, sizeof aad, packet + 8, bytes - 8, packet + 8) < 0)
            return -1;
        memcpy(packet + bytes + GCM_TAG_BYTES, trailer, 4);
        return (int)(bytes + GCM_TAG_BYTES + 4);
    }
    uint8_t iv[16], tag[SHA1_BYTES];
    srtp_counter_iv(s->tx_rtcp_salt, ssrc, index, iv);
    if (ctr_apply(s->tx_rtcp, iv, packet + 8, bytes - 8, packet + 8) < 0 ||
        mac_sign(s->tx_rtcp_mac, packet, bytes, trailer, sizeof trailer, tag) < 0)
        return -1;
    memcpy(packet + bytes, trailer, 4);
    memcpy(packet + bytes + 4, tag, SHA1_80_TAG_BYTES);
    return (int)(bytes + 4 + SHA1_80_TAG_BYTES);
}

static int find_heard(const srtp *s, uint32_t ssrc) {
    for (unsigned i = 0; i < s->heard_count; i++)
        if (s->heard[i].ssrc == ssrc)
            return (int)i;
    return -1;
}

static int is_replayed(const srtp *s, uint32_t ssrc, uint32_t index) {
    int at = find_heard(s, ssrc);
    if (at < 0 || index > s->heard[at].highest)
        return 0;
    uint32_t back = s->heard[at].highest - index;
    return back >= REPLAY_WINDOW || (s->heard[at].seen >> back & 1);
}

/* Only after the packet proved authentic: nobody else can push a source out. */
static void note_heard(srtp *s, uint32_t ssrc, uint32_t index) {
    int at = find_heard(s, ssrc);
    if (at < 0) {
        if (s->heard_count < SRTCP_SOURCES)
            at = (int)s->heard_count++;
        else
            at = (int)(s->heard_next++ % SRTCP_SOURCES);
        s->heard[at].ssrc = ssrc;
        s->heard[at].highest = index;
        s->heard[at].seen = 1;
        return;
    }
    if (index > s->heard[at].highest) {
        uint32_t ahead = index - s->heard[at].highest;
        s->heard[at].seen = ahead >= REPLAY_WINDOW ? 1 : s->heard[at].seen << ahead | 1;
        s->heard[at].highest = index;
    } else {
        s->heard[at].seen |= 1ull << (s->heard[at].highest - index);
    }
}

int srtcp_unprotect(srtp *s, uint8_t *packet, size_t bytes) {
    size_t overhead = s->tag_bytes + 4;
    if (bytes < MIN_RTCP_BYTES + overhead)
        return -1;
    size_t size = bytes - overhead;
    const uint8_t *trailer = s->is_gcm ? packet + bytes - 4 : packet + size;
    uint32_t ssrc = take32(packet + 4), word = take32(trailer), index = word & SRTCP_INDEX_MASK;
    /* No browser leaves RTCP in the clear. */
    if (!(word & ENCRYPTED_BIT) || is_replayed(s, ssrc, index))
        return -1;
    if (s->is_gcm) {
        uint8_t iv[12], aad[12];
        memcpy(aad, packet, 8);
        memcpy(aad + 8, trailer, 4);
        srtp_gcm_iv(s->rx_rtcp_salt, ssrc, index, iv);
        if (gcm_open(s->rx_rtcp, iv, aad, sizeof aad, packet + 8, size - 8, packet + 8) < 0)
            return -1;
    } else {
        uint8_t iv[16], tag[SHA1_BYTES];
        if (mac_sign(s->rx_rtcp_mac, packet, size, trailer, 4, tag) < 0 ||
            !equal_secret(tag, trailer + 4, SHA1_80_TAG_BYTES))
            return -1;
        srtp_counter_iv(s->rx_rtcp_salt, ssrc, index, iv);
        if (ctr_apply(s->rx_rtcp, iv, packet + 8, size - 8, packet + 8) < 0)
            return -1;
    }
    note_heard(s, ssrc, index);
    return (int)size;
}
