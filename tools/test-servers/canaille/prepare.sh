#!/usr/bin/env bash
# Makes, in ENVIRONMENT/template, what every start needs and takes seconds to make:
# the configuration with a signing key, and a database with tables, a client and its token.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
environment=$1

mkdir -m 700 "$environment/template"
cd "$environment/template"
key=$("$environment/bin/canaille" jwk create rsa --format toml 2>/dev/null)
# The file ends with the table that the key belongs to.
{ cat "$here/canaille.toml"; echo "ACTIVE_JWKS = [$key]"; } >canaille.toml
CANAILLE_CONFIG=canaille.toml "$environment/bin/python" "$here/prepare.py" <"$here/credentials.json"
