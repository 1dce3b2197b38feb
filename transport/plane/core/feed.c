#include "feed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

feed *feed_new(bool is_video, int64_t clock_rate, int64_t offset, double keep_s, size_t max_bytes) {
    feed *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->refs = 1;
    f->is_video = is_video;
    f->clock_rate = clock_rate;
    f->offset = offset;
    f->keep_s = keep_s;
    f->max_bytes = max_bytes;
    f->keyframe_wanted_at = -HUGE_VAL;
    f->units_capacity = f->keyframes_capacity = 64;
    f->units = calloc(f->units_capacity, sizeof *f->units);
    f->keyframes = calloc(f->keyframes_capacity, sizeof *f->keyframes);
    if (f->units == NULL || f->keyframes == NULL || pthread_mutex_init(&f->lock, NULL) != 0) {
        free(f->units);
        free(f->keyframes);
        free(f);
        return NULL;
    }
    return f;
}

feed *feed_hold(feed *f) {
    __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
    return f;
}

void feed_release(feed *f) {
    if (f == NULL || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    feed_close(f);
    for (int shard = 0; shard < MAX_SHARDS; shard++)
        for (int n = 0; n < LENT_UNITS; n++)
            unit_release(f->shards[shard].lent[n]);
    pthread_mutex_destroy(&f->lock);
    free(f->units);
    free(f->keyframes);
    free(f);
}

unit *unit_new(uint32_t count, size_t bytes) {
    /* One block: structure, offsets, flags, payloads. */
    size_t flags = sizeof(unit) + ((size_t)count + 1) * sizeof(uint32_t), head = flags + count * sizeof(bool);
    unit *u = malloc(head + bytes);
    if (u == NULL)
        return NULL;
    memset(u, 0, sizeof *u);
    u->refs = 1;
    u->count = count;
    u->offsets = (uint32_t *)(u + 1);
    u->offsets[0] = 0;
    u->is_padded = (bool *)((uint8_t *)u + flags);
    memset(u->is_padded, 0, count * sizeof(bool));
    u->data = (uint8_t *)u + head;
    return u;
}

unit *unit_hold(unit *u) {
    __atomic_add_fetch(&u->refs, 1, __ATOMIC_RELAXED);
    return u;
}

void unit_release(unit *u) {
    if (u != NULL && __atomic_sub_fetch(&u->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(u);
}

static unit *unit_at(const feed *f, size_t n) { return f->units[(f->units_first + n) & (f->units_capacity - 1)]; }

/* A reference for somebody outside. */
static unit *taken(unit *u) {
    if (u == NULL)
        return NULL;
    u->is_taken = true;
    return unit_hold(u);
}

/* What it takes in memory: of many small ones that is more than their payloads. */
static size_t memory_of(const unit *u) { return (size_t)(u->data - (const uint8_t *)u) + u->offsets[u->count]; }

static int64_t keyframe_at(const feed *f, size_t n) {
    return f->keyframes[(f->keyframes_first + n) & (f->keyframes_capacity - 1)];
}

static unit *find(const feed *f, int64_t index) {
    if (f->units_count == 0 || index < unit_at(f, 0)->index || index >= f->next_index)
        return NULL;
    return unit_at(f, (size_t)(index - unit_at(f, 0)->index));
}

static void *grown(void *ring, size_t element, size_t *capacity, size_t *first, size_t count) {
    char *larger = malloc(2 * *capacity * element);
    if (larger == NULL)
        return NULL;
    for (size_t n = 0; n < count; n++)
        memcpy(larger + n * element, (char *)ring + ((*first + n) & (*capacity - 1)) * element, element);
    free(ring);
    *capacity *= 2;
    *first = 0;
    return larger;
}

static int make_room(feed *f) {
    if (f->units_count == f->units_capacity) {
        void *ring = grown(f->units, sizeof *f->units, &f->units_capacity, &f->units_first, f->units_count);
        if (ring == NULL)
            return -1;
        f->units = ring;
    }
    if (f->keyframes_count == f->keyframes_capacity) {
        void *ring = grown(f->keyframes, sizeof *f->keyframes, &f->keyframes_capacity, &f->keyframes_first,
                           f->keyframes_count);
        if (ring == NULL)
            return -1;
        f->keyframes = ring;
    }
    return 0;
}

static void drop_keyframe(feed *f) {
    f->keyframes_first = (f->keyframes_first + 1) & (f->keyframes_capacity - 1);
    f->keyframes_count--;
}

/* A GOP goes as a whole, when the keyframe after it is old enough; only `max_bytes` overrides this. */
static unit *trim(feed *f, double now) {
    unit *dropped = NULL;
    int64_t keep_from = unit_at(f, 0)->index;
    while (f->keyframes_count > 1 && find(f, keyframe_at(f, 1))->at < now - f->keep_s) {
        drop_keyframe(f);
        keep_from = keyframe_at(f, 0);
    }
    while (unit_at(f, 0)->index < keep_from || (f->bytes > f->max_bytes && f->units_count > 1)) {
        unit *oldest = unit_at(f, 0);
        f->units_first = (f->units_first + 1) & (f->units_capacity - 1);
        f->units_count--;
        f->bytes -= memory_of(oldest);
        oldest->next_dropped = dropped;
        dropped = oldest;
        /* Before its unit is gone from where `find` looks. */
        while (f->keyframes_count > 0 && keyframe_at(f, 0) <= oldest->index)
            drop_keyframe(f);
    }
    return dropped;
}

static void release_all(unit *dropped) {
    while (dropped != NULL) {
        unit *next = dropped->next_dropped;
        unit_release(dropped);
        dropped = next;
    }
}

int feed_append(feed *f, unit *u, double now) {
    pthread_mutex_lock(&f->lock);
    if (f->closed || make_room(f) < 0) {
        pthread_mutex_unlock(&f->lock);
        unit_release(u);
        return -1;
    }
    u->index = f->next_index;
    u->first_packet = f->next_packet;
    u->at = now;
    u->interval = f->has_timestamp && u->timestamp > f->last_timestamp ? u->timestamp - f->last_timestamp : 0;
    f->next_packet += u->count;
    f->last_timestamp = u->timestamp;
    f->has_timestamp = true;
    f->bytes += memory_of(u);
    f->units[(f->units_first + f->units_count++) & (f->units_capacity - 1)] = u;
    if (u->keyframe)
        f->keyframes[(f->keyframes_first + f->keyframes_count++) & (f->keyframes_capacity - 1)] = u->index;
    __atomic_store_n(&f->next_index, f->next_index + 1, __ATOMIC_RELEASE);
    unit *dropped = trim(f, now);
    pthread_mutex_unlock(&f->lock);
    release_all(dropped);
    return 0;
}

int feed_replace(feed *f, unit *u) {
    unit *last = NULL;
    pthread_mutex_lock(&f->lock);
    size_t place = (f->units_first + f->units_count - 1) & (f->units_capacity - 1);
    if (!f->closed && f->units_count > 0 && !f->units[place]->is_taken && f->units[place]->count == u->count) {
        last = f->units[place];
        u->index = last->index;
        u->first_packet = last->first_packet;
        u->at = last->at;
        u->interval = last->interval;
        f->bytes += memory_of(u) - memory_of(last);
        f->units[place] = u;
    }
    pthread_mutex_unlock(&f->lock);
    unit_release(last != NULL ? last : u);
    return last != NULL ? 0 : -1;
}

void feed_close(feed *f) {
    unit *dropped = NULL;
    pthread_mutex_lock(&f->lock);
    __atomic_store_n(&f->closed, true, __ATOMIC_RELEASE);
    for (size_t n = 0; n < f->units_count; n++) {
        unit *u = unit_at(f, n);
        u->next_dropped = dropped;
        dropped = u;
    }
    f->units_count = f->keyframes_count = 0;
    f->bytes = 0;
    pthread_mutex_unlock(&f->lock);
    release_all(dropped);
}

bool feed_is_closed(feed *f) { return __atomic_load_n(&f->closed, __ATOMIC_ACQUIRE); }

int64_t feed_next_index(feed *f) {
    int64_t index, packet;
    feed_end(f, &index, &packet);
    return index;
}

void feed_end(feed *f, int64_t *index, int64_t *packet) {
    pthread_mutex_lock(&f->lock);
    *index = f->next_index;
    *packet = f->next_packet;
    pthread_mutex_unlock(&f->lock);
}

unit *feed_unit(feed *f, int64_t index, bool *is_gone) {
    /* Every viewer asks for one more than there is: that is answered without the lock, for which the threads would
     * queue. Who misses a unit that is added now will be called for it: it is announced only after that. */
    if (index >= __atomic_load_n(&f->next_index, __ATOMIC_ACQUIRE)) {
        if (is_gone != NULL)
            *is_gone = false;
        return NULL;
    }
    pthread_mutex_lock(&f->lock);
    unit *u = taken(find(f, index));
    if (is_gone != NULL)
        *is_gone = index < (f->units_count > 0 ? unit_at(f, 0)->index : f->next_index);
    pthread_mutex_unlock(&f->lock);
    return u;
}

unit *feed_borrow(feed *f, int shard, int64_t index, bool *is_gone) {
    unit **lent = &f->shards[shard].lent[index % LENT_UNITS];
    *is_gone = false;
    if (*lent != NULL && (*lent)->index == index && !feed_is_closed(f))
        return *lent;
    unit *u = feed_unit(f, index, is_gone);
    if (u != NULL) {
        unit_release(*lent);
        *lent = u;
    }
    return u;
}

unit *feed_keyframe(feed *f) {
    pthread_mutex_lock(&f->lock);
    unit *u = f->keyframes_count > 0 ? taken(find(f, keyframe_at(f, f->keyframes_count - 1))) : NULL;
    pthread_mutex_unlock(&f->lock);
    return u;
}

unit *feed_newest(feed *f) {
    pthread_mutex_lock(&f->lock);
    unit *u = f->units_count > 0 ? taken(unit_at(f, f->units_count - 1)) : NULL;
    pthread_mutex_unlock(&f->lock);
    return u;
}

unit *feed_packet(feed *f, int64_t number, uint32_t *place) {
    unit *u = NULL;
    pthread_mutex_lock(&f->lock);
    if (f->units_count > 0 && number >= unit_at(f, 0)->first_packet && number < f->next_packet) {
        size_t low = 0, high = f->units_count; /* the last unit that does not begin behind it is in [low, high) */
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            if (unit_at(f, middle)->first_packet <= number)
                low = middle;
            else
                high = middle;
        }
        u = taken(unit_at(f, low));
        *place = (uint32_t)(number - u->first_packet);
    }
    pthread_mutex_unlock(&f->lock);
    return u;
}
