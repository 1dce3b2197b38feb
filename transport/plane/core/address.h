/* An address on one of the plane's UDP sockets, or at the end of a connection. */
#ifndef PLANE_ADDRESS_H
#define PLANE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

/* tables.c */
bool same_address(const address *a, const address *b);
socklen_t address_bytes(const address *a);
/* Numeric host, and port; IPv4 as such where a dual-stack socket wraps it. */
void address_text(const address *a, char host[46], int *port);

#endif
