/* What a publisher sent and nobody has taken yet: datagrams as they came, in order.
 *
 * The plane's threads put in, one other thread at a time takes. It reads what it takes without the lock: nobody writes
 * to a slot that is not empty.
 */
#ifndef PLANE_INBOX_H
#define PLANE_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "opening.h"

#define INBOX_SLOTS 2048

typedef struct inbox inbox;

/* NULL when out of memory. */
inbox *inbox_new(void);
/* NULL is ignored. Nobody may be in `inbox_wait`. */
void inbox_free(inbox *i);

/* Keep a datagram, or count it where there is no room. False: it has ended. Any thread, as the next three. */
bool inbox_put(inbox *i, const uint8_t *data, size_t bytes, double now);
/* Nothing comes any more: nobody waits from now on, but what is there may be taken. */
void inbox_end(inbox *i);
/* Nor is anything taken. */
void inbox_close(inbox *i);
/* Datagrams that found no room. */
uint64_t inbox_dropped(inbox *i);
/* Open from now on what is taken. False: it was told so before, and nothing changes. Else the opener is its own. */
bool inbox_open_with(inbox *i, opener *o);
/* Datagrams that could not be opened. */
uint64_t inbox_refused(inbox *i);

/* Wait until something is there, it has ended or the time has passed; but if something was taken less than `pause`
 * seconds ago, until then, or until `most` are there, a marker or RTCP. Returns how many datagrams may be taken, `most`
 * of them at most, or -1 while another thread takes; else `inbox_release` has to follow. */
int inbox_wait(inbox *i, int most, double seconds, double pause);
/* Datagram n of them, from 0 on, and when it came; good until they are released. One that could not be opened has no
 * bytes; at least one could. */
const uint8_t *inbox_at(const inbox *i, int n, size_t *bytes, double *came_at);
/* Give back the first ones of them. */
void inbox_release(inbox *i, int count);

#endif
