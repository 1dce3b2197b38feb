# cython: language_level=3, binding=False, freethreading_compatible=False
"""The wait for one SRT connection's messages without Python's lock; `inbox.py` says what it is for."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, nanosleep, timespec

ctypedef int (*get_flag)(int socket, int option, void *value, int *length) noexcept nogil
ctypedef int (*receive_message)(int socket, char *buffer, int length) noexcept nogil
ctypedef int (*last_error)(int *errno_value) noexcept nogil


cdef int64_t _now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec * 1_000_000_000 + t.tv_nsec


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

    cdef get_flag _get_flag
    cdef receive_message _receive
    cdef last_error _last_error
    cdef int _socket, _option, _wanted, _would_block, _message_bytes
    cdef int64_t _interval_ns
    cdef volatile bint _is_stopped
    cdef char *_room
    cdef int _most
    cdef int *_lengths

    def __cinit__(
        self, functions, int socket, event, int would_block, int message_bytes, double interval_s, int most
    ):
        cdef size_t flag, receive, error
        flag, receive, error = functions
        self._get_flag = <get_flag>flag
        self._receive = <receive_message>receive
        self._last_error = <last_error>error
        self._socket = socket
        self._option, self._wanted = event
        self._would_block = would_block
        self._message_bytes = message_bytes
        self._interval_ns = <int64_t>(interval_s * 1e9)
        self._most = most
        self._room = <char *>malloc(<size_t>most * <size_t>message_bytes)
        self._lengths = <int *>malloc(<size_t>most * sizeof(int))
        if self._room == NULL or self._lengths == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._room)
        free(self._lengths)

    def stop(self):
        """As in `inbox.Inbox`."""
        self._is_stopped = True

    def wait(self, int most, double seconds):
        """As in `inbox.Inbox`; not by two threads at once."""
        cdef int count = 0, n
        cdef bint is_over = False
        cdef int64_t until = _now_ns() + <int64_t>(seconds * 1e9)
        if not 1 <= most <= self._most:
            raise ValueError(f"{most} messages, expected 1 to {self._most}")
        with nogil:
            while True:
                count = self._take(most, &is_over)
                if count > 0 or is_over or self._is_stopped or _now_ns() >= until:
                    break
                self._pause()
        return [
            PyBytes_FromStringAndSize(self._room + n * self._message_bytes, self._lengths[n]) for n in range(count)
        ], is_over

    cdef int _take(self, int most, bint *is_over) noexcept nogil:
        cdef int count = 0, length
        while count < most and self._is_due():
            length = self._receive(self._socket, self._room + count * self._message_bytes, self._message_bytes)
            if length <= 0:
                is_over[0] = self._last_error(NULL) != self._would_block
                break
            self._lengths[count] = length
            count += 1
        return count

    cdef bint _is_due(self) noexcept nogil:
        # To ask is cheap, while a message that is not there costs libsrt a C++ exception.
        cdef int events = 0, length = sizeof(int)
        return self._get_flag(self._socket, self._option, &events, &length) != 0 or events & self._wanted != 0

    cdef void _pause(self) noexcept nogil:
        cdef timespec t
        t.tv_sec = 0
        t.tv_nsec = self._interval_ns
        nanosleep(&t, NULL)
