#!/usr/bin/env bash
# Installs what one folder beside this file asks of npm, and the folder's own
# programs, into the user's cache. Prints the folder of the installation on
# standard output, progress on standard error. Called by that folder's install.sh.
#
# The name of the installation holds a hash of the lock file and the programs, so
# that every checkout with the same ones shares it.
set -euo pipefail
cd "$(dirname "$0")/$1"

say() { echo "${PWD##*/}: $*" >&2; }

command -v npm >/dev/null || { say "npm is needed (Debian: apt-get install npm)"; exit 1; }
files=(package.json package-lock.json)
[ ! -e app.mjs ] || files+=(app.mjs)
key=$({ cat ../install-npm.sh "${files[@]}"; uname -m; } | sha256sum | cut -c1-16)
cache="${TENURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenure}"
out="$cache/${PWD##*/}-$key"

# The stamp is written last: an installation without it is one that was cut off half-way.
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi
mkdir -p "$cache"
exec 9>"$out.lock"
flock 9
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi

say "installing into $out…"
rm -rf "$out"
mkdir "$out"
cp "${files[@]}" "$out"
# No install script of any package runs: none of them needs one.
(cd "$out" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
touch "$out/complete"
say "ready in $out"
echo "$out"
