#!/usr/bin/env bash
# Installs an application with accounts and sessions of its own, made with better-auth and its
# SCIM plugin: a target whose sign-ins and sessions the tests can look at.
set -euo pipefail
exec "$(dirname "$0")/../install-npm.sh" better-auth
