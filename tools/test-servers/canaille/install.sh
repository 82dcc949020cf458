#!/usr/bin/env bash
# Installs canaille, an identity provider with a SCIM server.
set -euo pipefail
exec "$(dirname "$0")/../install-pip.sh" canaille
