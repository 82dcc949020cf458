#!/usr/bin/env bash
# Installs SCIMMY, a SCIM library, in the Express application its makers suggest.
set -euo pipefail
exec "$(dirname "$0")/../install-npm.sh" scimmy
