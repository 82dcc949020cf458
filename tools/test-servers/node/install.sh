#!/usr/bin/env bash
# Installs the Node.js that the test servers written in JavaScript run on: Debian's is too old.
set -euo pipefail
exec "$(dirname "$0")/../install-npm.sh" node
