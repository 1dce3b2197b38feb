/* What a publisher sends, opened: SRTP and SRTCP under one key (RFC 3711, RFC 7714). Used by one thread at a time. */
#ifndef PLANE_OPENING_H
#define PLANE_OPENING_H

#include <stddef.h>
#include <stdint.h>

typedef struct opener opener;

/* With master key and master salt, as long as the profile says (`srtp.h`). NULL when out of memory. */
opener *opener_new(int profile, const uint8_t *key);
void opener_free(opener *o);
/* Decrypt a packet, RTP or RTCP, in place. Returns its size, or -1: not authentic, come before, too old, too short. */
int opener_open(opener *o, uint8_t *packet, size_t bytes);

#endif
