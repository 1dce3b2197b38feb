#include "crypto.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "provided.h"
#include "slab.h"

/* From openssl/evp.h; part of the ABI since OpenSSL 1.1. */
#define CTRL_AEAD_GET_TAG 0x10
#define CTRL_AEAD_SET_TAG 0x11

typedef struct evp_cipher_ctx evp_cipher_ctx;
typedef struct evp_cipher evp_cipher;
typedef struct evp_md evp_md;
typedef struct hmac_ctx hmac_ctx;

static struct {
    evp_cipher_ctx *(*ctx_new)(void);
    void (*ctx_free)(evp_cipher_ctx *);
    int (*ctx_ctrl)(evp_cipher_ctx *, int, int, void *);
    int (*encrypt_init)(evp_cipher_ctx *, const evp_cipher *, void *, const uint8_t *, const uint8_t *);
    int (*encrypt_update)(evp_cipher_ctx *, uint8_t *, int *, const uint8_t *, int);
    int (*encrypt_final)(evp_cipher_ctx *, uint8_t *, int *);
    int (*decrypt_init)(evp_cipher_ctx *, const evp_cipher *, void *, const uint8_t *, const uint8_t *);
    int (*decrypt_update)(evp_cipher_ctx *, uint8_t *, int *, const uint8_t *, int);
    int (*decrypt_final)(evp_cipher_ctx *, uint8_t *, int *);
    const evp_cipher *(*gcm128)(void), *(*gcm256)(void), *(*ctr128)(void), *(*ctr256)(void);
    const evp_md *(*sha1)(void);
    hmac_ctx *(*hmac_new)(void);
    void (*hmac_free)(hmac_ctx *);
    int (*hmac_init)(hmac_ctx *, const void *, int, const evp_md *, void *);
    int (*hmac_update)(hmac_ctx *, const uint8_t *, size_t);
    int (*hmac_final)(hmac_ctx *, uint8_t *, unsigned int *);
    uint8_t *(*hmac_once)(const evp_md *, const void *, int, const uint8_t *, size_t, uint8_t *, unsigned int *);
} ssl;

/* intel-ipsec-mb: offsets in its manager structure, the same in its ABIs 1 and 2, and sizes with room to spare. */
#define MB_GCM128_ENCRYPT 256
#define MB_GCM256_ENCRYPT 272
#define MB_GCM128_PREPARE 448
#define MB_GCM256_PREPARE 464
#define MB_KEY_BYTES 2048
#define MB_CONTEXT_BYTES 256
/* The round keys and the first powers of the hash key. */
#define MB_KEY_USED_BYTES 512

typedef void (*mb_encrypt)(const void *key, void *context, uint8_t *out, const uint8_t *in, uint64_t bytes,
                           const uint8_t *iv, const uint8_t *aad, uint64_t aad_bytes, uint8_t *tag,
                           uint64_t tag_bytes);
typedef void (*mb_prepare)(const void *key, void *key_data);

static mb_encrypt mb_encrypt_128, mb_encrypt_256;
static mb_prepare mb_prepare_128, mb_prepare_256;

struct cipher {
    /* One of three is not NULL: */
    mb_encrypt encrypt; /* with `mb_key` */
    void *provided;     /* a context, of `gcm` */
    evp_cipher_ctx *ctx;
    const provided_gcm *gcm;
    uint8_t mb_key[MB_KEY_BYTES] __attribute__((aligned(64))); /* only there for `encrypt` */
};

struct mac {
    hmac_ctx *ctx;
};

static void *libcrypto; /* stays loaded for the life of the process */

static int load_libcrypto(void) {
    static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1", NULL};
    for (int i = 0; names[i] != NULL && libcrypto == NULL; i++)
        libcrypto = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (libcrypto == NULL)
        return -1;
    const struct {
        const char *name;
        void *slot;
    } wanted[] = {
        {"EVP_CIPHER_CTX_new", &ssl.ctx_new},
        {"EVP_CIPHER_CTX_free", &ssl.ctx_free},
        {"EVP_CIPHER_CTX_ctrl", &ssl.ctx_ctrl},
        {"EVP_EncryptInit_ex", &ssl.encrypt_init},
        {"EVP_EncryptUpdate", &ssl.encrypt_update},
        {"EVP_EncryptFinal_ex", &ssl.encrypt_final},
        {"EVP_DecryptInit_ex", &ssl.decrypt_init},
        {"EVP_DecryptUpdate", &ssl.decrypt_update},
        {"EVP_DecryptFinal_ex", &ssl.decrypt_final},
        {"EVP_aes_128_gcm", &ssl.gcm128},
        {"EVP_aes_256_gcm", &ssl.gcm256},
        {"EVP_aes_128_ctr", &ssl.ctr128},
        {"EVP_aes_256_ctr", &ssl.ctr256},
        {"EVP_sha1", &ssl.sha1},
        {"HMAC_CTX_new", &ssl.hmac_new},
        {"HMAC_CTX_free", &ssl.hmac_free},
        {"HMAC_Init_ex", &ssl.hmac_init},
        {"HMAC_Update", &ssl.hmac_update},
        {"HMAC_Final", &ssl.hmac_final},
        {"HMAC", &ssl.hmac_once},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        void *symbol = dlsym(libcrypto, wanted[i].name);
        if (symbol == NULL) {
            dlclose(libcrypto);
            libcrypto = NULL;
            return -1;
        }
        memcpy(wanted[i].slot, &symbol, sizeof symbol);
    }
    return 0;
}

static void forget_ipsec_mb(void) {
    mb_encrypt_128 = mb_encrypt_256 = NULL;
    mb_prepare_128 = mb_prepare_256 = NULL;
}

static cipher *new_cipher(const evp_cipher *kind, const uint8_t *key, int for_decryption) {
    cipher *c = slab_take(offsetof(cipher, mb_key));
    if (c == NULL)
        return NULL;
    c->ctx = ssl.ctx_new();
    int (*init)(evp_cipher_ctx *, const evp_cipher *, void *, const uint8_t *, const uint8_t *) =
        for_decryption ? ssl.decrypt_init : ssl.encrypt_init;
    if (c->ctx == NULL || init(c->ctx, kind, NULL, key, NULL) != 1) {
        cipher_free(c);
        return NULL;
    }
    return c;
}

static cipher *evp_encrypter(const uint8_t *key, size_t key_bytes) {
    return new_cipher(key_bytes == 32 ? ssl.gcm256() : ssl.gcm128(), key, 0);
}

static cipher *provided_encrypter(const uint8_t *key, size_t key_bytes) {
    cipher *c = slab_take(offsetof(cipher, mb_key));
    if (c == NULL)
        return NULL;
    c->gcm = provided_find(key_bytes);
    c->provided = provided_new(c->gcm, key);
    if (c->provided == NULL) {
        cipher_free(c);
        return NULL;
    }
    return c;
}

static cipher *mb_encrypter(const uint8_t *key, size_t key_bytes) {
    cipher *c = slab_take(sizeof *c);
    if (c == NULL)
        return NULL;
    c->encrypt = key_bytes == 32 ? mb_encrypt_256 : mb_encrypt_128;
    (key_bytes == 32 ? mb_prepare_256 : mb_prepare_128)(key, c->mb_key);
    return c;
}

/* True if what this makes encrypts to the same bytes as EVP, twice in a row: its ABI is as it is taken to be. */
static int agrees_with_evp(cipher *(*make)(const uint8_t *, size_t), size_t key_bytes) {
    uint8_t key[32], iv[12], aad[20], plain[333], one[333 + GCM_TAG_BYTES], two[333 + GCM_TAG_BYTES];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 7 + 1);
    memcpy(key, plain + 100, sizeof key);
    memcpy(aad, plain + 300, sizeof aad);
    cipher *quick = make(key, key_bytes), *evp = evp_encrypter(key, key_bytes);
    int same = quick != NULL && evp != NULL;
    for (size_t round = 0; round < 2 && same; round++) {
        memcpy(iv, plain + 200 + round, sizeof iv);
        same = gcm_seal(quick, iv, aad, sizeof aad, plain, sizeof plain, one) == 0 &&
               gcm_seal(evp, iv, aad, sizeof aad, plain, sizeof plain, two) == 0 && memcmp(one, two, sizeof one) == 0;
    }
    cipher_free(quick);
    cipher_free(evp);
    return same;
}

static void load_provided(void) {
    provided_load(libcrypto);
    if (provided_find(16) == NULL || provided_find(32) == NULL || !agrees_with_evp(provided_encrypter, 16) ||
        !agrees_with_evp(provided_encrypter, 32))
        provided_forget();
}

#if defined(__x86_64__)
static char *mb_manager;

/* True once the library is there. It stays for the life of the process, as does what has the functions. */
static int have_mb_manager(void) {
    if (mb_manager != NULL)
        return 1;
    /* Two ABIs of one layout, the second with AES-GCM for VAES without AVX-512. */
    void *library = dlopen("libIPSec_MB.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        library = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return 0;
    void *(*allocate)(uint64_t) = (void *(*)(uint64_t))dlsym(library, "alloc_mb_mgr");
    void (*initialize)(void *, void *) = (void (*)(void *, void *))dlsym(library, "init_mb_mgr_auto");
    mb_manager = allocate != NULL && initialize != NULL ? allocate(0) : NULL;
    if (mb_manager == NULL) {
        dlclose(library);
        return 0;
    }
    initialize(mb_manager, NULL);
    return 1;
}

static void load_ipsec_mb(void) {
    if (!have_mb_manager())
        return;
    memcpy(&mb_encrypt_128, mb_manager + MB_GCM128_ENCRYPT, sizeof mb_encrypt_128);
    memcpy(&mb_encrypt_256, mb_manager + MB_GCM256_ENCRYPT, sizeof mb_encrypt_256);
    memcpy(&mb_prepare_128, mb_manager + MB_GCM128_PREPARE, sizeof mb_prepare_128);
    memcpy(&mb_prepare_256, mb_manager + MB_GCM256_PREPARE, sizeof mb_prepare_256);
    if (mb_encrypt_128 == NULL || mb_encrypt_256 == NULL || mb_prepare_128 == NULL || mb_prepare_256 == NULL ||
        !agrees_with_evp(mb_encrypter, 16) || !agrees_with_evp(mb_encrypter, 32))
        forget_ipsec_mb();
}
#else
static void load_ipsec_mb(void) {}
#endif

int crypto_load(int allow_ipsec_mb) {
    if (ssl.hmac_once == NULL) {
        if (load_libcrypto() < 0)
            return -1;
        load_provided();
    }
    if (!allow_ipsec_mb)
        forget_ipsec_mb();
    else if (mb_encrypt_128 == NULL)
        load_ipsec_mb();
    return 0;
}

const char *crypto_name(void) { return mb_encrypt_128 != NULL ? "ipsec-mb" : "openssl"; }

cipher *gcm_encrypter(const uint8_t *key, size_t key_bytes) {
    if (mb_encrypt_128 != NULL)
        return mb_encrypter(key, key_bytes);
    return provided_find(key_bytes) != NULL ? provided_encrypter(key, key_bytes) : evp_encrypter(key, key_bytes);
}

cipher *gcm_decrypter(const uint8_t *key, size_t key_bytes) {
    return new_cipher(key_bytes == 32 ? ssl.gcm256() : ssl.gcm128(), key, 1);
}

cipher *ctr_cipher(const uint8_t *key, size_t key_bytes) {
    return new_cipher(key_bytes == 32 ? ssl.ctr256() : ssl.ctr128(), key, 0);
}

void cipher_free(cipher *c) {
    if (c == NULL)
        return;
    if (c->ctx != NULL)
        ssl.ctx_free(c->ctx);
    if (c->provided != NULL)
        provided_free(c->gcm, c->provided);
    if (c->encrypt != NULL)
        wipe(c->mb_key, sizeof c->mb_key);
    slab_give(c);
}

const void *cipher_state(const cipher *c, size_t *bytes) {
    /* libcrypto's contexts are larger; to fetch all of one costs as much as it saves. */
    *bytes = c->encrypt != NULL ? MB_KEY_USED_BYTES : 0;
    return c->mb_key;
}

int gcm_seal(cipher *c, const uint8_t iv[12], const uint8_t *aad, size_t aad_bytes, const uint8_t *in,
             size_t bytes, uint8_t *out) {
    if (c->encrypt != NULL) {
        /* Aligned: the library stores whole vectors into it. */
        uint8_t context[MB_CONTEXT_BYTES] __attribute__((aligned(64)));
        c->encrypt(c->mb_key, context, out, in, bytes, iv, aad, aad_bytes, out + bytes, GCM_TAG_BYTES);
        return 0;
    }
    if (c->provided != NULL)
        return provided_seal(c->gcm, c->provided, iv, aad, aad_bytes, in, bytes, out);
    int done = 0, last = 0;
    if (ssl.encrypt_init(c->ctx, NULL, NULL, NULL, iv) != 1 ||
        ssl.encrypt_update(c->ctx, NULL, &done, aad, (int)aad_bytes) != 1 ||
        ssl.encrypt_update(c->ctx, out, &done, in, (int)bytes) != 1 ||
        ssl.encrypt_final(c->ctx, out + done, &last) != 1 ||
        ssl.ctx_ctrl(c->ctx, CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, out + bytes) != 1)
        return -1;
    return 0;
}

int gcm_open(cipher *c, const uint8_t iv[12], const uint8_t *aad, size_t aad_bytes, const uint8_t *in,
             size_t bytes, uint8_t *out) {
    uint8_t tag[GCM_TAG_BYTES];
    int done = 0, last = 0;
    memcpy(tag, in + bytes, sizeof tag);
    if (ssl.decrypt_init(c->ctx, NULL, NULL, NULL, iv) != 1 ||
        ssl.decrypt_update(c->ctx, NULL, &done, aad, (int)aad_bytes) != 1)
        return -1;
    done = 0;
    if ((bytes > 0 && ssl.decrypt_update(c->ctx, out, &done, in, (int)bytes) != 1) ||
        ssl.ctx_ctrl(c->ctx, CTRL_AEAD_SET_TAG, GCM_TAG_BYTES, tag) != 1 ||
        ssl.decrypt_final(c->ctx, out + done, &last) != 1)
        return -1;
    return 0;
}

int ctr_apply(cipher *c, const uint8_t iv[16], const uint8_t *in, size_t bytes, uint8_t *out) {
    int done = 0;
    if (ssl.encrypt_init(c->ctx, NULL, NULL, NULL, iv) != 1 ||
        (bytes > 0 && ssl.encrypt_update(c->ctx, out, &done, in, (int)bytes) != 1))
        return -1;
    return 0;
}

mac *mac_new(const uint8_t *key, size_t key_bytes) {
    mac *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->ctx = ssl.hmac_new();
    if (m->ctx == NULL || ssl.hmac_init(m->ctx, key, (int)key_bytes, ssl.sha1(), NULL) != 1) {
        mac_free(m);
        return NULL;
    }
    return m;
}

void mac_free(mac *m) {
    if (m == NULL)
        return;
    if (m->ctx != NULL)
        ssl.hmac_free(m->ctx);
    free(m);
}

int mac_sign(mac *m, const uint8_t *first, size_t first_bytes, const uint8_t *second, size_t second_bytes,
             uint8_t out[SHA1_BYTES]) {
    unsigned int size = SHA1_BYTES;
    /* Without a key: the one it has, from the start. */
    if (ssl.hmac_init(m->ctx, NULL, 0, NULL, NULL) != 1 || ssl.hmac_update(m->ctx, first, first_bytes) != 1 ||
        ssl.hmac_update(m->ctx, second, second_bytes) != 1 || ssl.hmac_final(m->ctx, out, &size) != 1)
        return -1;
    return 0;
}

int hmac_sha1(const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t bytes, uint8_t out[SHA1_BYTES]) {
    unsigned int size = SHA1_BYTES;
    return ssl.hmac_once(ssl.sha1(), key, (int)key_bytes, data, bytes, out, &size) != NULL ? 0 : -1;
}

int equal_secret(const uint8_t *a, const uint8_t *b, size_t bytes) {
    unsigned different = 0;
    for (size_t i = 0; i < bytes; i++)
        different |= a[i] ^ b[i];
    return different == 0;
}

void wipe(void *memory, size_t bytes) {
    memset(memory, 0, bytes);
    __asm__ __volatile__("" : : "r"(memory) : "memory"); /* the compiler must not leave it out */
}
