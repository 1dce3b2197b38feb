/* AES-GCM, AES-CTR, HMAC-SHA1 from libcrypto, found at run time; AES-GCM from intel-ipsec-mb where it is there.
 *
 * Prototypes are declared by hand, so that compiling needs no development package of OpenSSL.
 */
#ifndef PLANE_CRYPTO_H
#define PLANE_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#define GCM_TAG_BYTES 16
#define SHA1_BYTES 20

typedef struct cipher cipher; /* one AES key, ready for use; by one thread at a time */
typedef struct mac mac;       /* one HMAC-SHA1 key, ready for use; by one thread at a time */

/* Load the libraries; 0, or -1 if libcrypto cannot be used. Idempotent, but not for two threads at once. */
int crypto_load(int allow_ipsec_mb);
/* "openssl" or "ipsec-mb": whose AES-GCM encrypts. */
const char *crypto_name(void);

/* NULL when out of memory. `key_bytes` is 16 or 32. */
cipher *gcm_encrypter(const uint8_t *key, size_t key_bytes);
cipher *gcm_decrypter(const uint8_t *key, size_t key_bytes);
cipher *ctr_cipher(const uint8_t *key, size_t key_bytes);
void cipher_free(cipher *c);
/* What encrypting with it reads, to be fetched ahead; `bytes` of it, about. */
const void *cipher_state(const cipher *c, size_t *bytes);

/* Encrypt `in` to `out`, with the tag behind it. 0, or -1. `out` may be `in`. */
int gcm_seal(cipher *c, const uint8_t iv[12], const uint8_t *aad, size_t aad_bytes, const uint8_t *in,
             size_t bytes, uint8_t *out);
/* Decrypt `bytes` (without tag) and check the tag behind them. 0, or -1 if it is not authentic. */
int gcm_open(cipher *c, const uint8_t iv[12], const uint8_t *aad, size_t aad_bytes, const uint8_t *in,
             size_t bytes, uint8_t *out);
/* Counter mode from this counter block: encrypts and decrypts. */
int ctr_apply(cipher *c, const uint8_t iv[16], const uint8_t *in, size_t bytes, uint8_t *out);

mac *mac_new(const uint8_t *key, size_t key_bytes);
void mac_free(mac *m);
/* HMAC-SHA1 over two pieces. 0, or -1. */
int mac_sign(mac *m, const uint8_t *first, size_t first_bytes, const uint8_t *second, size_t second_bytes,
             uint8_t out[SHA1_BYTES]);
/* HMAC-SHA1 with a key that is used once. 0, or -1. */
int hmac_sha1(const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t bytes, uint8_t out[SHA1_BYTES]);
/* Constant-time comparison: 1 if equal. */
int equal_secret(const uint8_t *a, const uint8_t *b, size_t bytes);
/* Overwrite key material before its memory is given back. */
void wipe(void *memory, size_t bytes);

#endif
