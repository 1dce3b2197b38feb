# cython: language_level=3, binding=False, freethreading_compatible=False
"""The wait for one SRT connection's messages without Python's lock; `inbox.py` says what it is for.

To look is cheap, to wake a thread for it is not. So of all threads that wait here one, the lookout, looks for
everybody, and wakes those whose messages are due; when its own are, another one takes its place.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, nanosleep, timespec

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *, void *)
    int pthread_mutex_lock(pthread_mutex_t *)
    int pthread_mutex_unlock(pthread_mutex_t *)
    int pthread_cond_init(pthread_cond_t *, void *)
    int pthread_cond_destroy(pthread_cond_t *)
    int pthread_cond_signal(pthread_cond_t *)
    int pthread_cond_wait(pthread_cond_t *, pthread_mutex_t *)

# The compiler's own, under names that a class does not mangle.
cdef extern from *:
    int _ATOMIC_RELAXED "__ATOMIC_RELAXED"
    int _load "__atomic_load_n"(int *, int) nogil
    void _store "__atomic_store_n"(int *, int, int) nogil

ctypedef int (*get_flag)(int socket, int option, void *value, int *length) noexcept nogil
ctypedef int (*receive_message)(int socket, char *buffer, int length) noexcept nogil
ctypedef int (*last_error)(int *errno_value) noexcept nogil


cdef struct waiter:
    get_flag get_flag
    int socket
    int option
    int wanted
    int is_stopped  # atomic: any thread sets it, without the lock
    int64_t until_ns
    pthread_cond_t called
    bint is_called
    waiter *following
    waiter *preceding


# All who wait, and who of them is the lookout: nobody while nobody waits who was not called.
cdef pthread_mutex_t _lock
cdef waiter *_waiting = NULL
cdef waiter *_lookout = NULL
pthread_mutex_init(&_lock, NULL)


cdef int64_t _now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec * 1_000_000_000 + t.tv_nsec


cdef void _pause(int64_t ns) noexcept nogil:
    cdef timespec t
    t.tv_sec = 0
    t.tv_nsec = ns
    nanosleep(&t, NULL)


cdef bint _is_stopped(waiter *w) noexcept nogil:
    return _load(&w.is_stopped, _ATOMIC_RELAXED)


cdef bint _is_due(waiter *w) noexcept nogil:
    # To ask is cheap, while a message that is not there costs libsrt a C++ exception.
    cdef int events = 0, length = sizeof(int)
    return w.get_flag(w.socket, w.option, &events, &length) != 0 or events & w.wanted != 0


cdef void _sleep(waiter *w, int64_t interval_ns) noexcept nogil:
    """Until there is something to do for this one; by turns one looks for all."""
    global _waiting, _lookout
    pthread_mutex_lock(&_lock)
    w.is_called = False
    w.preceding, w.following = NULL, _waiting
    if _waiting != NULL:
        _waiting.preceding = w
    _waiting = w
    if _lookout == NULL:
        _lookout = w
    while not w.is_called:
        if _lookout == w:
            pthread_mutex_unlock(&_lock)
            _pause(interval_ns)
            pthread_mutex_lock(&_lock)
            _look_for_all()
        else:
            pthread_cond_wait(&w.called, &_lock)
    if w.following != NULL:
        w.following.preceding = w.preceding
    if w.preceding != NULL:
        w.preceding.following = w.following
    else:
        _waiting = w.following
    if _lookout == w:
        _hand_over()
    pthread_mutex_unlock(&_lock)


cdef void _look_for_all() noexcept nogil:
    cdef waiter *w = _waiting
    cdef int64_t now = _now_ns()
    while w != NULL:
        if not w.is_called and (_is_stopped(w) or now >= w.until_ns or _is_due(w)):
            w.is_called = True
            if w != _lookout:
                pthread_cond_signal(&w.called)
        w = w.following


cdef void _hand_over() noexcept nogil:
    global _lookout
    _lookout = _waiting
    while _lookout != NULL and _lookout.is_called:
        _lookout = _lookout.following
    if _lookout != NULL:
        pthread_cond_signal(&_lookout.called)


cdef class NativeInbox:
    """As `inbox.PolledInbox`, with functions of libsrt by their addresses.

    Args:
        functions: addresses of srt_getsockflag, srt_recvmsg and srt_getlasterror.
        socket: of libsrt; RCVSYN is off.
        event: number of the option EVENT, and which of its bits say that something is due.
        would_block: the error that means: nothing after all.
        message_bytes: of the longest message.
        interval_s: how often to look.
        most: messages that are taken at once.
    """

    cdef waiter _waiter
    cdef receive_message _receive
    cdef last_error _last_error
    cdef int _would_block, _message_bytes
    cdef int64_t _interval_ns
    cdef char *_room
    cdef int _most
    cdef int *_lengths

    def __cinit__(
        self, functions, int socket, event, int would_block, int message_bytes, double interval_s, int most
    ):
        cdef size_t flag, receive, error
        flag, receive, error = functions
        self._waiter.get_flag = <get_flag>flag
        self._waiter.socket = socket
        self._waiter.option, self._waiter.wanted = event
        pthread_cond_init(&self._waiter.called, NULL)
        self._receive = <receive_message>receive
        self._last_error = <last_error>error
        self._would_block = would_block
        self._message_bytes = message_bytes
        self._interval_ns = <int64_t>(interval_s * 1e9)
        self._most = most
        self._room = <char *>malloc(<size_t>most * <size_t>message_bytes)
        self._lengths = <int *>malloc(<size_t>most * sizeof(int))
        if self._room == NULL or self._lengths == NULL:
            raise MemoryError

    def __dealloc__(self):
        pthread_cond_destroy(&self._waiter.called)
        free(self._room)
        free(self._lengths)

    def stop(self):
        """As in `inbox.Inbox`."""
        _store(&self._waiter.is_stopped, True, _ATOMIC_RELAXED)

    def wait(self, int most, double seconds):
        """As in `inbox.Inbox`; not by two threads at once."""
        cdef int count = 0, n
        cdef bint is_over = False
        cdef waiter *w = &self._waiter
        if not 1 <= most <= self._most:
            raise ValueError(f"{most} messages, expected 1 to {self._most}")
        w.until_ns = _now_ns() + <int64_t>(seconds * 1e9)
        with nogil:
            while True:
                count = self._take(most, &is_over)
                if count > 0 or is_over or _is_stopped(w) or _now_ns() >= w.until_ns:
                    break
                _sleep(w, self._interval_ns)
        return [
            PyBytes_FromStringAndSize(self._room + n * self._message_bytes, self._lengths[n]) for n in range(count)
        ], is_over

    cdef int _take(self, int most, bint *is_over) noexcept nogil:
        cdef int count = 0, length
        while count < most and _is_due(&self._waiter):
            length = self._receive(self._waiter.socket, self._room + count * self._message_bytes, self._message_bytes)
            if length <= 0:
                is_over[0] = self._last_error(NULL) != self._would_block
                break
            self._lengths[count] = length
            count += 1
        return count
