#!/usr/bin/env bash
# Set up a fresh Debian or Ubuntu machine, or a fresh clone on a prepared one. Idempotent, and quick when there
# is nothing to do. `ops/bootstrap.sh` prepares what `make run` needs, `ops/bootstrap.sh test` the tests' needs too.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-run}

say() { printf 'bootstrap: %s\n' "$*"; }
die() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }

if [ -n "${PYTHON:-}" ]; then python=$PYTHON
else
    python=
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$name
            break
        fi
    done
fi
[ -n "$python" ] || die "Python 3.11 or later is needed (apt-get install python3, or set PYTHON)"

installed() { dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }
known() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# Of the two builds of libsrt this one calls the quicker AES; Debian's ffmpeg needs it too. Both may be there.
packages=(libsrt1.5-gnutls ffmpeg ca-certificates)
# A distribution's own Python keeps venv in a package of its own; others bring it along.
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=("$("$python" -c 'import sys; print(f"python3.{sys.version_info.minor}-venv")')")
# The media plane is compiled here; without a compiler and Python's headers the slow one in Python runs.
useful=()
command -v "${CC:-gcc}" >/dev/null || useful+=(gcc libc6-dev)
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    useful+=("$("$python" -c 'import sys; print(f"python3.{sys.version_info.minor}-dev")')")
# A quicker AES-GCM, found at run time; Intel and AMD only.
if [ "$(uname -m)" = x86_64 ] && ! installed libipsec-mb2 && ! installed libipsec-mb1; then
    # A new machine has no lists of packages yet, and would know neither.
    known libipsec-mb1 || known libipsec-mb2 || { [ "$(id -u)" = 0 ] && apt-get update -qq; } || true
    if known libipsec-mb2; then useful+=(libipsec-mb2); else useful+=(libipsec-mb1); fi
fi
if [ "$purpose" = test ]; then
    packages+=(libsrt1.5-openssl chromium redis-server prometheus postgresql slapd iproute2 git tshark pebble nginx-light libnginx-mod-rtmp
        gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
        gstreamer1.0-plugins-ugly gstreamer1.0-libav gir1.2-gst-rtsp-server-1.0 python3-gi)
fi

missing=()
for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
# A browser from elsewhere is as good as Debian's.
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then
    for i in "${!missing[@]}"; do [ "${missing[$i]}" = chromium ] && unset 'missing[i]'; done
fi
apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" != 0 ]; then
        die "these system packages are missing: ${missing[*]}
bootstrap: run as root, or:  sudo apt-get install --no-install-recommends ${missing[*]} ${useful[*]}"
    fi
    command -v apt-get >/dev/null || die "apt-get not found; install by hand: ${missing[*]}"
    say "installing ${missing[*]}"
    known "${missing[0]}" || apt-get update -qq
    apt_install "${missing[@]}" || { apt-get update -qq && apt_install "${missing[@]}"; }
fi
if [ "${#useful[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing ${useful[*]}"
        known "${useful[0]}" || apt-get update -qq
        for package in "${useful[@]}"; do
            apt_install "$package" || say "cannot have $package; the server will be slower, nothing else"
        done
    else
        say "more viewers would fit with: ${useful[*]} (and then: rm -rf .venv)"
    fi
fi

# Chromium's engine without the program around it, as tests in a browser take half as long; and Firefox, which some are
# for. Not every machine can have them: each is asked for once, and not waited for.
for browser in chromium-headless-shell firefox-esr; do
    asked=build/asked-for-$browser
    if [ "$purpose" = test ] && [ ! -e "$asked" ] && [ "$(id -u)" = 0 ] && ! command -v "$browser" >/dev/null; then
        mkdir -p build
        touch "$asked"
        say "installing $browser"
        apt_install -o Acquire::http::Timeout=15 -o Acquire::Retries=0 "$browser" 2>/dev/null ||
            say "cannot have $browser; tests will take longer, or are left out that are for it"
    fi
done

# The stamp names everything that decides what is installed; a change to any of it installs again.
stamp=.venv/.installed-$purpose
wanted=$({ cat pyproject.toml ops/constraints.txt transport/plane/native.p* transport/plane/core/* transport/srt/*.pyx
    command -v "${CC:-gcc}" || true; } | sha256sum)
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "installing the package and what it needs"
    what=.
    [ "$purpose" = test ] && what='.[test]'
    pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)
    from_here=(-c ops/constraints.txt -e "$what")
    # uv does in seconds what pip needs a minute for. Where pip was told of another index, only pip knows the way.
    if [[ $(.venv/bin/python -m pip config list) == *index-url* ]] || ! "${pip[@]}" install -c ops/constraints.txt uv ||
        ! .venv/bin/uv --quiet pip install --python .venv/bin/python "${from_here[@]}"; then
        "${pip[@]}" install "${from_here[@]}"
    fi
    printf '%s\n' "$wanted" >"$stamp"
fi
