/* Lets allocations of the plane fail, as where memory is short. The linker puts these in front of libc's. */
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);

static atomic_uint every, asked;

/* Of so many one; 0: none. */
void allocations_fail(unsigned one_in) { atomic_store(&every, one_in); }

static int fails(void) {
    unsigned one_in = atomic_load(&every);
    return one_in != 0 && atomic_fetch_add(&asked, 1) % one_in == 0;
}

void *__wrap_malloc(size_t bytes) { return fails() ? NULL : __real_malloc(bytes); }

void *__wrap_calloc(size_t count, size_t bytes) { return fails() ? NULL : __real_calloc(count, bytes); }

void *__wrap_realloc(void *memory, size_t bytes) { return fails() ? NULL : __real_realloc(memory, bytes); }

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}
