#!/usr/bin/env bash
# The main job before your eyes, with the shipped programs: a tenant API, the
# provisioner, the mounter, three volumes, a version switch, collection.
# Everything runs on loopback, in a mount namespace and a directory of its own.
# Exit code 0 only if every step was seen to work.
#
#   tests/demo/demo.sh BUILD_DIR
set -euo pipefail

readonly BUILD=$(readlink -f "${1:?build directory}")
readonly ME=demo
. "$(dirname "$(readlink -f "$0")")/../support/node.sh"
enter_own_mounts "$0" "$BUILD"

readonly V1=1.301.0.20260101-000001
readonly V2=1.302.0.20260201-000002
make_work
readonly DATA=$WORK/data KUBELET=$WORK/kubelet SOCKET=$WORK/csi.sock
readonly CRS=$WORK/dynakubes
STARTED=$(date +%s%N)

step() {
  printf '\n\033[1m== %s\033[0m  (%d ms)\n' "$1" \
    $((($(date +%s%N) - STARTED) / 1000000))
}
publish() { # publish POD [FLAG…]
  local pod=$1
  shift
  mkdir -p "$(dirname "$(target_of "$pod")")" # as kubelet does
  cli publish --endpoint "$SOCKET" --volume-id "csi-$pod" \
    --target "$(target_of "$pod")" --pod "$pod" --namespace shop \
    --pod-uid "uid-$pod" --dynakube demo \
    --attribute "conf.general.podName=$pod" "$@"
}
unpublish() {
  cli unpublish --endpoint "$SOCKET" --volume-id "csi-$1" \
    --target "$(target_of "$1")"
}
run_in() { # run_in POD: a real process with the agent preloaded
  LD_PRELOAD=$(target_of "$1")/agent/lib64/liboneagentproc.so /bin/true
}
expect_line() { # expect_line POD VERSION TEXT
  local want="agent loaded tenant=abc12345 pod=$1 version=$2"
  [ "$3" = "$want" ] || fail "pod $1: expected '$want', saw '$3'"
  echo "  $1: $3"
}
step "a tenant API on loopback serves two agent versions as zips"
mkdir -p "$CRS" "$KUBELET/pods"
start_tenant_api 24 60000000 "$V1" "$V2"
echo "  $API_URL"

step "mounter on a socket, provisioner on a directory with a DynaKube and its Secret"
apply_dynakube "$V1"
start_mounter
start_provisioner --grace-period=0s --keep-versions=0
wait_for "agent $V1" current_version "$V1"
cli agents
cli tenants

step "three volumes by CSI calls: two pods, and a third one read-only"
publish pod-a
publish pod-b
publish pod-ro --read-only
run_in pod-a
run_in pod-b
RO_LINE=$(run_in pod-ro 2>&1)

step "the agent in each pod read its layered configuration"
expect_line pod-a "$V1" "$(cat "$(target_of pod-a)/log/agent.log")"
expect_line pod-b "$V1" "$(cat "$(target_of pod-b)/log/agent.log")"
expect_line pod-ro "$V1" "$RO_LINE"
[ ! -e "$(target_of pod-ro)/log/agent.log" ] || fail "pod-ro: log was written"
cli agents
cli volumes

step "the DynaKube switches to $V2: running pods keep theirs, new pods get it"
apply_dynakube "$V2"
wait_for "agent $V2" current_version "$V2"
publish pod-c
run_in pod-c
expect_line pod-c "$V2" "$(cat "$(target_of pod-c)/log/agent.log")"
for pod in pod-a pod-b; do
  run_in $pod
  expect_line $pod "$V1" "$(tail -n 1 "$(target_of $pod)/log/agent.log")"
done
expect_line pod-ro "$V1" "$(run_in pod-ro 2>&1)"
cli agents
cli volumes

step "unpublish everything, collect: the old version is gone, nothing is mounted"
for pod in pod-a pod-b pod-ro pod-c; do
  unpublish "$pod"
  [ ! -e "$(target_of "$pod")" ] || fail "$pod: target is still there"
done
old_version_gone() { ! cli agents | grep -q "$V1"; }
wait_for "collection of $V1" old_version_gone
cli agents
[ "$(find "$DATA/agents" -mindepth 1 -maxdepth 1 -type d | wc -l)" = 1 ] ||
  fail "agents/ holds more than one tree"
grep -q "\"$V1\"" "$DATA"/agents/*.json && fail "$V1 has a manifest still"
if grep -E " $KUBELET| oneagent-csi " /proc/self/mountinfo; then
  fail "something is still mounted"
fi
cli doctor --endpoint "$SOCKET" --min-free 0

printf '\n\033[1mdemo: everything was seen to work\033[0m  (%d ms)\n' \
  $((($(date +%s%N) - STARTED) / 1000000))
