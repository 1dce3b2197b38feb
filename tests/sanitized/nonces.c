/* Looks at everything the plane encrypts, and ends the process when one key meets one IV twice with different
 * bytes. The IV of a packet is its ssrc, rollover counter and sequence number (RFC 3711 4.1.1, RFC 7714 8.1), so
 * these are (key, ssrc, roc, seq), also of packets that no viewer gets to see.
 *
 * The linker puts these functions in front of those in crypto.c.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto.h"

/* If one of them changes, this must not compile until somebody thought about it. */
__typeof__(gcm_encrypter) __real_gcm_encrypter, __wrap_gcm_encrypter;
__typeof__(ctr_cipher) __real_ctr_cipher, __wrap_ctr_cipher;
__typeof__(cipher_free) __real_cipher_free, __wrap_cipher_free;
__typeof__(gcm_seal) __real_gcm_seal, __wrap_gcm_seal;
__typeof__(ctr_apply) __real_ctr_apply, __wrap_ctr_apply;
void *__real_calloc(size_t count, size_t bytes); /* shortage.c is not for what is here */

typedef struct owner {
    const cipher *cipher;
    uint64_t key;
    struct owner *next;
} owner;

typedef struct use {
    uint64_t nonce, content;
} use;

#define OWNER_BUCKETS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static owner *owners[OWNER_BUCKETS];
static use *uses; /* a hash table of a power of two, never more than half full */
static size_t capacity, count;

static uint64_t digest(uint64_t hash, const void *data, size_t bytes) {
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * 0x100000001B3u;
    return hash ^ hash >> 29;
}

static owner **find_owner(const cipher *c) {
    owner **at = &owners[((uintptr_t)c >> 4) % OWNER_BUCKETS];
    while (*at != NULL && (*at)->cipher != c)
        at = &(*at)->next;
    return at;
}

static void forget(const cipher *c) {
    owner **at = find_owner(c);
    if (*at != NULL) {
        owner *found = *at;
        *at = found->next;
        free(found);
    }
}

static cipher *remember(cipher *c, const uint8_t *key, size_t key_bytes) {
    if (c == NULL)
        return NULL;
    owner *made = __real_calloc(1, sizeof *made);
    if (made == NULL)
        abort();
    made->cipher = c;
    made->key = digest(14695981039346656037u ^ key_bytes, key, key_bytes);
    pthread_mutex_lock(&lock);
    owner **at = find_owner(c);
    made->next = *at;
    *at = made;
    pthread_mutex_unlock(&lock);
    return c;
}

static use *find_use(uint64_t nonce) {
    size_t at = (size_t)nonce & (capacity - 1);
    while (uses[at].nonce != 0 && uses[at].nonce != nonce)
        at = (at + 1) & (capacity - 1);
    return &uses[at];
}

static void make_room(void) {
    if (2 * (count + 1) <= capacity)
        return;
    use *old = uses;
    size_t old_capacity = capacity;
    capacity = capacity > 0 ? 2 * capacity : 4096;
    uses = __real_calloc(capacity, sizeof *uses);
    if (uses == NULL)
        abort();
    for (size_t n = 0; n < old_capacity; n++)
        if (old[n].nonce != 0)
            *find_use(old[n].nonce) = old[n];
    free(old);
}

static void check(const cipher *c, const uint8_t *iv, size_t iv_bytes, uint64_t content) {
    pthread_mutex_lock(&lock);
    const owner *found = *find_owner(c);
    if (found == NULL) {
        fprintf(stderr, "nonces: a cipher that was made unseen\n");
        abort();
    }
    make_room();
    uint64_t nonce = digest(found->key, iv, iv_bytes) | 1;
    use *u = find_use(nonce);
    if (u->nonce == 0) {
        *u = (use){nonce, content};
        count++;
    } else if (u->content != content) {
        fprintf(stderr, "nonces: one key and IV encrypted two different packets; IV ");
        for (size_t i = 0; i < iv_bytes; i++)
            fprintf(stderr, "%02x", iv[i]);
        fprintf(stderr, "\n");
        abort();
    }
    pthread_mutex_unlock(&lock);
}

cipher *__wrap_gcm_encrypter(const uint8_t *key, size_t key_bytes) {
    return remember(__real_gcm_encrypter(key, key_bytes), key, key_bytes);
}

cipher *__wrap_ctr_cipher(const uint8_t *key, size_t key_bytes) {
    return remember(__real_ctr_cipher(key, key_bytes), key, key_bytes);
}

void __wrap_cipher_free(cipher *c) {
    pthread_mutex_lock(&lock);
    forget(c);
    pthread_mutex_unlock(&lock);
    __real_cipher_free(c);
}

int __wrap_gcm_seal(cipher *c, const uint8_t iv[12], const uint8_t *aad, size_t aad_bytes, const uint8_t *in,
                    size_t bytes, uint8_t *out) {
    check(c, iv, 12, digest(digest(bytes, aad, aad_bytes), in, bytes));
    return __real_gcm_seal(c, iv, aad, aad_bytes, in, bytes, out);
}

int __wrap_ctr_apply(cipher *c, const uint8_t iv[16], const uint8_t *in, size_t bytes, uint8_t *out) {
    check(c, iv, 16, digest(bytes, in, bytes));
    return __real_ctr_apply(c, iv, in, bytes, out);
}

size_t nonces_seen(void) {
    pthread_mutex_lock(&lock);
    size_t seen = count;
    pthread_mutex_unlock(&lock);
    return seen;
}
