#!/usr/bin/env bash
# Installs what one folder beside this file asks of PyPI into a virtual environment
# in the user's cache, and lets the folder's prepare.sh, if there is one, add to it.
# Prints the environment's folder on standard output, progress on standard error.
# Called by that folder's install.sh.
#
# The environment's name holds a hash of the folder's files and of Python's version,
# so that every checkout with the same ones shares it.
set -euo pipefail
cd "$(dirname "$0")/$1"

say() { echo "${PWD##*/}: $*" >&2; }

command -v python3 >/dev/null || { say "Python 3.11 or newer is needed (Debian: apt-get install python3 python3-venv)"; exit 1; }
files() { find . -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z; }
key=$({ cat ../install-pip.sh; files | xargs -0 cat; python3 --version; } | sha256sum | cut -c1-16)
cache="${TENURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenure}"
out="$cache/${PWD##*/}-$key"

# The stamp is written last: an environment without it is one that was cut off half-way.
complete() { [ -e "$out/complete" ] && "$out/bin/python" -c '' 2>/dev/null; }

if complete; then echo "$out"; exit 0; fi
mkdir -p "$cache"
exec 9>"$out.lock"
flock 9
if complete; then echo "$out"; exit 0; fi

say "installing into $out…"
rm -rf "$out"
python3 -m venv "$out" >&2 || { say "python3 cannot make virtual environments (Debian: apt-get install python3-venv)"; exit 1; }
"$out/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements.txt >&2
"$out/bin/pip" check >&2
if [ -e prepare.sh ]; then ./prepare.sh "$out" >&2; fi
touch "$out/complete"
say "ready in $out"
echo "$out"
