#!/usr/bin/env bash
# Starts a control plane on loopback for a person to play with: etcd, kube-apiserver, kube-controller-manager.
#   up.sh FOLDER      FOLDER takes certificates, data, logs, process ids and the kubeconfig
# Stop it with: kill $(cat FOLDER/*.pid)
set -euo pipefail

folder=$1
binaries=${TENURE_CONTROL_PLANE:-$("$(dirname "$0")/build.sh")}
mkdir -p "$folder"
cd "$folder"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
background() { # name, command…: stays when this script ends, and is stopped by pid
  local name=$1
  shift
  setsid "$@" >"$name.log" 2>&1 </dev/null &
  echo $! >"$name.pid"
}

certificates() {
  openssl ecparam -genkey -name prime256v1 -out ca.key
  openssl req -x509 -new -key ca.key -subj /CN=tenure-demo -days 30 -out ca.pem -addext basicConstraints=critical,CA:true
  for pair in server:/CN=localhost admin:/O=system:masters/CN=admin; do
    local name=${pair%%:*}
    openssl ecparam -genkey -name prime256v1 -out "$name.key"
    openssl req -new -key "$name.key" -subj "${pair#*:}" -out "$name.csr"
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:false\n' >"$name.ext"
    openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile "$name.ext" -out "$name.pem"
  done
  openssl genrsa -out accounts.key 2048
  openssl rsa -in accounts.key -pubout -out accounts.pub
}
[ -f server.pem ] || certificates >/dev/null 2>&1

client=$(free_port) peer=$(free_port) secure=$(free_port) manager=$(free_port)
background etcd "$binaries/etcd" --unsafe-no-fsync --data-dir etcd \
  --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
  --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
  --initial-cluster "default=http://127.0.0.1:$peer"
background kube-apiserver "$binaries/kube-apiserver" --etcd-servers "http://127.0.0.1:$client" \
  --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --endpoint-reconciler-type none --secure-port "$secure" \
  --tls-cert-file server.pem --tls-private-key-file server.key --client-ca-file ca.pem \
  --service-account-issuer https://localhost --service-account-signing-key-file accounts.key \
  --service-account-key-file accounts.pub --authorization-mode RBAC --service-cluster-ip-range 10.0.0.0/24 \
  --disable-admission-plugins ServiceAccount

cat >kubeconfig <<END
apiVersion: v1
kind: Config
clusters: [{name: demo, cluster: {server: "https://127.0.0.1:$secure", certificate-authority-data: $(base64 -w0 ca.pem)}}]
users: [{name: admin, user: {client-certificate-data: $(base64 -w0 admin.pem), client-key-data: $(base64 -w0 admin.key)}}]
contexts: [{name: demo, context: {cluster: demo, user: admin}}]
current-context: demo
END
chmod 600 kubeconfig

background kube-controller-manager "$binaries/kube-controller-manager" --kubeconfig kubeconfig --leader-elect=false \
  --controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller \
  --service-account-private-key-file accounts.key --root-ca-file ca.pem --bind-address 127.0.0.1 --secure-port "$manager"

for _ in $(seq 300); do
  "$binaries/kubectl" --kubeconfig kubeconfig get --raw /readyz >/dev/null 2>&1 && exit 0
  sleep 0.1
done
echo "the API server did not become ready; its log ends with:" >&2
tail -n 5 kube-apiserver.log >&2
exit 1
