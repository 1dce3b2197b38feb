"""Compiles extensions with sanitizers; the sources and everything else are those of pyproject.toml.

The one for memory and the one for threads cannot be in one extension.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_COMPILER = os.environ.get("CC", "gcc")


@dataclass(frozen=True, slots=True)
class Kind:
    """What extensions are compiled to find.

    Attributes:
        folder: of everything that belongs to it; in it the extensions lie as in their packages.
        modules: what they are.
        sanitizers: as the compiler calls them.
        libraries: that the interpreter, which was compiled without sanitizers, needs in LD_PRELOAD.
        is_watched: whether nonces and edges are looked at, and allocations may fail.
    """

    folder: Path
    modules: tuple[str, ...]
    sanitizers: str
    libraries: tuple[str, ...]
    is_watched: bool


PLANE = "transport.plane.native"
INBOX = "transport.srt.inbox_native"

#: libstdc++ as well: AddressSanitizer looks for its exceptions when it starts, and Python brings it later.
MEMORY = Kind(
    ROOT / "build" / "sanitized",
    (PLANE,),
    "address,undefined",
    ("libasan.so", "libubsan.so", "libstdc++.so.6"),
    is_watched=True,
)
THREADS = Kind(ROOT / "build" / "races", (PLANE, INBOX), "thread", ("libtsan.so",), is_watched=False)
KINDS = {"memory": MEMORY, "threads": THREADS}

#: After the package's own -O3: the last one counts.
_FLAGS = [
    "-Og",
    # Lines are enough for a report; where variables live takes longer than all the rest.
    "-g1",
    "-fno-omit-frame-pointer",
    "-fno-sanitize-recover=all",
    # Python's own flags have it; what overflows is not meant to.
    "-fno-wrapv",
    # The instrumentation makes it guess wrong.
    "-Wno-maybe-uninitialized",
]
_EDGES = "-fsanitize-coverage=trace-pc"
_WATCHED = ("gcm_encrypter", "ctr_cipher", "cipher_free", "gcm_seal", "ctr_apply")
_ALLOCATORS = ("malloc", "calloc", "realloc", "aligned_alloc")


def extensions(name: str) -> Path:
    """Folder of the sanitized extensions of a kind; compiled if there are none, or older sources'.

    Raises:
        SystemExit: it cannot be compiled; the compiler said why.
    """
    folder = KINDS[name].folder
    stamp, wanted = folder / "digest", _digest()
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    stamp.unlink(missing_ok=True)
    for path in folder.rglob("*.so"):
        path.unlink()
    # In a process of its own: setuptools talks a lot, and changes what it is imported into.
    log = folder / "build.log"
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        build = subprocess.run(
            [sys.executable, "-m", __name__, name],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if build.returncode:
        raise SystemExit(f"{log.read_text()}\nthe sanitized extensions cannot be compiled")
    for module in KINDS[name].modules:
        find(folder, module)
    stamp.write_text(wanted)
    return folder


def find(folder: Path, module: str) -> Path:
    """Path of one of the extensions.

    Raises:
        ValueError: there is none, or several.
    """
    (found,) = folder.glob(f"{module.replace('.', '/')}.*.so")
    return found


def preloads(kind: Kind) -> str:
    """For LD_PRELOAD."""
    return ":".join(_output(f"-print-file-name={library}") for library in kind.libraries)


def _digest() -> str:
    digest = hashlib.sha256(_output("--version").encode() + sys.version.encode())
    plane = ROOT / "transport" / "plane"
    for path in (
        ROOT / "pyproject.toml",
        *sorted(plane.glob("native.p*")),
        ROOT / "transport" / "srt" / "inbox_native.pyx",
        *sorted(plane.glob("core/*")),
        *sorted(_HERE.glob("*.c")),
        Path(__file__),
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _output(argument: str) -> str:
    return subprocess.run([_COMPILER, argument], check=True, capture_output=True, text=True).stdout.strip()


def _compile(kind: Kind) -> None:
    import setuptools

    distribution = setuptools.Distribution()
    distribution.parse_config_files(["pyproject.toml"])
    distribution.ext_modules = [each for each in distribution.ext_modules if each.name in kind.modules]
    sanitizers = f"-fsanitize={kind.sanitizers}"
    for each in distribution.ext_modules:
        each.optional = False
        each.extra_compile_args += [*_FLAGS, sanitizers]
        each.extra_link_args.append(sanitizers)
    if kind.is_watched:
        (plane,) = (each for each in distribution.ext_modules if each.name == PLANE)
        plane.extra_compile_args.append(_EDGES)
        plane.extra_link_args += [f"-Wl,--wrap={name}" for name in _WATCHED + _ALLOCATORS]
        plane.extra_objects += _watchers(kind.folder)
    command = distribution.get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(kind.folder), str(kind.folder / "objects")
    command.cython_c_in_temp = True
    command.force = True
    command.ensure_finalized()
    command.run()


def _watchers(folder: Path) -> list[str]:
    objects = []
    for name in ("nonces", "edges", "shortage"):
        # Without _EDGES: the function that is called for each edge would call itself.
        made = folder / f"{name}.o"
        include = f"-I{ROOT / 'transport' / 'plane'}"
        source = _HERE / f"{name}.c"
        flags = ["-O2", "-g", "-fPIC", "-Wall", "-Werror"]
        subprocess.run([_COMPILER, *flags, include, "-c", source, "-o", made], check=True)
        objects.append(str(made))
    return objects


if __name__ == "__main__":
    _compile(KINDS[sys.argv[1]])
