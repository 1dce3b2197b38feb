/* Who is behind a user name fragment, or an address. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "plane.h"

#define FORMER_CREDENTIALS_S 30.0

static unsigned hash_bytes(const void *data, size_t bytes, unsigned hash) {
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * 16777619u;
    return hash;
}

static unsigned bucket_of(const uint8_t *ufrag, size_t bytes) {
    return hash_bytes(ufrag, bytes, 2166136261u) % TABLE_BUCKETS;
}

static unsigned bucket_of_address(int socket, const address *a) {
    unsigned hash = 2166136261u ^ (unsigned)socket;
    if (a->any.sa_family == AF_INET6) {
        hash = hash_bytes(&a->v6.sin6_addr, sizeof a->v6.sin6_addr, hash);
        hash = hash_bytes(&a->v6.sin6_port, sizeof a->v6.sin6_port, hash);
    } else {
        hash = hash_bytes(&a->v4.sin_addr, sizeof a->v4.sin_addr, hash);
        hash = hash_bytes(&a->v4.sin_port, sizeof a->v4.sin_port, hash);
    }
    return (hash ^ hash >> 15) % TABLE_BUCKETS;
}

socklen_t address_bytes(const address *a) {
    return a->any.sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

bool same_address(const address *a, const address *b) {
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET6)
        return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
    return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

void address_text(const address *a, char host[46], int *port) {
    if (a->any.sa_family == AF_INET) {
        *port = ntohs(a->v4.sin_port);
        inet_ntop(AF_INET, &a->v4.sin_addr, host, 46);
        return;
    }
    *port = ntohs(a->v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
        inet_ntop(AF_INET, a->v6.sin6_addr.s6_addr + 12, host, 46);
    else
        inet_ntop(AF_INET6, &a->v6.sin6_addr, host, 46);
}

static credentials *find(plane *p, const uint8_t *ufrag, size_t bytes) {
    credentials *c = p->credentials[bucket_of(ufrag, bytes)];
    while (c != NULL && (c->ufrag_bytes != bytes || memcmp(c->ufrag, ufrag, bytes) != 0))
        c = c->next;
    return c;
}

static void unlink_credentials(plane *p, credentials *c) {
    credentials **at = &p->credentials[bucket_of(c->ufrag, c->ufrag_bytes)];
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

static void free_credentials(credentials *c) {
    if (c != NULL) {
        wipe(c->password, c->password_bytes);
        free(c);
    }
}

static credentials *new_credentials(peer *owner, const uint8_t *ufrag, size_t ufrag_bytes,
                                    const uint8_t *password, size_t password_bytes) {
    credentials *c = calloc(1, sizeof *c + ufrag_bytes + password_bytes);
    if (c == NULL)
        return NULL;
    c->owner = owner;
    c->expires_at = 1e300;
    c->ufrag = (uint8_t *)(c + 1);
    c->ufrag_bytes = ufrag_bytes;
    c->password = c->ufrag + ufrag_bytes;
    c->password_bytes = password_bytes;
    memcpy(c->ufrag, ufrag, ufrag_bytes);
    memcpy(c->password, password, password_bytes);
    return c;
}

int tables_add_credentials(plane *p, peer *owner, const uint8_t *ufrag, size_t ufrag_bytes,
                           const uint8_t *password, size_t password_bytes, double now) {
    credentials *added = new_credentials(owner, ufrag, ufrag_bytes, password, password_bytes);
    if (added == NULL)
        return -1;
    credentials *dropped[2] = {NULL, NULL};
    pthread_mutex_lock(&p->tables_lock);
    credentials *known = find(p, ufrag, ufrag_bytes);
    int refused = owner->is_unknown ? -3 : known != NULL && known->owner != owner ? -2 : 0;
    if (refused != 0) {
        pthread_mutex_unlock(&p->tables_lock);
        free_credentials(added);
        return refused;
    }
    if (known == NULL || known == owner->former) {
        /* Restarted twice within the time: two generations are enough. */
        dropped[0] = owner->former;
        owner->former = owner->current;
        if (owner->former != NULL)
            owner->former->expires_at = now + FORMER_CREDENTIALS_S;
    } else {
        dropped[0] = known; /* the same name again */
    }
    if (dropped[0] != NULL)
        unlink_credentials(p, dropped[0]);
    credentials **bucket = &p->credentials[bucket_of(ufrag, ufrag_bytes)];
    added->next = *bucket;
    *bucket = added;
    owner->current = added;
    pthread_mutex_unlock(&p->tables_lock);
    free_credentials(dropped[0]);
    return 0;
}

void tables_forget(plane *p, peer *owner) {
    pthread_mutex_lock(&p->tables_lock);
    credentials *current = owner->current, *former = owner->former;
    if (current != NULL)
        unlink_credentials(p, current);
    if (former != NULL)
        unlink_credentials(p, former);
    owner->current = owner->former = NULL;
    owner->is_unknown = true;
    pthread_mutex_unlock(&p->tables_lock);
    free_credentials(current);
    free_credentials(former);
}

peer *tables_by_ufrag(plane *p, const uint8_t *ufrag, size_t bytes, double now, uint8_t *password,
                      size_t *password_bytes) {
    peer *owner = NULL;
    pthread_mutex_lock(&p->tables_lock);
    credentials *c = find(p, ufrag, bytes);
    if (c != NULL && now < c->expires_at) {
        owner = peer_hold(c->owner);
        *password_bytes = c->password_bytes;
        memcpy(password, c->password, c->password_bytes);
    }
    pthread_mutex_unlock(&p->tables_lock);
    return owner;
}

static route **find_route(plane *p, int socket, const address *from) {
    route **at = &p->routes[bucket_of_address(socket, from)];
    while (*at != NULL && !((*at)->socket == socket && same_address(&(*at)->address, from)))
        at = &(*at)->next_listed;
    return at;
}

peer *tables_by_address(plane *p, int socket, const address *from) {
    pthread_mutex_lock(&p->tables_lock);
    route *r = *find_route(p, socket, from);
    peer *owner = r != NULL ? peer_hold(r->owner) : NULL;
    pthread_mutex_unlock(&p->tables_lock);
    return owner;
}

peer *tables_list_route(plane *p, route *r) {
    peer *former = NULL;
    pthread_mutex_lock(&p->tables_lock);
    route **at = find_route(p, r->socket, &r->address);
    if (*at != r) {
        if (*at != NULL) {
            route *old = *at;
            former = peer_hold(old->owner);
            *at = old->next_listed;
            old->is_listed = false;
        }
        route **bucket = &p->routes[bucket_of_address(r->socket, &r->address)];
        r->next_listed = *bucket;
        r->is_listed = true;
        *bucket = r;
    }
    pthread_mutex_unlock(&p->tables_lock);
    return former;
}

void tables_unlist_route(plane *p, route *r) {
    pthread_mutex_lock(&p->tables_lock);
    if (r->is_listed) {
        route **at = &p->routes[bucket_of_address(r->socket, &r->address)];
        while (*at != r)
            at = &(*at)->next_listed;
        *at = r->next_listed;
        r->is_listed = false;
    }
    pthread_mutex_unlock(&p->tables_lock);
}

bool tables_is_listed(plane *p, route *r) {
    pthread_mutex_lock(&p->tables_lock);
    bool is_listed = r->is_listed;
    pthread_mutex_unlock(&p->tables_lock);
    return is_listed;
}

void tables_publish(plane *p, peer *whose) {
    pthread_mutex_lock(&p->tables_lock);
    whose->is_published = whose->selected != NULL;
    if (whose->selected != NULL) {
        whose->is_tcp = whose->selected->conn != NULL;
        whose->published = whose->selected->address;
    }
    pthread_mutex_unlock(&p->tables_lock);
}

int tables_published(plane *p, peer *whose, address *out, bool *is_tcp) {
    pthread_mutex_lock(&p->tables_lock);
    int is_published = whose->is_published;
    *out = whose->published;
    *is_tcp = whose->is_tcp;
    pthread_mutex_unlock(&p->tables_lock);
    return is_published;
}
