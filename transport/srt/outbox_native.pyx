# cython: language_level=3, binding=False, freethreading_compatible=False
"""Many messages to many SRT connections without Python's lock; `outbox.py` says what it is for."""

from libc.stdlib cimport free, malloc

ctypedef int (*send_message)(int socket, const char *data, int length, int ttl_ms, int in_order) noexcept nogil
ctypedef int (*last_error)(int *errno_value) noexcept nogil


cdef struct message:
    const char *data
    int length


cdef class NativeOutbox:
    """As `outbox.PlainOutbox`, with functions of libsrt by their addresses.

    Args:
        functions: addresses of srt_sendmsg and srt_getlasterror.
        no_room: the error of a full send buffer.
    """

    cdef send_message _send
    cdef last_error _last_error
    cdef int _no_room

    def __cinit__(self, functions, int no_room):
        cdef size_t send, error
        send, error = functions
        self._send = <send_message>send
        self._last_error = <last_error>error
        self._no_room = no_room

    def send(self, sockets, messages):
        """As in `outbox.Outbox`."""
        # Copies: what is sent stays as it is, whoever changes the lists meanwhile.
        cdef tuple kept = tuple(messages), to = tuple(sockets)
        cdef Py_ssize_t count = len(kept), readers = len(to), n
        cdef bytes each
        cdef message *listed = <message *>malloc((count or 1) * sizeof(message))
        cdef int *taken = <int *>malloc((readers or 1) * sizeof(int))
        try:
            if listed == NULL or taken == NULL:
                raise MemoryError
            for n in range(count):
                each = kept[n]
                listed[n].data, listed[n].length = each, <int>len(each)
            for n in range(readers):
                taken[n] = to[n]
            with nogil:
                for n in range(readers):
                    taken[n] = self._send_all(taken[n], listed, count)
            return [taken[n] if taken[n] >= 0 else None for n in range(readers)]
        finally:
            free(listed)
            free(taken)

    cdef int _send_all(self, int socket, const message *listed, Py_ssize_t count) noexcept nogil:
        """How many were taken; -1 where the connection is over."""
        cdef Py_ssize_t n
        for n in range(count):
            if self._send(socket, listed[n].data, listed[n].length, -1, 1) < 0:
                return <int>n if self._last_error(NULL) == self._no_room else -1
        return <int>count
