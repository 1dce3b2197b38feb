#include "stun.h"

#include <string.h>

#include "wire.h"

#define HEADER_BYTES 20
#define COOKIE 0x2112A442u
#define BINDING_REQUEST 0x0001
#define BINDING_SUCCESS 0x0101
#define BINDING_ERROR 0x0111
#define USERNAME 0x0006
#define MESSAGE_INTEGRITY 0x0008
#define ERROR_CODE 0x0009
#define XOR_MAPPED_ADDRESS 0x0020
#define USE_CANDIDATE 0x0025
#define FINGERPRINT 0x8028
#define ICE_CONTROLLED 0x8029
#define FINGERPRINT_XOR 0x5354554Eu

/* CRC-32 of ISO 3309, four bits at a time. */
static uint32_t crc32_of(const uint8_t *data, size_t bytes) {
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                       0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

int stun_parse(const uint8_t *data, size_t bytes, stun_request *out) {
    memset(out, 0, sizeof *out);
    if (bytes < HEADER_BYTES || data[0] >> 6 || take32(data + 4) != COOKIE)
        return -1;
    size_t length = take16(data + 2);
    if (length % 4 || HEADER_BYTES + length != bytes)
        return -1;
    out->is_request = take16(data) == BINDING_REQUEST;
    out->transaction = data + 8;
    out->data = data;
    bool has_username = false;
    for (size_t at = HEADER_BYTES; at < bytes;) {
        if (bytes - at < 4)
            return -1;
        unsigned type = take16(data + at);
        size_t size = take16(data + at + 2);
        const uint8_t *value = data + at + 4;
        if (size > bytes - at - 4)
            return -1;
        if (type == FINGERPRINT) {
            if (size != 4 || take32(value) != (crc32_of(data, at) ^ FINGERPRINT_XOR))
                return -1;
            out->has_fingerprint = true;
            break; /* "MUST be the last attribute" (RFC 8489 14.7) */
        }
        if (!out->has_integrity) { /* what follows it is not protected (RFC 8489 14.5) */
            if (type == MESSAGE_INTEGRITY) {
                out->has_integrity = true;
                out->integrity_at = at;
                out->integrity = size == SHA1_BYTES ? value : NULL;
            } else if (type == USERNAME && !has_username) {
                has_username = true;
                const uint8_t *colon = size > 0 ? memchr(value, ':', size) : NULL;
                out->ufrag = value;
                out->ufrag_bytes = colon != NULL ? (size_t)(colon - value) : size;
            } else if (type == USE_CANDIDATE) {
                out->is_nominated = true;
            } else if (type == ICE_CONTROLLED) {
                out->is_controlled = true;
            }
        }
        at += 4 + size + (4 - size % 4) % 4;
    }
    return 0;
}

bool stun_is_signed_with(const stun_request *r, const uint8_t *password, size_t bytes) {
    uint8_t covered[DATAGRAM_BYTES], signature[SHA1_BYTES];
    if (r->integrity == NULL || r->integrity_at > sizeof covered)
        return false;
    memcpy(covered, r->data, r->integrity_at);
    /* The signature covers a length that ends with the signature itself (RFC 8489 14.5). */
    put16(covered + 2, (uint16_t)(r->integrity_at - HEADER_BYTES + 4 + SHA1_BYTES));
    return hmac_sha1(password, bytes, covered, r->integrity_at, signature) == 0 &&
           equal_secret(signature, r->integrity, SHA1_BYTES);
}

static size_t begin(const stun_request *r, unsigned type, uint8_t *out) {
    put16(out, (uint16_t)type);
    put32(out + 4, COOKIE);
    memcpy(out + 8, r->transaction, 12);
    return HEADER_BYTES;
}

static size_t attribute(uint8_t *out, size_t at, unsigned type, size_t size) {
    put16(out + at, (uint16_t)type);
    put16(out + at + 2, (uint16_t)size);
    return at + 4;
}

static size_t finish(uint8_t *out, size_t at, const uint8_t *password, size_t password_bytes) {
    if (password != NULL) {
        put16(out + 2, (uint16_t)(at - HEADER_BYTES + 4 + SHA1_BYTES));
        uint8_t signature[SHA1_BYTES];
        if (hmac_sha1(password, password_bytes, out, at, signature) < 0)
            return 0;
        at = attribute(out, at, MESSAGE_INTEGRITY, SHA1_BYTES);
        memcpy(out + at, signature, SHA1_BYTES);
        at += SHA1_BYTES;
    }
    put16(out + 2, (uint16_t)(at - HEADER_BYTES + 8));
    uint32_t crc = crc32_of(out, at);
    at = attribute(out, at, FINGERPRINT, 4);
    put32(out + at, crc ^ FINGERPRINT_XOR);
    return at + 4;
}

size_t stun_success(const stun_request *r, const address *from, const uint8_t *password, size_t password_bytes,
                    uint8_t *out) {
    size_t at = begin(r, BINDING_SUCCESS, out);
    bool is_v6 = from->any.sa_family == AF_INET6;
    const uint8_t *ip = is_v6 ? from->v6.sin6_addr.s6_addr : (const uint8_t *)&from->v4.sin_addr;
    uint16_t port = ntohs(is_v6 ? from->v6.sin6_port : from->v4.sin_port);
    if (is_v6 && IN6_IS_ADDR_V4MAPPED(&from->v6.sin6_addr)) { /* a dual-stack socket wraps it */
        is_v6 = false;
        ip += 12;
    }
    size_t size = is_v6 ? 16 : 4;
    at = attribute(out, at, XOR_MAPPED_ADDRESS, 4 + size);
    out[at] = 0;
    out[at + 1] = is_v6 ? 2 : 1;
    put16(out + at + 2, (uint16_t)(port ^ COOKIE >> 16));
    for (size_t i = 0; i < size; i++)
        out[at + 4 + i] = ip[i] ^ out[4 + i]; /* cookie and transaction id stand there */
    return finish(out, at + 4 + size, password, password_bytes);
}

size_t stun_error(const stun_request *r, int code, const uint8_t *password, size_t password_bytes, uint8_t *out) {
    const char *reason = code == 400 ? "Bad Request" : code == 401 ? "Unauthenticated" : "Role Conflict";
    size_t size = strlen(reason), at = begin(r, BINDING_ERROR, out);
    at = attribute(out, at, ERROR_CODE, 4 + size);
    out[at] = out[at + 1] = 0;
    out[at + 2] = (uint8_t)(code / 100);
    out[at + 3] = (uint8_t)(code % 100);
    memcpy(out + at + 4, reason, size);
    at += 4 + size;
    while (at % 4)
        out[at++] = 0;
    return finish(out, at, password, password_bytes);
}
