#!/usr/bin/env bash
# Installs scim2-server, a strict SCIM server.
set -euo pipefail
exec "$(dirname "$0")/../install-pip.sh" scim2-server
