"""RESULTS.md: the last run of every program, with the machine it ran on."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import sys
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
_HEAD = """# Results

The last run of each program, on the machine its section names. Ratios between servers come from one run;
absolute figures of different machines do not compare: `python -m loadtests floor` tells what the kernel alone
asks for.
"""


def report_arguments(parser: argparse.ArgumentParser) -> None:
    """What every program takes to keep its figures."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    title = parser.prog.split()[-1]
    parser.add_argument("--record", nargs="?", const=title, metavar="TITLE", help="keep it in RESULTS.md")


def report(body: str, figures: object, given: argparse.Namespace) -> None:
    """Print what a program found; keep it where that is wanted.

    Args:
        body: Markdown.
        figures: for JSON.
        given: has `json` and `record`.
    """
    sys.stdout.write(body)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2))
    if given.record:
        record(given.record, shlex.join(["python", "-m", "loadtests", *sys.argv[1:]]), body)


def machine() -> str:
    """This machine in one line: processor, cores, kernel."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = dict(re.findall(r"^(\w[\w ]*?)\s*:\s*(.+)$", text, re.MULTILINE))
    name = found.get("model name", platform.machine())
    kind = f" (family {found['cpu family']}, model {found['model']})" if "cpu family" in found else ""
    return f"{name}{kind}, {os.cpu_count()} cores, Linux {platform.release()}"


def record(program: str, command: str, body: str, file: Path = RESULTS) -> None:
    """Replace a program's section, or add it.

    Args:
        program: names the section.
        command: that repeats it.
        body: Markdown without headings of the first two levels.
        file: where to.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else _HEAD
    section = f"## {program}\n\n`{command}`, {date.today().isoformat()}, {machine()}\n\n{body.strip()}\n"
    head, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    kept = {each.split("\n", 1)[0]: each.rstrip("\n") + "\n" for each in sections}
    kept[f"## {program}"] = section
    parts = [head.rstrip("\n") + "\n", *(kept[key] for key in sorted(kept))]
    file.write_text("\n".join(parts), encoding="utf-8")
