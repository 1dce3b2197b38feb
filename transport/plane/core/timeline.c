#include <math.h>

#include "outgoing.h"

#define MIN_BURST_S 0.1
#define MAX_BURST_S 1.0
/* The backlog is shown this many times faster than it was made; a decoder manages that. */
#define BURST_SPEED 8
/* A feed whose clock is off by more than this does not share the wall clock at all. */
#define MAX_DRIFT_S 10.0

static int64_t floor_divide(int64_t a, int64_t b) {
    int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

int64_t timeline_map(const timeline *t, int64_t timestamp) {
    timestamp += t->shift;
    if (timestamp >= t->until || t->until <= t->start)
        return timestamp;
    /* 128 bits: nothing bounds a GOP's length in ticks. */
    __int128 product = (__int128)(timestamp - t->start) * (t->until - t->first);
    int64_t span = t->until - t->start;
    if (product == (int64_t)product)
        return t->first + floor_divide((int64_t)product, span);
    return t->first + (int64_t)(product / span);
}

timeline timeline_begin(int64_t start, int64_t newest, int64_t backlog_units, int64_t clock_rate,
                        const int64_t *last, double seconds) {
    int64_t shift = 0;
    if (last != NULL) {
        double elapsed = seconds * (double)clock_rate;
        int64_t ticks = elapsed > 1.0 && elapsed < 1e15 ? (int64_t)elapsed : 1;
        int64_t expected = *last + ticks;
        if (fabs((double)(newest - expected)) > MAX_DRIFT_S * (double)clock_rate)
            shift = expected - newest;
    }
    start += shift;
    newest += shift;
    bool is_burst = backlog_units > 2 && newest > start;
    int64_t first = is_burst ? newest : start;
    if (last != NULL && first <= *last)
        first = *last + 1;
    timeline t = {shift, start, first, 0};
    if (is_burst) {
        double burst_s = (double)(newest - start) / (double)clock_rate / BURST_SPEED;
        burst_s = fmax(MIN_BURST_S, fmin(MAX_BURST_S, burst_s));
        t.until = first + (int64_t)(burst_s * (double)clock_rate);
    } else {
        t.until = first + (first - start); /* behind: half speed until that is made up */
    }
    return t;
}
