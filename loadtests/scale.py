"""How a server's cost grows with viewers and bitrate.

    python -m loadtests scale --viewers 100,500,1000,1500 --rates 1,2.5,5 [--svg FILE] [--record]

Each cell is a run of `fanout`. The picture shows processors in use over packets delivered per second, a line
for each bitrate: where it is straight a packet costs always the same, and its end is what the machine bears.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from loadtests.fanout import Load, Result, run, subject_for
from loadtests.results import report, report_arguments

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 720, 420, 64, 52, 24, 24
_COLOURS = ("#1565c0", "#c62828", "#2e7d32", "#6a1b9a", "#ef6c00")

Cells = dict[tuple[float, int], Result]


def measure(peer: str, rates: Sequence[float], viewers: Sequence[int], seconds: float) -> Cells:
    """Run all cells; a new server for each bitrate."""
    cells: Cells = {}
    for mbps in rates:
        for count in viewers:
            with subject_for(peer, mbps) as subject:
                cells[mbps, count] = run(subject, Load(count, mbps, seconds))
            sys.stderr.write(f"{mbps:g} Mb/s x {count}: {cells[mbps, count].server_cores:.2f} cores\n")
    return cells


def table(cells: Cells) -> str:
    """As Markdown."""
    lines = [
        "| Mb/s | viewers | packets/s | loss | cores | µs/packet | sent after p50/p99 ms |",
        "|---" * 7 + "|",
    ]
    lines += [
        f"| {mbps:g} | {viewers} | {cell.delivered_per_s:.0f} | {cell.loss:.3%} | {cell.server_cores:.2f} "
        f"| {cell.cpu_us_per_packet:.2f} | {cell.send_delay_p50_ms:.1f}/{cell.send_delay_p99_ms:.1f} |"
        for (mbps, viewers), cell in cells.items()
    ]
    return "\n".join(lines) + "\n"


def _ticks(highest: float, count: int = 5) -> list[float]:
    """Round numbers from 0 to at least the highest."""
    step = 1.0
    while step * count < highest:
        step *= 2.5 if str(step)[0] == "2" else 2
    while step * count >= 2 * highest and step > 0.01:
        step /= 2
    return [step * number for number in range(count + 1)]


def svg(cells: Cells) -> str:
    """Cores over packets per second, a line for each bitrate."""
    xs = _ticks(max(cell.delivered_per_s for cell in cells.values()) / 1000)
    ys = _ticks(max(cell.server_cores for cell in cells.values()))

    def place(packets_per_s: float, cores: float) -> tuple[float, float]:
        across = (_WIDTH - _LEFT - _RIGHT) * packets_per_s / 1000 / xs[-1]
        return _LEFT + across, _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * cores / ys[-1]

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="13"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for x in xs:
        at, bottom = place(x * 1000, 0)
        parts.append(f'<path d="M{at:.1f} {bottom:.1f}V{_TOP}" stroke="#ddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{x:g}</text>')
    for y in ys:
        left, at = place(0, y)
        parts.append(f'<path d="M{left:.1f} {at:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8:.1f}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>')
    for number, mbps in enumerate(sorted({mbps for mbps, _ in cells})):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [place(c.delivered_per_s, c.server_cores) for (rate, _), c in cells.items() if rate == mbps]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points]
        parts.append(
            f'<text x="{_LEFT + 12}" y="{_TOP + 18 * (number + 1)}" fill="{colour}">{mbps:g} Mb/s each</text>'
        )
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 10}" text-anchor="middle">thousand packets/s</text>')
    parts.append(
        f'<text x="18" y="{_HEIGHT / 2}" text-anchor="middle" '
        f'transform="rotate(-90 18 {_HEIGHT / 2})">processor cores of the server</text></svg>'
    )
    return "".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", default="100,500,1000,1500", help="how many, with commas")
    parser.add_argument("--rates", default="1,2.5,5", help="Mb/s of the picture, with commas")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each cell")
    parser.add_argument("--peer", default="", help="janus, aiortc, or nothing for ours")
    parser.add_argument("--svg", type=Path)
    report_arguments(parser)
    given = parser.parse_args(arguments)
    rates = [float(rate) for rate in given.rates.split(",")]
    cells = measure(given.peer, rates, [int(count) for count in given.viewers.split(",")], given.seconds)
    body = table(cells)
    picture = Path(__file__).parent / "scale.svg" if given.record else given.svg
    if picture:
        picture.write_text(svg(cells), encoding="utf-8")
        body += f"\n![Cores over packets per second]({picture.name})\n"
    report(body, [{"mbps": mbps, **asdict(cell)} for (mbps, _), cell in cells.items()], given)
    return 0
