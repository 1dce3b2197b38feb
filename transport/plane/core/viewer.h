/* What is sent to one viewer, what its reports say, where it is and how it ends: of the shard's thread. */
#ifndef PLANE_VIEWER_H
#define PLANE_VIEWER_H

#include "feed.h"
#include "peer.h"
#include "shard.h"

/* viewer.c */
void viewer_pull(shard *s, peer *p, outgoing *o, double now);
/* Let the processor fetch what `viewer_pull_due` will look at for this viewer and the two after it, the more the
 * sooner it is needed: one must be here before what it points to can be fetched. NULL for nobody. */
void viewer_expect(const peer *p);
/* Of every feed that is due. */
void viewer_pull_due(shard *s, peer *p, double now);
void viewer_resume(shard *s, peer *p, double now);
void viewer_report(shard *s, peer *p, double now);
void viewer_bye(shard *s, peer *p, double now);
void viewer_keys(shard *s, peer *p, srtp *keys);
void viewer_subscribe(shard *s, command *c, double now);
void viewer_detach(shard *s, peer *p);
void viewer_schedule(shard *s, peer *p);
void viewer_repair(shard *s, peer *p, outgoing *o, uint16_t seq, double now);
outgoing *viewer_outgoing(peer *p, uint32_t ssrc);

/* rtcp.c */
void rtcp_receive(shard *s, peer *p, uint8_t *data, size_t bytes, double now);

/* seat.c: addresses and the end of a viewer. */
bool seat_is_over(const peer *p);
bool seat_can_send(const peer *p);
void seat_checked(shard *s, peer *p, int socket, const address *from, conn *c, bool nominated, double now);
void seat_lose_route(shard *s, peer *p, route *r, double now);
/* Those that were listed as another viewer's, and not proved again since. */
void seat_lose_taken(shard *s, peer *p, double now);
route *seat_find(peer *p, int socket, const address *from, const conn *c);
void seat_lose(shard *s, peer *p);
void seat_remove(shard *s, peer *p, bool with_bye, double now);
void seat_tick(shard *s, peer *p, double now);
/* When its timer has to ring for the tick. */
double seat_rings_at(const shard *s, const peer *p);

#endif
