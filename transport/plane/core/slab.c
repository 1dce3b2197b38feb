#define _GNU_SOURCE
#include "slab.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINE_BYTES 64

#if defined(__SANITIZE_ADDRESS__)
/* Piece by piece, so that what is out of bounds or used too late is seen. */
void *slab_take(size_t bytes) {
    size_t whole = (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    void *memory = bytes > 0 && bytes <= SLAB_MAX_BYTES ? aligned_alloc(LINE_BYTES, whole) : NULL;
    return memory != NULL ? memset(memory, 0, whole) : NULL;
}

void slab_give(void *memory) { free(memory); }
#else

/* A huge page, and what it is cut into: spans, each for pieces of one size. The first one holds the chunk's head. */
#define CHUNK_BYTES ((size_t)2 << 20)
#define SPAN_BYTES ((size_t)64 << 10)
#define SPANS (CHUNK_BYTES / SPAN_BYTES)
#define SIZES (SLAB_MAX_BYTES / LINE_BYTES + 1)

typedef struct piece {
    struct piece *next;
} piece;

typedef struct span {
    size_t piece_bytes;         /* 0: for no size yet */
    size_t taken, untouched_at; /* pieces in use; where those begin that never were */
    piece *given;
    struct span *next, **where; /* among those of its size that have room; `where` is NULL outside the list */
} span;

typedef struct chunk {
    struct chunk *next, **where; /* among those with a span for no size; NULL outside */
    size_t spans_in_use;
    span spans[SPANS];
} chunk;

_Static_assert(sizeof(chunk) <= SPAN_BYTES, "the head of a chunk is in its first span");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static span *with_room[SIZES];
static chunk *chunks;

#define LINK(list, item)                                                                                             \
    do {                                                                                                             \
        (item)->next = (list);                                                                                       \
        (item)->where = &(list);                                                                                     \
        if ((list) != NULL)                                                                                          \
            (list)->where = &(item)->next;                                                                           \
        (list) = (item);                                                                                             \
    } while (0)

#define UNLINK(item)                                                                                                 \
    do {                                                                                                             \
        *(item)->where = (item)->next;                                                                               \
        if ((item)->next != NULL)                                                                                    \
            (item)->next->where = (item)->where;                                                                     \
        (item)->where = NULL;                                                                                        \
    } while (0)

static chunk *chunk_of(void *memory) { return (chunk *)((uintptr_t)memory & ~(uintptr_t)(CHUNK_BYTES - 1)); }

static chunk *map_chunk(void) {
    /* The part of it that begins at a multiple of its size. */
    char *mapped = mmap(NULL, 2 * CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    char *start = (char *)chunk_of(mapped + CHUNK_BYTES - 1);
    if (start > mapped)
        munmap(mapped, (size_t)(start - mapped));
    munmap(start + CHUNK_BYTES, (size_t)(mapped + CHUNK_BYTES - start));
    (void)!madvise(start, CHUNK_BYTES, MADV_HUGEPAGE);
    chunk *c = (chunk *)start;
    LINK(chunks, c);
    return c;
}

static span *begin_span(size_t piece_bytes) {
    chunk *c = chunks != NULL ? chunks : map_chunk();
    if (c == NULL)
        return NULL;
    span *s = &c->spans[1];
    while (s->piece_bytes != 0)
        s++;
    *s = (span){.piece_bytes = piece_bytes};
    if (++c->spans_in_use == SPANS - 1)
        UNLINK(c);
    LINK(with_room[piece_bytes / LINE_BYTES], s);
    return s;
}

/* Nothing of it is in use any more: it can be for another size, or its chunk can go. */
static void end_span(span *s) {
    chunk *c = chunk_of(s);
    UNLINK(s);
    s->piece_bytes = 0;
    if (c->spans_in_use-- == SPANS - 1)
        LINK(chunks, c);
    /* One is kept: the next viewer needs it again. */
    bool is_spare = c->spans_in_use == 0 && (chunks != c || c->next != NULL);
    if (is_spare) {
        UNLINK(c);
        munmap(c, CHUNK_BYTES);
    }
}

static bool is_full(const span *s) {
    return s->given == NULL && s->untouched_at + s->piece_bytes > SPAN_BYTES;
}

void *slab_take(size_t bytes) {
    if (bytes == 0 || bytes > SLAB_MAX_BYTES)
        return NULL;
    size_t piece_bytes = (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    pthread_mutex_lock(&lock);
    span *s = with_room[piece_bytes / LINE_BYTES];
    if (s == NULL)
        s = begin_span(piece_bytes);
    void *memory = NULL;
    if (s != NULL) {
        memory = s->given;
        if (s->given != NULL) {
            s->given = s->given->next;
        } else {
            chunk *c = chunk_of(s);
            memory = (char *)c + (size_t)(s - c->spans) * SPAN_BYTES + s->untouched_at;
            s->untouched_at += piece_bytes;
        }
        s->taken++;
        if (is_full(s))
            UNLINK(s);
    }
    pthread_mutex_unlock(&lock);
    return memory != NULL ? memset(memory, 0, piece_bytes) : NULL;
}

void slab_give(void *memory) {
    if (memory == NULL)
        return;
    chunk *c = chunk_of(memory);
    span *s = &c->spans[(size_t)((char *)memory - (char *)c) / SPAN_BYTES];
    pthread_mutex_lock(&lock);
    piece *given = memory;
    given->next = s->given;
    s->given = given;
    if (s->where == NULL)
        LINK(with_room[s->piece_bytes / LINE_BYTES], s);
    if (--s->taken == 0)
        end_span(s);
    pthread_mutex_unlock(&lock);
}
#endif
