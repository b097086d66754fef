#!/usr/bin/env bash
# The whole story before your eyes, in a real cluster, from nothing: install,
# first pods, a version switch, the mounter killed, a power cut, uninstall.
# Exit code 0 only if every step was seen to work.
#
#   demo.sh BUILD_DIR IMAGE_ARCHIVE
set -euo pipefail
readonly HERE=$(dirname "$(readlink -f "$0")")
readonly BUILD=$(readlink -f "${1:?build directory}")
readonly ARCHIVE=$(readlink -f "${2:?image archive}")
export CLUSTER_STATE=$PWD/build/demo CLUSTER_DIAGNOSTICS=$PWD/build/demo-diagnostics
readonly V1=1.301.0.20260101-000001 V2=1.302.0.20260201-000002
readonly TENANT=$CLUSTER_STATE/tenant
readonly STARTED=$(date +%s%N)
TENANT_PID=

cluster() { "$HERE/cluster.sh" "$@"; }
kubectl() { cluster kubectl "$@"; }
agent_cli() {
  kubectl exec -n dynatrace ds/oneagent-csi -c mounter -- \
    /usr/bin/oneagent-csi --data-dir /data "$@"
}
step() {
  printf '\n\033[1m== %s\033[0m  (%d s)\n' "$1" \
    $((($(date +%s%N) - STARTED) / 1000000000))
}
fail() {
  echo "demo: FAILED: $*" >&2
  exit 1
}
await() { # await WHAT COMMAND…: at most 90 s
  local what=$1 tries
  shift
  for ((tries = 0; tries < 300; tries++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.3
  done
  fail "$what: not seen in 90 s"
}
clean_up() {
  local code=$?
  [ "$code" = 0 ] || kubectl describe pods -A | tail -n 40 >&2 || true
  [ -z "$TENANT_PID" ] || kill "$TENANT_PID" 2>/dev/null || true
  "$HERE/e2e.sh" down || code=1
  exit "$code"
}
trap clean_up EXIT

start_tenant() { # on the node's address; sets API_URL
  cluster net "$BUILD/tests/tenant-api" --address 10.0.0.10 --port 8081 \
    --state-dir "$TENANT" >"$TENANT/url" &
  TENANT_PID=$!
  await "tenant API" grep -q http "$TENANT/url"
  API_URL=$(head -n 1 "$TENANT/url")
}

serve() { # serve VERSION
  "$BUILD/tests/agent-package" --agents "$BUILD/agents" --version "$1" \
    --output "$TENANT" --filler-mib 24
}

want() { # want VERSION: by DynaKube and Secret
  kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Secret
metadata: {name: demo, namespace: dynatrace}
stringData: {apiToken: demo-token}
---
apiVersion: dynatrace.com/v1beta6
kind: DynaKube
metadata: {name: demo, namespace: dynatrace}
spec:
  apiUrl: $API_URL
  oneAgent: {applicationMonitoring: {version: $1}}
YAML
}

pod() { # pod NAME: with what injection puts into it
  kubectl apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: a
    image: docker.io/test/app:1
    imagePullPolicy: Never
    command: [sh, -c, "trap 'exit 0' TERM; sleep 1000000 & wait"]
    env:
    - {name: LD_PRELOAD, value: /opt/dynatrace/oneagent-paas/agent/lib64/liboneagentproc.so}
    volumeMounts:
    - {name: oneagent-bin, mountPath: /opt/dynatrace/oneagent-paas, readOnly: true}
  volumes:
  - name: oneagent-bin
    csi:
      driver: csi.oneagent.dynatrace.com
      readOnly: true
      volumeAttributes: {mode: app, dynakube: demo}
YAML
}

says() { # says POD VERSION
  kubectl logs "$1" 2>/dev/null |
    grep -qx "agent loaded tenant=abc12345 pod=unknown version=$2"
}
expect_agent() { # expect_agent POD VERSION
  await "agent $2 in $1" says "$1" "$2"
  echo "  $1: $(kubectl logs "$1" | head -n 1)"
}
has_agent() { agent_cli tenants | grep -qE "^demo .* $1 +ready"; }
restarted() { [ "$(kubectl get pod "$1" -o 'jsonpath={.status.containerStatuses[0].restartCount}')" = 1 ]; }

step "a cluster from nothing: etcd, API server, scheduler, controllers, kubelet, containerd; helm install"
"$HERE/e2e.sh" up "$ARCHIVE" | grep -vE '^(NAME|NAMESPACE|LAST)' || true
kubectl get nodes,pods -A

step "a pod before there is any agent: it waits, and says why"
pod early
waits() { kubectl describe pod early | grep -q "hasn't finished setup yet"; }
await "the reason" waits
kubectl get events --field-selector involvedObject.name=early,reason=FailedMount \
  -o 'jsonpath={.items[0].message}{"\n"}' | cut -c1-160

step "a DynaKube wants $V1: the agent comes, the pod starts with it"
mkdir -p "$TENANT"
cat >"$TENANT/tenant.json" <<'JSON'
{"token": "demo-token",
 "connectionInfo": {"tenantUUID": "abc12345", "tenantToken": "demo-tenant-token",
                    "communicationEndpoints": ["https://127.0.0.1:1"]}}
JSON
serve "$V1"
start_tenant
want "$V1"
expect_agent early "$V1"
agent_cli agents

step "the DynaKube switches to $V2: running pods keep theirs, new pods get it"
serve "$V2"
want "$V2"
await "agent $V2" has_agent "$V2"
pod late
expect_agent late "$V2"
expect_agent early "$V1"
agent_cli volumes

step "the mounter is killed: pods go on, and the next one starts"
killed=$(cluster exec pgrep -f '^/usr/bin/oneagent-csi-mounter')
cluster exec kill -KILL "$killed"
pod next
expect_agent next "$V2"
kubectl exec late -- id 2>&1 | sed 's/^/  late: /'

step "power cut: processes and mounts are gone, the disk is kept"
cluster reboot
start_tenant # its network went with the node
for name in early late next; do
  await "$name to come back" restarted "$name"
done
for name in early late next; do
  await "agent in $name" says "$name" "$V2"
  expect_agent "$name" "$V2"
done
kubectl get pods

step "all pods go; nothing is left: no mount, no finding, the old version collected"
kubectl delete pod early late next --timeout=60s
clean() { agent_cli doctor --endpoint unix:///csi/csi.sock; }
old_gone() { ! agent_cli agents | grep -q "$V1"; }
await "doctor without findings" clean
await "collection of $V1" old_gone
agent_cli agents
clean
! cluster exec grep -E 'kubernetes.io~csi' /proc/self/mountinfo ||
  fail "something is still mounted"

step "helm uninstall, and the cluster goes"
cluster helm uninstall oneagent-csi --namespace dynatrace --wait

printf '\n\033[1mdemo: everything was seen to work\033[0m  (%d s)\n' \
  $((($(date +%s%N) - STARTED) / 1000000000))
