/* How long a browser is asked to keep pictures: longer while its line loses packets. `playout.py` says why. */
#include <math.h>

#include "outgoing.h"

#define LOSSY 0.02
#define LOSSY_REPORTS 2
#define HOLD_S 15.0
#define ROUNDS 3
#define ROUND_MS 40.0
#define STEP_MS 50
#define RTT_WEIGHT (1.0 / 8)
/* The extension holds two times 12 bits in units of 10 ms. */
#define UNIT_MS 10

static int base_of(const uint8_t *extension) { return extension[0] << 4 | extension[1] >> 4; }

static int most_of(const uint8_t *extension) { return (extension[1] & 0x0F) << 8 | extension[2]; }

void playout_reset(playout *p, const subscription *s) {
    if (s->playout_delay_at != 0 && !p->is_raised)
        p->min = (uint16_t)base_of(s->extensions + s->playout_delay_at);
}

void playout_reported(playout *p, const subscription *s, double fraction_lost, double rtt_ms, double now) {
    if (s->playout_delay_at == 0)
        return;
    int base = base_of(s->extensions + s->playout_delay_at), most = most_of(s->extensions + s->playout_delay_at);
    p->rtt_ms += (rtt_ms - p->rtt_ms) * (p->rtt_ms > 0.0 ? RTT_WEIGHT : 1.0);
    if (fraction_lost < LOSSY) {
        p->lossy_reports = 0;
        if (now >= p->hold_until) {
            p->min = (uint16_t)base;
            p->is_raised = false;
        }
        return;
    }
    p->lossy_reports++;
    if (p->lossy_reports < LOSSY_REPORTS && !p->is_raised)
        return;
    p->hold_until = now + HOLD_S;
    int wanted = (int)ceil(ROUNDS * (p->rtt_ms + ROUND_MS) / STEP_MS) * (STEP_MS / UNIT_MS);
    wanted = wanted > most ? most : wanted;
    wanted = wanted < base ? base : wanted;
    /* Not for every wobble of the round trip. */
    if (wanted > p->min || wanted <= p->min - 2 * STEP_MS / UNIT_MS)
        p->min = (uint16_t)wanted;
    p->is_raised = true;
}

void playout_write(const subscription *s, uint16_t min, uint8_t *extensions) {
    if (s->playout_delay_at == 0)
        return;
    uint8_t *at = extensions + s->playout_delay_at;
    at[0] = (uint8_t)(min >> 4);
    at[1] = (uint8_t)((min & 0x0F) << 4 | (at[1] & 0x0F));
}
