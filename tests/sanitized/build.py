"""Compiles the extension with sanitizers; the sources and everything else are those of pyproject.toml."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "sanitized"
_HERE = Path(__file__).parent
_COMPILER = os.environ.get("CC", "gcc")

#: After the package's own -O3: the last one counts.
_FLAGS = [
    "-Og",
    # Lines are enough for a report; where variables live takes longer than all the rest.
    "-g1",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    # Python's own flags have it; what overflows is not meant to.
    "-fno-wrapv",
    # The instrumentation makes it guess wrong.
    "-Wno-maybe-uninitialized",
]
_EDGES = "-fsanitize-coverage=trace-pc"
_WATCHED = ("gcm_encrypter", "ctr_cipher", "cipher_free", "gcm_seal", "ctr_apply")


def extension() -> Path:
    """Path of the sanitized extension; compiled if it is not there, or made of something older.

    Raises:
        SystemExit: it cannot be compiled; the compiler said why.
    """
    stamp, wanted = FOLDER / "digest", _digest()
    found = sorted(FOLDER.rglob("native*.so"))
    if len(found) == 1 and stamp.exists() and stamp.read_text() == wanted:
        return found[0]
    for path in found:
        path.unlink()
    # In a process of its own: setuptools talks a lot, and changes what it is imported into.
    log = FOLDER / "build.log"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        build = subprocess.run(
            [sys.executable, "-m", __name__], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if build.returncode:
        raise SystemExit(f"{log.read_text()}\nthe sanitized extension cannot be compiled")
    stamp.write_text(wanted)
    (made,) = FOLDER.rglob("native*.so")
    return made


def preloads() -> str:
    """What the interpreter, which was compiled without sanitizers, needs in LD_PRELOAD.

    libstdc++ as well: AddressSanitizer looks for its exceptions when it starts, and Python brings it later.
    """
    names = ("libasan.so", "libubsan.so", "libstdc++.so.6")
    return ":".join(_output(f"-print-file-name={name}") for name in names)


def _digest() -> str:
    digest = hashlib.sha256(_output("--version").encode() + sys.version.encode())
    plane = ROOT / "transport" / "plane"
    for path in (
        ROOT / "pyproject.toml",
        *sorted(plane.glob("native.p*")),
        *sorted(plane.glob("core/*")),
        *sorted(_HERE.glob("*.c")),
        Path(__file__),
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _output(argument: str) -> str:
    return subprocess.run([_COMPILER, argument], check=True, capture_output=True, text=True).stdout.strip()


def _compile() -> None:
    import setuptools

    distribution = setuptools.Distribution()
    distribution.parse_config_files(["pyproject.toml"])
    (plane,) = (each for each in distribution.ext_modules if each.name == "transport.plane.native")
    distribution.ext_modules = [plane]
    plane.optional = False
    plane.extra_compile_args += [*_FLAGS, _EDGES]
    plane.extra_link_args += ["-fsanitize=address,undefined", *(f"-Wl,--wrap={name}" for name in _WATCHED)]
    for name in ("nonces", "edges"):
        # Without _EDGES: the function that is called for each edge would call itself.
        made = FOLDER / f"{name}.o"
        include = f"-I{ROOT / 'transport' / 'plane'}"
        source = _HERE / f"{name}.c"
        flags = ["-O2", "-g", "-fPIC", "-Wall", "-Werror"]
        subprocess.run([_COMPILER, *flags, include, "-c", source, "-o", made], check=True)
        plane.extra_objects.append(str(made))
    command = distribution.get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(FOLDER), str(FOLDER / "objects")
    command.cython_c_in_temp = True
    command.force = True
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    _compile()
