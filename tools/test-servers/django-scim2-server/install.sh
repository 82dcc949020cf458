#!/usr/bin/env bash
# Installs django-scim2-server, a SCIM server for Django sites, in a small site.
set -euo pipefail
exec "$(dirname "$0")/../install-pip.sh" django-scim2-server
