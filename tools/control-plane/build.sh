#!/usr/bin/env bash
# Builds the control plane that the tests, the demo and the benchmarks run on:
# kube-apiserver, kube-controller-manager, kubectl and etcd, from Go modules.
# Prints the folder of the binaries on standard output, progress on standard error.
#
# KUBEBUILDER_ASSETS, when set, is used as it is and nothing is built. Otherwise
# the binaries live in the user's cache, under a hash of what pins them, so that
# every checkout with the same pins shares one build.
set -euo pipefail
cd "$(dirname "$0")"

say() { echo "control-plane: $*" >&2; }

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  say "using KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS"
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

key=$(cat build.sh kubernetes/go.mod kubernetes/go.sum etcd/go.mod etcd/go.sum | sha256sum | cut -c1-16)
cache="${TENURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenure}"
out="$cache/control-plane-$key"
binaries=(kube-apiserver kube-controller-manager kubectl etcd)

complete() { for b in "${binaries[@]}"; do [ -x "$out/$b" ] || return 1; done; }

if complete; then echo "$out"; exit 0; fi
command -v go >/dev/null || { say "Go is needed to build the control plane: install it (Debian: apt-get install golang), version 1.26 or newer, or set KUBEBUILDER_ASSETS"; exit 1; }
mkdir -p "$out"
exec 9>"$out.lock"
flock 9
if complete; then echo "$out"; exit 0; fi

version=$(sed -n 's/^.*k8s.io\/kubernetes v\([0-9.]*\).*$/\1/p' kubernetes/go.mod | head -n1)
major=${version%%.*} rest=${version#*.} minor=${rest%%.*}
stamp="-X k8s.io/component-base/version.gitVersion=v$version -X k8s.io/component-base/version.gitMajor=$major -X k8s.io/component-base/version.gitMinor=$minor"

build() { # folder, package, binary
  [ -x "$out/$3" ] && return
  say "building $3 (minutes the first time)…"
  (cd "$1" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags "-s -w $stamp" -o "$out/$3.part" "$2")
  mv "$out/$3.part" "$out/$3"
}

build etcd go.etcd.io/etcd/server/v3 etcd
build kubernetes k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver
build kubernetes k8s.io/kubernetes/cmd/kubectl kubectl
build kubernetes k8s.io/kubernetes/cmd/kube-controller-manager kube-controller-manager
say "ready in $out"
echo "$out"
