#!/usr/bin/env bash
# Installs the SCIM server that the tests provision into (scim2-server, from PyPI)
# into a virtual environment in the user's cache. Prints the folder of that
# environment on standard output, progress on standard error.
#
# The folder's name holds a hash of the pins and of Python's version, so that
# every checkout with the same pins shares one environment.
set -euo pipefail
cd "$(dirname "$0")"

say() { echo "scim2-server: $*" >&2; }

command -v python3 >/dev/null || { say "Python 3.11 or newer is needed (Debian: apt-get install python3 python3-venv)"; exit 1; }
key=$({ cat install.sh requirements.txt; python3 --version; } | sha256sum | cut -c1-16)
cache="${TENURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenure}"
out="$cache/scim2-server-$key"

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
touch "$out/complete"
say "ready in $out"
echo "$out"
