#!/usr/bin/env bash
# Installs libfaketime, which gives a process another clock, from Debian's packages.
# Prints the folder of the library on standard output, progress on standard error.
set -euo pipefail

folder() { dpkg-query -L libfaketime 2>/dev/null | sed -n 's,/libfaketimeMT\.so\.1$,,p'; }

[ -n "$(folder)" ] || "$(dirname "$0")/../install-apt.sh" libfaketime libfaketime
[ -n "$(folder)" ] || { echo "libfaketime: it is installed, and has no libfaketimeMT.so.1" >&2; exit 1; }
folder
