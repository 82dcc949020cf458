#!/usr/bin/env bash
# The demo: joiner, mover, leaver, on a control plane, two SCIM servers and, if slapd can be had, an LDAP directory, which
# it starts itself.
# KEEP=1 leaves everything running. TENURE_BIN is the operator's binary.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d "${TMPDIR:-/tmp}/tenure-demo.XXXXXX")
export TENURE_CONTROL_PLANE=${TENURE_CONTROL_PLANE:-$(tools/control-plane/build.sh)}
export KUBECONFIG=$folder/control-plane/kubeconfig
tenure=${TENURE_BIN:-target/debug/tenure}
scim_server=$(tools/test-servers/scim2-server/install.sh)/bin/scim2-server
directory= apps="two apps" all=2 rest=1
if tools/test-servers/slapd/install.sh >/dev/null; then
  directory=yes apps="three apps" all=3 rest=2
else
  echo "no slapd to be had here: the demo goes on without a directory" >&2
fi

stop() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    echo "the demo failed; the operator's log ends with:" >&2
    tail -n 20 "$folder/tenure.log" >&2 2>/dev/null || true
  fi
  if [ -n "${KEEP:-}" ] && [ "$status" -eq 0 ]; then return; fi
  local pids
  pids=$(cat "$folder"/*.pid "$folder"/control-plane/*.pid 2>/dev/null || true)
  # An API server whose etcd goes with it would wait for minutes before it ends.
  # shellcheck disable=SC2086
  { kill $pids; sleep 1; kill -9 $pids; } 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT

act() { printf '\n\033[1m%s\033[0m\n' "── $* "; }
show() { printf '\033[2m$ %s\033[0m\n' "$*"; "$@"; }
kubectl() { "$TENURE_CONTROL_PLANE/kubectl" -n demo "$@"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
background() { # name, command…
  local name=$1
  shift
  setsid "$@" >"$folder/$name.log" 2>&1 </dev/null &
  echo $! >"$folder/$name.pid"
}
accounts() { # name, url, token: what the server itself says
  python3 tools/demo/accounts.py "$1" "$2" "$3"
}
everywhere() {
  accounts crm "$CRM_URL" "$CRM_TOKEN"
  accounts wiki "$WIKI_URL" "$WIKI_TOKEN"
  if [ -n "$directory" ]; then
    FIRST_PASSWORD=$(first_password) \
      python3 tools/demo/entries.py directory "$DIRECTORY_URL" dc=example,dc=com cn=tenure,ou=services,dc=example,dc=com
  fi
}
first_password() { # what the Secret holds that Tenure wrote for Ann
  kubectl get secrets -l tenure.dev/initial-password,tenure.dev/user=ann \
    -o 'jsonpath={.items[0].data.password}' | base64 --decode
}
apply_with_addresses() { # manifest with ${NAMES}
  python3 -c 'import os, sys; print(os.path.expandvars(sys.stdin.read()))' <"$1" | kubectl apply -f -
}
settled() { # what, jsonpath, value
  kubectl wait --for="jsonpath=$2=$3" --timeout=60s "$1" >/dev/null
}

act "Starting a control plane, and $apps to have accounts in"
tools/control-plane/up.sh "$folder/control-plane"
crm_port=$(free_port) wiki_port=$(free_port)
export CRM_TOKEN=crm-$RANDOM$RANDOM WIKI_TOKEN=wiki-$RANDOM$RANDOM
export CRM_URL=http://127.0.0.1:$crm_port/v2 WIKI_URL=http://127.0.0.1:$wiki_port/v2
background crm "$scim_server" --port "$crm_port" --bearer-token "$CRM_TOKEN"
background wiki "$scim_server" --port "$wiki_port" --bearer-token "$WIKI_TOKEN"
if [ -n "$directory" ]; then
  directory_port=$(free_port)
  export DIRECTORY_PASSWORD=directory-$RANDOM$RANDOM DIRECTORY_URL=ldap://127.0.0.1:$directory_port
  background directory tools/demo/slapd.sh "$folder/directory" "$directory_port"
fi

act "Installing Tenure: the definitions, then the operator"
show kubectl apply -f crds/
# A definition is served a moment after it is accepted.
until kubectl get users,trole,apps,appbindings >/dev/null 2>&1; do sleep 0.2; done
kubectl create namespace demo >/dev/null
listen=127.0.0.1:$(free_port)
background tenure "$tenure" run --namespace demo --listen "$listen" \
  --allow-insecure-targets --log-format text --lease-duration 4s --renew-deadline 3s --retry-period 500ms

act "${apps^}, three roles, and what the roles grant"
apply_with_addresses examples/demo/apps.yaml
show kubectl apply -f examples/demo/roles.yaml
if [ -n "$directory" ]; then
  apply_with_addresses examples/demo/directory.yaml
  settled app/directory '{.status.conditions[?(@.type=="Ready")].status}' True
fi
settled app/crm '{.status.conditions[?(@.type=="Ready")].status}' True
settled app/wiki '{.status.conditions[?(@.type=="Ready")].status}' True
show kubectl get apps,trole,appbindings

act "Joiner: Ann joins Sales"
show kubectl apply -f examples/demo/ann.yaml
settled user/ann '{.status.summary}' "$all/$all"
show kubectl get users
if [ -n "$directory" ]; then show kubectl get secrets -l tenure.dev/initial-password; fi
everywhere

act "Mover: Ann goes to Engineering"
show kubectl patch user ann --type merge -p '{"spec":{"department":"Engineering"}}'
settled user/ann '{.status.summary}' "$rest/$all"
show kubectl get users
everywhere

act "Leaver: Ann leaves"
show kubectl patch user ann --type merge -p '{"spec":{"state":"Terminated"}}'
settled user/ann '{.status.state}' Left
show kubectl get users
everywhere
show kubectl get events --field-selector involvedObject.name=ann -o custom-columns=REASON:.reason,MESSAGE:.message

act "What Tenure did, one audit line each"
grep 'tenure::audit' "$folder/tenure.log" || true

if [ -n "${KEEP:-}" ]; then
  act "Everything is still running"
  cat <<END
  export KUBECONFIG=$KUBECONFIG
  kubectl (of this control plane): $TENURE_CONTROL_PLANE/kubectl -n demo get users
  CRM  $CRM_URL  token $CRM_TOKEN
  Wiki $WIKI_URL  token $WIKI_TOKEN
  Directory: ${DIRECTORY_URL:-not there}  cn=tenure,ou=services,dc=example,dc=com, password ${DIRECTORY_PASSWORD:-none}
  Operator: log $folder/tenure.log, metrics http://$listen/metrics
  Stop it all: kill \$(cat $folder/*.pid $folder/control-plane/*.pid); rm -rf $folder
END
fi
