#!/usr/bin/env bash
# Installs slapd, the OpenLDAP server, from Debian's packages. Prints the folder of
# its programs on standard output, progress on standard error.
set -euo pipefail

complete() { [ -x /usr/sbin/slapd ] && [ -x /usr/sbin/slapadd ] && [ -x /usr/bin/ldapsearch ]; }

complete || "$(dirname "$0")/../install-apt.sh" slapd slapd ldap-utils
complete || { echo "slapd: it is installed, and not in /usr/sbin" >&2; exit 1; }
echo /usr/sbin
