"""libsrt's numbers and structures, as its headers srt.h and access_control.h define them. See `libsrt.py`."""

from __future__ import annotations

import ctypes
import enum
from typing import Any


class Option(enum.IntEnum):
    """SRT_SOCKOPT: the ones we set or read."""

    SNDSYN = 1
    RCVSYN = 2
    FC = 4
    SNDBUF = 5
    RCVBUF = 6
    RENDEZVOUS = 12
    SNDTIMEO = 13
    MAXBW = 16
    EVENT = 18
    RCVDATA = 20
    LATENCY = 23
    PASSPHRASE = 26
    PBKEYLEN = 27
    KMSTATE = 28
    TLPKTDROP = 31
    CONNTIMEO = 36
    SNDKMSTATE = 40
    RCVKMSTATE = 41
    RCVLATENCY = 43
    MINVERSION = 45
    STREAMID = 46
    PAYLOADSIZE = 49
    TRANSTYPE = 50
    ENFORCEDENCRYPTION = 53
    IPV6ONLY = 54
    PEERIDLETIMEO = 55


class State(enum.IntEnum):
    """SRT_SOCKSTATUS."""

    INIT = 1
    OPENED = 2
    LISTENING = 3
    CONNECTING = 4
    CONNECTED = 5
    BROKEN = 6
    CLOSING = 7
    CLOSED = 8
    NONEXIST = 9


class KeyState(enum.IntEnum):
    """SRT_KM_STATE."""

    UNSECURED = 0
    SECURING = 1
    SECURED = 2
    NOSECRET = 3
    BADSECRET = 4


class Errno(enum.IntEnum):
    """SRT_ERRNO: the ones we tell apart."""

    CONNECTION_LOST = 2001
    NO_ROOM = 6001
    WOULD_BLOCK = 6002
    TIMEOUT = 6003


class Reject(enum.IntEnum):
    """SRT_REJECT_REASON: libsrt's own reasons, below the application's."""

    UNKNOWN = 0
    PEER = 2
    BACKLOG = 5
    CLOSE = 7
    VERSION = 8
    BADSECRET = 10
    UNSECURE = 11
    TIMEOUT = 16


EPOLL_IN = 0x1
EPOLL_OUT = 0x4
EPOLL_ERR = 0x8
SRTT_LIVE = 0
LOG_CRITICAL = 2

#: int hook(void* opaque, SRTSOCKET, int hs_version, const struct sockaddr*, const char* stream_id)
ListenHook = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
)


class EpollEvent(ctypes.Structure):
    """SRT_EPOLL_EVENT."""

    _fields_ = [("socket", ctypes.c_int), ("events", ctypes.c_int)]


def _fields(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


_INT = ctypes.c_int
_I64 = ctypes.c_int64
_U64 = ctypes.c_uint64
_F64 = ctypes.c_double


class TraceStats(ctypes.Structure):
    """`SRT_TRACEBSTATS` of libsrt 1.5, field by field in srt.h's order and names.

    `…Total` counts since the connection began, the same name without it since the last clear (we never
    clear). The reserve is for a newer library, which appends fields and would write past our end.
    """

    _fields_ = [
        *_fields(_I64, "msTimeStamp pktSentTotal pktRecvTotal"),
        *_fields(_INT, "pktSndLossTotal pktRcvLossTotal pktRetransTotal"),
        *_fields(_INT, "pktSentACKTotal pktRecvACKTotal pktSentNAKTotal pktRecvNAKTotal"),
        *_fields(_I64, "usSndDurationTotal"),
        *_fields(_INT, "pktSndDropTotal pktRcvDropTotal pktRcvUndecryptTotal"),
        *_fields(_U64, "byteSentTotal byteRecvTotal byteRcvLossTotal byteRetransTotal"),
        *_fields(_U64, "byteSndDropTotal byteRcvDropTotal byteRcvUndecryptTotal"),
        *_fields(_I64, "pktSent pktRecv"),
        *_fields(_INT, "pktSndLoss pktRcvLoss pktRetrans pktRcvRetrans"),
        *_fields(_INT, "pktSentACK pktRecvACK pktSentNAK pktRecvNAK"),
        *_fields(_F64, "mbpsSendRate mbpsRecvRate"),
        *_fields(_I64, "usSndDuration"),
        *_fields(_INT, "pktReorderDistance"),
        *_fields(_F64, "pktRcvAvgBelatedTime"),
        *_fields(_I64, "pktRcvBelated"),
        *_fields(_INT, "pktSndDrop pktRcvDrop pktRcvUndecrypt"),
        *_fields(_U64, "byteSent byteRecv byteRcvLoss byteRetrans"),
        *_fields(_U64, "byteSndDrop byteRcvDrop byteRcvUndecrypt"),
        *_fields(_F64, "usPktSndPeriod"),
        *_fields(_INT, "pktFlowWindow pktCongestionWindow pktFlightSize"),
        *_fields(_F64, "msRTT mbpsBandwidth"),
        *_fields(_INT, "byteAvailSndBuf byteAvailRcvBuf"),
        *_fields(_F64, "mbpsMaxBW"),
        *_fields(_INT, "byteMSS"),
        *_fields(_INT, "pktSndBuf byteSndBuf msSndBuf msSndTsbPdDelay"),
        *_fields(_INT, "pktRcvBuf byteRcvBuf msRcvBuf msRcvTsbPdDelay"),
        *_fields(_INT, "pktSndFilterExtraTotal pktRcvFilterExtraTotal"),
        *_fields(_INT, "pktRcvFilterSupplyTotal pktRcvFilterLossTotal"),
        *_fields(_INT, "pktSndFilterExtra pktRcvFilterExtra pktRcvFilterSupply pktRcvFilterLoss"),
        *_fields(_INT, "pktReorderTolerance"),
        *_fields(_I64, "pktSentUniqueTotal pktRecvUniqueTotal"),
        *_fields(_U64, "byteSentUniqueTotal byteRecvUniqueTotal"),
        *_fields(_I64, "pktSentUnique pktRecvUnique"),
        *_fields(_U64, "byteSentUnique byteRecvUnique"),
        ("reserve", ctypes.c_char * 512),
    ]


_PTR, _TEXT = ctypes.c_void_p, ctypes.c_char_p
#: name: (result, arguments…)
PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "srt_startup": (_INT,),
    "srt_cleanup": (_INT,),
    "srt_getversion": (ctypes.c_uint32,),
    "srt_setloglevel": (None, _INT),
    "srt_getlasterror": (_INT, _PTR),
    "srt_getlasterror_str": (_TEXT,),
    "srt_create_socket": (_INT,),
    "srt_close": (_INT, _INT),
    "srt_setsockflag": (_INT, _INT, _INT, _PTR, _INT),
    "srt_getsockflag": (_INT, _INT, _INT, _PTR, _PTR),
    "srt_getsockstate": (_INT, _INT),
    "srt_getsockname": (_INT, _INT, _PTR, _PTR),
    "srt_bind": (_INT, _INT, _PTR, _INT),
    "srt_listen": (_INT, _INT, _INT),
    "srt_listen_callback": (_INT, _INT, ListenHook, _PTR),
    "srt_accept": (_INT, _INT, _PTR, _PTR),
    "srt_connect": (_INT, _INT, _PTR, _INT),
    "srt_setrejectreason": (_INT, _INT, _INT),
    "srt_getrejectreason": (_INT, _INT),
    "srt_rejectreason_str": (_TEXT, _INT),
    "srt_sendmsg": (_INT, _INT, _TEXT, _INT, _INT, _INT),
    "srt_recvmsg": (_INT, _INT, _PTR, _INT),
    "srt_bistats": (_INT, _INT, _PTR, _INT, _INT),
    "srt_epoll_create": (_INT,),
    "srt_epoll_add_usock": (_INT, _INT, _INT, _PTR),
    "srt_epoll_uwait": (_INT, _INT, _PTR, _INT, ctypes.c_int64),
    "srt_epoll_release": (_INT, _INT),
}
