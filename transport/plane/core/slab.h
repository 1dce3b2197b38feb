/* Memory of what is touched for every picture of every viewer: whole cache lines, close together in huge pages.
 *
 * From malloc it lies wherever there was room in the heap of a Python process, a page each: with a thousand viewers
 * the processor then waits as long for the translation of addresses as for the data.
 */
#ifndef PLANE_SLAB_H
#define PLANE_SLAB_H

#include <stddef.h>

#define SLAB_MAX_BYTES 16384

/* Zeros, at the beginning of a cache line. NULL when out of memory, for 0 bytes and for more than SLAB_MAX_BYTES. Any
 * thread. */
void *slab_take(size_t bytes);
/* Give it back; NULL is ignored. Any thread. */
void slab_give(void *memory);

#endif
