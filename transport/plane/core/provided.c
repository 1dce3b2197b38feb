#include "provided.h"

#include <dlfcn.h>
#include <string.h>

#include "crypto.h"

/* From openssl/core.h and openssl/core_dispatch.h; part of the ABI since OpenSSL 3.0. */
#define OPERATION_CIPHER 2
#define FUNCTION_NEW 1
#define FUNCTION_ENCRYPT_INIT 2
#define FUNCTION_UPDATE 4
#define FUNCTION_FINAL 5
#define FUNCTION_FREE 7
#define FUNCTION_GET_PARAMETERS 10
#define PARAMETER_OCTETS 5
#define PARAMETER_UNTOUCHED ((size_t)-1)
#define IV_BYTES 12

typedef struct evp_cipher evp_cipher;

typedef struct parameter {
    const char *name;
    unsigned type;
    void *data;
    size_t bytes, written;
} parameter;

typedef struct dispatch {
    int number; /* 0 ends the table */
    void (*function)(void);
} dispatch;

typedef struct algorithm {
    const char *names; /* with colons between them; NULL ends the table */
    const char *properties;
    const dispatch *functions;
    const char *description;
} algorithm;

struct provided_gcm {
    void *provider;
    size_t key_bytes;
    void *(*create)(void *provider);
    void (*release)(void *context);
    int (*init)(void *context, const uint8_t *key, size_t key_bytes, const uint8_t *iv, size_t iv_bytes,
                const parameter *parameters);
    int (*update)(void *context, uint8_t *out, size_t *written, size_t room, const uint8_t *in, size_t bytes);
    int (*final)(void *context, uint8_t *out, size_t *written, size_t room);
    int (*get_parameters)(void *context, parameter *parameters);
};

static provided_gcm gcm128, gcm256; /* all zeros where there is none */

static struct {
    evp_cipher *(*fetch)(void *, const char *, const char *);
    void *(*provider_of)(const evp_cipher *);
    void *(*context_of)(void *);
    const algorithm *(*query)(void *, int, int *);
} ssl;

static const dispatch *functions_of(void *provider, const char *name) {
    int is_uncacheable = 0;
    size_t bytes = strlen(name);
    const algorithm *a = ssl.query(provider, OPERATION_CIPHER, &is_uncacheable);
    for (; a != NULL && a->names != NULL; a++)
        if (strncmp(a->names, name, bytes) == 0 && (a->names[bytes] == ':' || a->names[bytes] == 0))
            return a->functions;
    return NULL;
}

static provided_gcm find(const char *name, size_t key_bytes) {
    const provided_gcm none = {0};
    evp_cipher *kind = ssl.fetch(NULL, name, NULL); /* kept, so that its provider stays */
    void *provider = kind != NULL ? ssl.provider_of(kind) : NULL;
    const dispatch *d = provider != NULL ? functions_of(provider, name) : NULL;
    if (d == NULL)
        return none;
    provided_gcm g = {.provider = ssl.context_of(provider), .key_bytes = key_bytes};
    const struct {
        int number;
        void *slot;
    } wanted[] = {
        {FUNCTION_NEW, &g.create},   {FUNCTION_FREE, &g.release}, {FUNCTION_ENCRYPT_INIT, &g.init},
        {FUNCTION_UPDATE, &g.update}, {FUNCTION_FINAL, &g.final},  {FUNCTION_GET_PARAMETERS, &g.get_parameters},
    };
    size_t found = 0;
    for (; d->number != 0; d++)
        for (size_t n = 0; n < sizeof wanted / sizeof wanted[0]; n++)
            if (d->number == wanted[n].number) {
                memcpy(wanted[n].slot, &d->function, sizeof d->function);
                found++;
            }
    return found == sizeof wanted / sizeof wanted[0] ? g : none;
}

void provided_load(void *libcrypto) {
    const struct {
        const char *name;
        void *slot;
    } wanted[] = {
        {"EVP_CIPHER_fetch", &ssl.fetch},
        {"EVP_CIPHER_get0_provider", &ssl.provider_of},
        {"OSSL_PROVIDER_get0_provider_ctx", &ssl.context_of},
        {"OSSL_PROVIDER_query_operation", &ssl.query},
    };
    for (size_t n = 0; n < sizeof wanted / sizeof wanted[0]; n++) {
        void *symbol = dlsym(libcrypto, wanted[n].name);
        if (symbol == NULL)
            return;
        memcpy(wanted[n].slot, &symbol, sizeof symbol);
    }
    gcm128 = find("AES-128-GCM", 16);
    gcm256 = find("AES-256-GCM", 32);
}

void provided_forget(void) {
    const provided_gcm none = {0};
    gcm128 = gcm256 = none;
}

const provided_gcm *provided_find(size_t key_bytes) {
    const provided_gcm *g = key_bytes == 32 ? &gcm256 : &gcm128;
    return g->create != NULL ? g : NULL;
}

void *provided_new(const provided_gcm *g, const uint8_t *key) {
    void *context = g->create(g->provider);
    if (context != NULL && g->init(context, key, g->key_bytes, NULL, 0, NULL) == 1)
        return context;
    if (context != NULL)
        g->release(context);
    return NULL;
}

void provided_free(const provided_gcm *g, void *context) { g->release(context); }

int provided_seal(const provided_gcm *g, void *context, const uint8_t iv[12], const uint8_t *aad, size_t aad_bytes,
                  const uint8_t *in, size_t bytes, uint8_t *out) {
    size_t written;
    parameter tag[] = {{"tag", PARAMETER_OCTETS, out + bytes, GCM_TAG_BYTES, PARAMETER_UNTOUCHED}, {0}};
    int done = g->init(context, NULL, 0, iv, IV_BYTES, NULL) == 1 &&
               g->update(context, NULL, &written, aad_bytes, aad, aad_bytes) == 1 &&
               (bytes == 0 || g->update(context, out, &written, bytes, in, bytes) == 1) &&
               g->final(context, out + bytes, &written, GCM_TAG_BYTES) == 1 && g->get_parameters(context, tag) == 1;
    return done ? 0 : -1;
}
