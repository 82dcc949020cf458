#!/usr/bin/env bash
# Installs Samba from Debian's packages, and provisions a domain into the user's
# cache for the tests to start copies of: an Active Directory without Windows.
# Prints the domain's folder on standard output, progress on standard error.
#
# The folder's name holds a hash of this file and of Samba's version, so that every
# checkout with the same ones shares it.
set -euo pipefail
cd "$(dirname "$0")"

realm=EXAMPLE.TEST
domain=EXAMPLE
# Of a domain that listens on loopback, while a test runs. Tests know it by this name.
password=canary-Adm1n-Passw0rd
packages=(samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind)

say() { echo "samba: $*" >&2; }
version() { /usr/sbin/samba --version; }
installed() { [ -x /usr/sbin/samba ] && [ -x /usr/bin/samba-tool ] && [ -d /usr/share/samba/setup ] && version >/dev/null 2>&1; }

installed || ../install-apt.sh samba "${packages[@]}"
installed || { say "${packages[*]} are installed, and do not work"; exit 1; }

key=$({ cat install.sh; version; } | sha256sum | cut -c1-16)
cache="${TENURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenure}"
out="$cache/samba-$key"

# The stamp is written last: a domain without it is one that was cut off half-way.
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi
[ "$(id -u)" -eq 0 ] || { say "a domain controller's ports are below 1024 and its files are root's: run this as root"; exit 1; }
mkdir -p "$cache"
exec 9>"$out.lock"
flock 9
if [ -e "$out/complete" ]; then echo "$out"; exit 0; fi

say "provisioning a domain in $out…"
rm -rf "$out"
mkdir -p "$out/run"
samba-tool domain provision --targetdir="$out" --realm="$realm" --domain="$domain" --adminpass="$password" \
  --server-role=dc --use-rfc2307 --dns-backend=NONE --host-name=dc1 --host-ip=127.0.0.10 --function-level=2008_R2 \
  --option="interfaces=127.0.0.10/8" --option="bind interfaces only=yes" --option="disable netbios=yes" \
  --option="pid directory=$out/run" --option="lock directory=$out/lock" --option="cache directory=$out/cache" \
  --option="log file=$out/log.%m" --option="ldb:nosync=yes" >"$out/provision.log" 2>&1 ||
  { tail -n 30 "$out/provision.log" >&2; exit 1; }
touch "$out/complete"
say "ready in $out"
echo "$out"
