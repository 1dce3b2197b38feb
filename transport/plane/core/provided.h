/* AES-GCM as a provider of libcrypto's has it, called as EVP calls it (OpenSSL 3: provider(7), provider-cipher(7)).
 *
 * EVP itself asks the provider for the length of the IV at each message, and for the tag, by names that are compared
 * one after the other: a fifth of what encrypting a packet takes.
 */
#ifndef PLANE_PROVIDED_H
#define PLANE_PROVIDED_H

#include <stddef.h>
#include <stdint.h>

typedef struct provided_gcm provided_gcm; /* for one length of key; lives as long as the process */

/* Find the functions for keys of 16 and of 32 bytes. Not for two threads at once. */
void provided_load(void *libcrypto);
/* Use EVP instead from now on. */
void provided_forget(void);
/* NULL where the library has none, or is older. */
const provided_gcm *provided_find(size_t key_bytes);

/* A context with its key, by one thread at a time; NULL when out of memory. */
void *provided_new(const provided_gcm *g, const uint8_t *key);
void provided_free(const provided_gcm *g, void *context);
/* As `gcm_seal`. */
int provided_seal(const provided_gcm *g, void *context, const uint8_t iv[12], const uint8_t *aad, size_t aad_bytes,
                  const uint8_t *in, size_t bytes, uint8_t *out);

#endif
