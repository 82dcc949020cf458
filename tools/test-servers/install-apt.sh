#!/usr/bin/env bash
# Installs Debian packages, and starts none of the services that come with them.
# Says what it does on standard error. Called by install.sh of the folders beside
# this file, for what these miss.
#
# Usage: install-apt.sh NAME PACKAGE…
set -euo pipefail
name=$1
shift

say() { echo "$name: $*" >&2; }

command -v apt-get >/dev/null || { say "missing, and apt-get is not here to install them: $*"; exit 1; }
root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { say "missing, and neither root nor sudo to install them: $*"; exit 1; }
  root=(sudo)
fi

cache="${TENURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenure}"
mkdir -p "$cache"
exec 9>"$cache/apt.lock"
flock 9

# A package's scripts ask this file whether they may start a service (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod 755 "$policy"
fi

apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq "$@" >&2; }

say "installing $* (apt-get)…"
# The lists may be missing, or name versions that the mirror no longer has.
apt install -y --no-install-recommends "$@" 2>/dev/null || { apt update && apt install -y --no-install-recommends "$@"; }
