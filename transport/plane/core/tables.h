/* Who is behind a user name fragment, or an address: for any thread. */
#ifndef PLANE_TABLES_H
#define PLANE_TABLES_H

#include "peer.h"

#define TABLE_BUCKETS 8192

struct credentials {
    struct credentials *next; /* in its bucket */
    peer *owner;
    double expires_at;
    size_t ufrag_bytes, password_bytes;
    uint8_t *ufrag, *password;
};

/* 0; -1: no memory; -2: another's; -3: the viewer was forgotten. */
int tables_add_credentials(plane *p, peer *owner, const uint8_t *ufrag, size_t ufrag_bytes,
                           const uint8_t *password, size_t password_bytes, double now);
/* Nobody finds it by a name any more, ever. */
void tables_forget(plane *p, peer *owner);
/* A reference, or NULL; copies the password (at most 256 bytes). */
peer *tables_by_ufrag(plane *p, const uint8_t *ufrag, size_t bytes, double now, uint8_t *password,
                      size_t *password_bytes);
peer *tables_by_address(plane *p, int socket, const address *from);
/* List a route; returns a reference to the peer that was listed with its address before, or NULL. */
peer *tables_list_route(plane *p, route *r);
void tables_unlist_route(plane *p, route *r);
bool tables_is_listed(plane *p, route *r);
void tables_publish(plane *p, peer *whose);
int tables_published(plane *p, peer *whose, address *out, bool *is_tcp);

#endif
