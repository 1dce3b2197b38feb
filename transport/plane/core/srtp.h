/* SRTP and SRTCP of one viewer (RFC 3711, RFC 7714). Used by one thread at a time. */
#ifndef PLANE_SRTP_H
#define PLANE_SRTP_H

#include <stddef.h>
#include <stdint.h>

#include "crypto.h"

enum { PROFILE_AES_256_GCM, PROFILE_AES_128_GCM, PROFILE_AES_128_SHA1_80 };

/* What protection adds at most: a tag, and for SRTCP the index. */
#define SRTP_MAX_OVERHEAD 16
#define SRTCP_MAX_OVERHEAD 20

#define SRTCP_SOURCES 16

typedef struct srtp {
    int is_gcm;
    size_t tag_bytes;
    cipher *tx_rtp, *tx_rtcp, *rx_rtcp;
    const char *tx_state; /* of `tx_rtp` */
    size_t tx_state_bytes;
    mac *tx_rtp_mac, *tx_rtcp_mac, *rx_rtcp_mac;
    uint8_t tx_rtp_salt[14], tx_rtcp_salt[14], rx_rtcp_salt[14];
    uint32_t rtcp_index;
    struct {
        uint32_t ssrc, highest;
        uint64_t seen; /* bit n: `highest` - n was received */
    } heard[SRTCP_SOURCES];
    unsigned heard_count, heard_next;
} srtp;

/* Let the processor fetch the key media is encrypted with. */
static inline void srtp_expect(const srtp *s) {
    for (size_t at = 0; at < s->tx_state_bytes; at += 64)
        __builtin_prefetch(s->tx_state + at);
    __builtin_prefetch(s->tx_rtp);
}

size_t srtp_key_bytes(int profile);
size_t srtp_salt_bytes(int profile);
size_t srtp_tag_bytes(int profile);
/* Keys are master key and master salt, as long as the profile says. NULL when out of memory. */
srtp *srtp_new(int profile, const uint8_t *tx, const uint8_t *rx);
/* Only for `srtcp_unprotect`, with the other side's key and salt. */
srtp *srtcp_receiver(int profile, const uint8_t *rx);
void srtp_free(srtp *s);

/* Protect one RTP packet into `out`: header (already there, `header_bytes`) and `payload_bytes` from two
 * pieces, which need not be in one place. `index` is the packet's 48 bits. Returns its size, or -1. */
int srtp_protect(srtp *s, uint8_t *out, size_t header_bytes, uint32_t ssrc, uint64_t index,
                 const uint8_t *payload, size_t payload_bytes);
/* Protect a compound in place; room for SRTCP_MAX_OVERHEAD behind it. Returns its size, or -1. */
int srtcp_protect(srtp *s, uint8_t *packet, size_t bytes);
/* Decrypt a compound in place. Returns its size, or -1: not authentic, replayed, too short. */
int srtcp_unprotect(srtp *s, uint8_t *packet, size_t bytes);

/* For `opening.c`: what is derived from a master key and its salt for RTP (RFC 3711 4.3), 0 or -1; and where the
 * cipher starts for a packet's index. */
enum { SRTP_LABEL_KEY, SRTP_LABEL_MAC, SRTP_LABEL_SALT };
int srtp_derive(const uint8_t *key, int profile, uint8_t label, uint8_t *out, size_t bytes);
void srtp_gcm_iv(const uint8_t salt[12], uint32_t ssrc, uint64_t index, uint8_t iv[12]);
void srtp_counter_iv(const uint8_t salt[14], uint32_t ssrc, uint64_t index, uint8_t iv[16]);

#endif
