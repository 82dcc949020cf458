#!/usr/bin/env bash
# Installs what the build and the tests need and this machine lacks: Debian
# packages, and the Rust toolchain that rust-toolchain.toml names. Says what it
# does; says nothing when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "prerequisites: $*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

packages=()
has cc || packages+=(gcc libc6-dev)
has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
has setpriv && has flock || packages+=(util-linux)
has git || packages+=(git)
has openssl || packages+=(openssl)
has gzip || packages+=(gzip)
has npm || packages+=(npm)

if [ ${#packages[@]} -gt 0 ]; then
  has apt-get || { say "missing, and apt-get is not here to install them: ${packages[*]}"; exit 1; }
  root=()
  if [ "$(id -u)" -ne 0 ]; then
    has sudo || { say "missing, and neither root nor sudo to install them: ${packages[*]}"; exit 1; }
    root=(sudo)
  fi
  say "installing ${packages[*]} (apt-get)…"
  "${root[@]}" apt-get update -qq >&2
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi

has cargo || { say "Rust is needed: install rustup (https://rustup.rs), it brings the toolchain this project pins"; exit 1; }
# rustup may be set not to install toolchains by itself.
if has rustup && ! rustc --version >/dev/null 2>&1; then
  say "installing the Rust toolchain of rust-toolchain.toml…"
  rustup toolchain install >&2
fi
