"""Many pushes of one stream and nothing else; run as a process of its own.

    python -m loadtests.rig.bare_pushes URL COUNT MBPS SECONDS

Pictures of noise at 30 a second with a keyframe every two seconds, and AAC-sized sound, each handed to every
push as a relay would hand it. Prints one line of JSON at the end.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time

import uvloop

from loadtests.rig.noise import GOP, RATE, VIDEO, noise
from transport.media import AccessUnit, Codec, Track
from transport.output import Push
from transport.push import push_to

_SOUND_BYTES = 340
_SOUND_S = 1024 / 48_000
_AUDIO = Track(2, Codec.AAC, 48_000, (b"\x11\x90",), sample_rate=48_000, channels=2)


async def _run(url: str, count: int, mbps: float, seconds: float) -> dict[str, float]:
    pushes: list[Push] = []
    for number in range(count):
        push = push_to(url, f"key-{number}")
        push.announce((VIDEO, _AUDIO))
        await push.connect()
        pushes.append(push)
    pictures = noise(mbps)
    sound = AccessUnit(_AUDIO, 0, 0, bytes(_SOUND_BYTES), True, 0.0)
    began, used = time.monotonic(), time.process_time()
    worst_s, shown, heard = 0.0, 0, 0
    while (elapsed := time.monotonic() - began) < seconds:
        now = began + elapsed
        while shown / RATE <= elapsed:
            at = shown * 90_000 // RATE
            _hand(pushes, dataclasses.replace(pictures[shown % GOP], pts=at, dts=at, received_at=now))
            shown += 1
        while heard * _SOUND_S <= elapsed:
            at = heard * 1024
            _hand(pushes, dataclasses.replace(sound, pts=at, dts=at, received_at=now))
            heard += 1
        due = began + min(shown / RATE, heard * _SOUND_S)
        await asyncio.sleep(max(due - time.monotonic(), 0))
        worst_s = max(worst_s, time.monotonic() - due)
    used, elapsed = time.process_time() - used, time.monotonic() - began
    statistics = [push.statistics() for push in pushes]
    result = {
        "cores": used / elapsed,
        "late_ms": worst_s * 1000,
        "sent": sum(each.pictures_sent for each in statistics),
        "dropped": sum(each.pictures_dropped + each.sounds_dropped for each in statistics),
        "pictures": shown,
        "mbps": sum(each.bytes_sent for each in statistics) * 8 / elapsed / count / 1e6,
    }
    await asyncio.gather(*(push.close() for push in pushes))
    return result


def _hand(pushes: list[Push], unit: AccessUnit) -> None:
    for push in pushes:
        push.write(unit)


if __name__ == "__main__":
    _, _url, _count, _mbps, _seconds = sys.argv
    sys.stdout.write(json.dumps(uvloop.run(_run(_url, int(_count), float(_mbps), float(_seconds)))) + "\n")
