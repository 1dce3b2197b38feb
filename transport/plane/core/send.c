/* To the kernel: packets of one viewer that follow each other become one UDP GSO message, the messages of many
 * viewers one call.
 *
 * Refusals: EIO (no segmentation offload on the way out) turns GSO off for that socket, EINVAL and EMSGSIZE (a
 * path whose MTU the segments do not fit) only take this run apart. EAGAIN drops the run: what follows would
 * only arrive with holes before it, and waiting would cost everybody else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "plane.h"

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

typedef union segment_control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(uint16_t))];
} segment_control;

/* sendmmsg, or what a test wants it to do. Returns how many messages went out, at least one, or -errno. */
static int to_kernel(plane *p, int fd, struct mmsghdr *messages, unsigned count) {
    int failures = __atomic_load_n(&p->fail_count, __ATOMIC_ACQUIRE);
    bool only_runs = failures > 0 && __atomic_load_n(&p->fail_only_runs, __ATOMIC_RELAXED);
    if (failures > 0 && (!only_runs || messages[0].msg_hdr.msg_controllen > 0)) {
        __atomic_sub_fetch(&p->fail_count, 1, __ATOMIC_RELAXED);
        return -__atomic_load_n(&p->fail_errno, __ATOMIC_RELAXED);
    }
    if (__atomic_load_n(&p->short_count, __ATOMIC_RELAXED))
        count = 1;
    __atomic_add_fetch(&p->calls, 1, __ATOMIC_RELAXED);
    int sent = sendmmsg(fd, messages, count, MSG_DONTWAIT);
    return sent < 0 ? -errno : sent;
}

static void count_result(const message *m, uint32_t packets, uint32_t bytes, bool is_sent) {
    if (m->peer == NULL)
        return;
    counters *c = &m->peer->counters;
    if (is_sent)
        COUNT(c->bytes_sent, bytes);
    if (m->is_media && is_sent)
        COUNT(c->packets_sent, packets);
    else if (m->is_media)
        COUNT(c->packets_dropped, packets);
}

/* One run, packet by packet. */
static void send_apart(shard *s, int fd, message *m) {
    struct mmsghdr headers[MAX_RUN_PACKETS];
    struct iovec pieces[MAX_RUN_PACKETS];
    memset(headers, 0, sizeof headers[0] * m->packets);
    uint32_t at = 0;
    for (uint32_t n = 0; n < m->packets; n++) {
        uint32_t size = m->bytes - at < m->packet_bytes ? m->bytes - at : m->packet_bytes;
        pieces[n] = (struct iovec){m->data + at, size};
        headers[n].msg_hdr.msg_name = &m->to;
        headers[n].msg_hdr.msg_namelen = address_bytes(&m->to);
        headers[n].msg_hdr.msg_iov = &pieces[n];
        headers[n].msg_hdr.msg_iovlen = 1;
        at += size;
    }
    uint32_t done = 0, bytes = 0;
    while (done < m->packets) {
        int sent = to_kernel(s->plane, fd, headers + done, m->packets - done);
        if (sent == -EINTR)
            continue;
        if (sent <= 0)
            break;
        for (int n = 0; n < sent; n++)
            bytes += (uint32_t)pieces[done + (uint32_t)n].iov_len;
        done += (uint32_t)sent;
    }
    count_result(m, done, bytes, true);
    count_result(m, m->packets - done, 0, false);
}

void send_flush(shard *s) {
    plane *p = s->plane;
    struct mmsghdr headers[BATCH_MESSAGES];
    struct iovec pieces[BATCH_MESSAGES];
    segment_control controls[BATCH_MESSAGES];
    int count = s->batch_count, socket = s->batch_socket;
    if (count == 0)
        return;
    int fd = p->udp[socket];
    memset(headers, 0, sizeof headers[0] * (size_t)count);
    for (int n = 0; n < count; n++) {
        message *m = &s->messages[n];
        struct msghdr *header = &headers[n].msg_hdr;
        pieces[n] = (struct iovec){m->data, m->bytes};
        header->msg_name = &m->to;
        header->msg_namelen = address_bytes(&m->to);
        header->msg_iov = &pieces[n];
        header->msg_iovlen = 1;
        if (m->packets > 1) {
            uint16_t size = (uint16_t)m->packet_bytes;
            memset(&controls[n], 0, sizeof controls[n]);
            header->msg_control = &controls[n];
            header->msg_controllen = sizeof controls[n].room;
            controls[n].header.cmsg_level = SOL_UDP;
            controls[n].header.cmsg_type = UDP_SEGMENT;
            controls[n].header.cmsg_len = CMSG_LEN(sizeof size);
            memcpy(CMSG_DATA(&controls[n].header), &size, sizeof size);
        }
    }
    for (int done = 0; done < count;) {
        message *m = &s->messages[done];
        bool is_run = m->packets > 1;
        if (is_run && !__atomic_load_n(&p->has_gso[socket], __ATOMIC_RELAXED)) {
            send_apart(s, fd, m); /* collected before it was turned off */
            done++;
            continue;
        }
        int sent = to_kernel(p, fd, headers + done, (unsigned)(count - done));
        if (sent == -EINTR)
            continue;
        if (sent > 0) {
            for (int n = 0; n < sent; n++, done++)
                count_result(&s->messages[done], s->messages[done].packets, s->messages[done].bytes, true);
            continue;
        }
        if (is_run && (sent == -EIO || sent == -EINVAL || sent == -EMSGSIZE || sent == -EOPNOTSUPP)) {
            __atomic_add_fetch(&p->refused_runs, 1, __ATOMIC_RELAXED);
            if (sent == -EIO || sent == -EOPNOTSUPP)
                __atomic_store_n(&p->has_gso[socket], false, __ATOMIC_RELAXED);
            send_apart(s, fd, m);
        } else {
            /* EAGAIN, or the network's word on this address: to the viewer both are loss, and consent ends
             * it if it lasts. */
            count_result(m, m->packets, m->bytes, false);
        }
        done++;
    }
    s->batch_count = 0;
    s->batch_used = 0;
}

uint8_t *send_begin(shard *s, const route *to, size_t room) {
    if (to->conn != NULL)
        return room <= sizeof s->scratch ? s->scratch : NULL;
    if (s->batch_count > 0 && (s->batch_socket != to->socket || s->batch_count == BATCH_MESSAGES ||
                               s->batch_used + room > BATCH_BYTES))
        send_flush(s);
    if (room > BATCH_BYTES)
        return NULL;
    s->batch_socket = to->socket;
    return s->batch + s->batch_used;
}

void send_end(shard *s, peer *whose, const route *to, uint8_t *data, size_t bytes, bool is_media) {
    if (to->conn != NULL) {
        if (!to->conn->is_open)
            return;
        conn_buffer(s, to->conn, data, bytes);
        if (whose != NULL)
            COUNT(whose->counters.bytes_sent, bytes);
        if (whose != NULL && is_media)
            COUNT(whose->counters.packets_sent, 1);
        return;
    }
    s->batch_used += bytes;
    if (s->batch_count > 0 && __atomic_load_n(&s->plane->has_gso[to->socket], __ATOMIC_RELAXED)) {
        message *m = &s->messages[s->batch_count - 1];
        if (m->peer == whose && whose != NULL && m->is_media && is_media && !m->is_full &&
            bytes <= m->packet_bytes && m->packets < MAX_RUN_PACKETS && m->bytes + bytes <= MAX_RUN_BYTES &&
            m->data + m->bytes == data && same_address(&m->to, &to->address)) {
            m->packets++;
            m->bytes += (uint32_t)bytes;
            m->is_full = bytes < m->packet_bytes;
            return;
        }
    }
    s->messages[s->batch_count++] =
        (message){whose, is_media, false, 1, (uint32_t)bytes, (uint32_t)bytes, data, to->address};
}

void send_copy(shard *s, peer *whose, const route *to, const uint8_t *data, size_t bytes) {
    uint8_t *at = send_begin(s, to, bytes);
    if (at != NULL) {
        memcpy(at, data, bytes);
        send_end(s, whose, to, at, bytes, false);
    }
}
