/* When which viewer is due next: a pairing heap whose nodes are the viewers themselves. */
#include "plane.h"

static peer *meld(peer *a, peer *b) {
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (b->due < a->due) {
        peer *swapped = a;
        a = b;
        b = swapped;
    }
    b->heap_next = a->heap_child;
    if (a->heap_child != NULL)
        a->heap_child->heap_previous = b;
    b->heap_previous = a; /* the parent, for a first child */
    a->heap_child = b;
    return a;
}

/* Loops instead of recursion: a heap may be as deep as there are viewers. */
static peer *meld_siblings(peer *first) {
    peer *pairs = NULL;
    while (first != NULL) {
        peer *second = first->heap_next, *rest = second != NULL ? second->heap_next : NULL;
        first->heap_next = first->heap_previous = NULL;
        if (second != NULL)
            second->heap_next = second->heap_previous = NULL;
        peer *pair = meld(first, second);
        pair->heap_next = pairs;
        pairs = pair;
        first = rest;
    }
    peer *root = NULL;
    while (pairs != NULL) {
        peer *next = pairs->heap_next;
        pairs->heap_next = pairs->heap_previous = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void timer_cancel(shard *s, peer *p) {
    if (!p->is_timed)
        return;
    p->is_timed = false;
    peer *orphans = meld_siblings(p->heap_child);
    p->heap_child = NULL;
    if (s->heap == p) {
        s->heap = orphans;
        return;
    }
    if (p->heap_previous->heap_child == p)
        p->heap_previous->heap_child = p->heap_next;
    else
        p->heap_previous->heap_next = p->heap_next;
    if (p->heap_next != NULL)
        p->heap_next->heap_previous = p->heap_previous;
    p->heap_next = p->heap_previous = NULL;
    s->heap = meld(s->heap, orphans);
}

void timer_set(shard *s, peer *p, double due) {
    if (p->is_timed && p->due == due)
        return;
    timer_cancel(s, p);
    p->due = due;
    p->is_timed = true;
    p->heap_child = p->heap_next = p->heap_previous = NULL;
    s->heap = meld(s->heap, p);
}

peer *timer_take(shard *s, double now) {
    peer *p = s->heap;
    if (p == NULL || p->due > now)
        return NULL;
    timer_cancel(s, p);
    return p;
}
