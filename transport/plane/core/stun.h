/* STUN binding requests and their answers, as ICE uses them (RFC 8489, RFC 8445 section 7.1). */
#ifndef PLANE_STUN_H
#define PLANE_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plane.h"

#define STUN_MAX_REPLY_BYTES 128

typedef struct stun_request {
    bool is_request; /* a binding request; nothing else is for us */
    bool has_fingerprint, has_integrity, is_nominated, is_controlled;
    const uint8_t *transaction;
    const uint8_t *ufrag; /* our part of USERNAME, NULL without one */
    size_t ufrag_bytes;
    const uint8_t *data;
    size_t integrity_at;
    const uint8_t *integrity;
} stun_request;

/* 0, or -1: not STUN, a length that goes beyond the end, a wrong FINGERPRINT. Points into `data`. */
int stun_parse(const uint8_t *data, size_t bytes, stun_request *out);
bool stun_is_signed_with(const stun_request *r, const uint8_t *password, size_t bytes);
/* These return the reply's size. */
size_t stun_success(const stun_request *r, const address *from, const uint8_t *password, size_t password_bytes,
                    uint8_t *out);
/* 400, 401 (both unsigned: `password` NULL) or 487. */
size_t stun_error(const stun_request *r, int code, const uint8_t *password, size_t password_bytes, uint8_t *out);

#endif
