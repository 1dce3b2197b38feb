/* What comes in: sorted by the first byte (RFC 7983) and handed to the shard of the viewer it is from. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "plane.h"
#include "stun.h"

#define MAX_PASSWORD_BYTES 256

bool shard_post(peer *p, int socket, const address *from, const uint8_t *data, size_t bytes) {
    shard *s = p->shard;
    pthread_mutex_lock(&s->lock);
    bool is_kept = !s->is_over && s->ring_written - s->ring_read < RING_SLOTS && p->posted < MAX_POSTED &&
                   bytes <= DATAGRAM_BYTES;
    bool is_urgent = data[0] < 64 && (data[0] >= 4 || !p->is_settled);
    bool is_first = is_kept && is_urgent && !s->is_awake;
    if (is_kept) {
        s->is_awake = s->is_awake || is_urgent;
        slot *to = &s->ring[s->ring_written++ % RING_SLOTS];
        p->posted++;
        to->peer = peer_hold(p);
        to->socket = socket;
        to->from = *from;
        to->bytes = (uint32_t)bytes;
        memcpy(to->data, data, bytes);
    }
    pthread_mutex_unlock(&s->lock);
    if (is_first)
        wake(s);
    return is_kept;
}

void shard_tell(peer *p) {
    shard *s = p->shard;
    pthread_mutex_lock(&s->lock);
    bool is_new = !s->is_over && !p->is_told, is_first = is_new && !s->is_awake;
    if (is_new) {
        s->is_awake = p->is_told = true;
        p->next_told = s->told;
        s->told = peer_hold(p);
    }
    pthread_mutex_unlock(&s->lock);
    if (is_first)
        wake(s);
}

void receive_wake_others(shard *s) {
    bool goes_on = s->unwatched != 0;
    for (int n = 0; n < s->plane->shards_count; n++) {
        shard *other = &s->plane->shards[n];
        if (other == s)
            continue;
        pthread_mutex_lock(&other->lock);
        uint64_t due = goes_on ? other->ring_waited : other->ring_written;
        bool is_late = !other->is_awake && other->ring_read < due;
        other->is_awake = other->is_awake || is_late;
        other->ring_waited = other->ring_written;
        pthread_mutex_unlock(&other->lock);
        if (is_late)
            wake(other);
    }
}

void shard_hand(shard *s, conn *c) {
    pthread_mutex_lock(&s->lock);
    bool is_over = s->is_over, is_first = !s->is_awake;
    if (!is_over) {
        s->is_awake = true;
        c->next_handed = s->handed;
        s->handed = c;
    }
    pthread_mutex_unlock(&s->lock);
    if (is_over)
        conn_discard(s->plane, c);
    else if (is_first)
        wake(s);
}

static void post(plane *p, peer *owner, int socket, const address *from, const uint8_t *data, size_t bytes) {
    if (!shard_post(owner, socket, from, data, bytes))
        plane_garbage(p);
}

static void reply(shard *s, peer *whose, int socket, const address *from, conn *c, const uint8_t *data,
                  size_t bytes) {
    route back = {.socket = socket, .conn = c, .address = *from};
    if (bytes > 0)
        send_copy(s, whose, &back, data, bytes);
}

static bool on_stun(shard *s, const uint8_t *data, size_t bytes, int socket, const address *from, conn *c,
                    double now) {
    plane *p = s->plane;
    stun_request request;
    uint8_t password[MAX_PASSWORD_BYTES], answer[STUN_MAX_REPLY_BYTES];
    size_t password_bytes = 0;
    if (stun_parse(data, bytes, &request) < 0 || !request.is_request) {
        plane_garbage(p); /* a lite agent sends no checks, so nobody has anything to answer it */
        return true;
    }
    if (!request.has_fingerprint || request.ufrag == NULL || !request.has_integrity) {
        plane_garbage(p);
        reply(s, NULL, socket, from, c, answer, stun_error(&request, 400, NULL, 0, answer));
        return true;
    }
    peer *owner = tables_by_ufrag(p, request.ufrag, request.ufrag_bytes, now, password, &password_bytes);
    if (owner == NULL) {
        plane_garbage(p);
        return true;
    }
    if (owner->shard != s) {
        bool is_ours = c != NULL && c->owner != NULL; /* proved for another viewer: it stays with that one */
        if (c == NULL)
            post(p, owner, socket, from, data, bytes);
        shard *elsewhere = owner->shard;
        peer_release(owner);
        if (c == NULL || is_ours)
            return true;
        conn_leave(s, c);
        shard_hand(elsewhere, c);
        return false;
    }
    if (!stun_is_signed_with(&request, password, password_bytes)) {
        plane_garbage(p);
        reply(s, NULL, socket, from, c, answer, stun_error(&request, 401, NULL, 0, answer));
    } else if (request.is_controlled) {
        /* A lite agent is always controlled; the other side has to switch (RFC 8445 7.3.1.1). */
        plane_garbage(p);
        reply(s, NULL, socket, from, c, answer, stun_error(&request, 487, password, password_bytes, answer));
    } else if (seat_is_over(owner) || !owner->is_added) {
        plane_garbage(p);
    } else {
        size_t size = stun_success(&request, from, password, password_bytes, answer);
        reply(s, owner, socket, from, c, answer, size);
        seat_checked(s, owner, socket, from, c, request.is_nominated, now);
    }
    wipe(password, sizeof password);
    peer_release(owner);
    return true;
}

/* RTP or RTCP of a publisher, still protected. */
static bool is_collected(const peer *owner, const uint8_t *data, size_t bytes) {
    return owner != NULL && bytes > 1 && data[0] >= 128 && data[0] < 192 && owner->inbox != NULL;
}

static void collect(shard *s, peer *from, const uint8_t *data, size_t bytes, double now) {
    if (!inbox_put(from->inbox, data, bytes, now))
        plane_garbage(s->plane);
}

bool receive_datagram(shard *s, peer *owner, uint8_t *data, size_t bytes, int socket, const address *from,
                      conn *c, double now) {
    unsigned first = bytes > 0 ? data[0] : 255;
    if (first < 4)
        return on_stun(s, data, bytes, socket, from, c, now);
    if (owner == NULL || seat_is_over(owner) || seat_find(owner, socket, from, c) == NULL)
        plane_garbage(s->plane);
    else if (first >= 20 && first < 64)
        event_dtls(s->plane, owner, data, bytes);
    else if (is_collected(owner, data, bytes))
        collect(s, owner, data, bytes, now);
    else if (first >= 128 && first < 192 && bytes > 1 && data[1] >= 192 && data[1] < 224)
        rtcp_receive(s, owner, data, bytes, now);
    else
        plane_garbage(s->plane);
    return true;
}

static void sort(shard *s, uint8_t *data, size_t bytes, int socket, const address *from, double now) {
    peer *owner = bytes > 0 && data[0] >= 4 ? tables_by_address(s->plane, socket, from) : NULL;
    /* Whichever shard's it is: what is listed is proved, and an inbox has a lock of its own. */
    if (is_collected(owner, data, bytes))
        collect(s, owner, data, bytes, now);
    else if (owner != NULL && owner->shard != s)
        post(s->plane, owner, socket, from, data, bytes);
    else
        receive_datagram(s, owner, data, bytes, socket, from, NULL, now);
    peer_release(owner);
}

int receive_udp(shard *s, int socket) {
    struct mmsghdr headers[RECEIVE_MESSAGES];
    struct iovec pieces[RECEIVE_MESSAGES];
    address from[RECEIVE_MESSAGES];
    memset(headers, 0, sizeof headers);
    for (int n = 0; n < RECEIVE_MESSAGES; n++) {
        pieces[n] = (struct iovec){s->received[n], DATAGRAM_BYTES};
        headers[n].msg_hdr.msg_name = &from[n];
        headers[n].msg_hdr.msg_namelen = sizeof from[n];
        headers[n].msg_hdr.msg_iov = &pieces[n];
        headers[n].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(s->plane->udp[socket], headers, RECEIVE_MESSAGES, MSG_DONTWAIT, NULL);
    if (count <= 0)
        return 0; /* nothing there, or an earlier datagram's ICMP error, reported here */
    __atomic_add_fetch(&s->plane->received, (uint64_t)count, __ATOMIC_RELAXED);
    double now = plane_now(s->plane);
    /* What a caller asked for before a viewer spoke takes effect before. */
    shard_drain_commands(s, now);
    for (int n = 0; n < count; n++) {
        bool is_whole = !(headers[n].msg_hdr.msg_flags & MSG_TRUNC) && headers[n].msg_len <= DATAGRAM_BYTES;
        bool is_known = headers[n].msg_hdr.msg_namelen >= sizeof(struct sockaddr_in) &&
                        (from[n].any.sa_family == AF_INET || from[n].any.sa_family == AF_INET6);
        if (is_whole && is_known)
            sort(s, s->received[n], headers[n].msg_len, socket, &from[n], now);
        else
            plane_garbage(s->plane);
    }
    return count;
}
