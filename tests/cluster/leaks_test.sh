#!/usr/bin/env bash
# A cluster of its own comes up, runs a pod, loses power, comes up, goes down:
# nothing of it is left on this machine then, and `down` says so if something is.
set -euo pipefail
readonly HERE=$(dirname "$(readlink -f "$0")")
export CLUSTER_STATE=$(mktemp -d "$(readlink -f "$HERE/../..")/build/leaks.XXXXXX")
STRAY=

cluster() { "$HERE/cluster.sh" "$@"; }

fail() {
  echo "leaks_test: FAILED: $*" >&2
  exit 1
}

clean_up() {
  [ -z "$STRAY" ] || kill -KILL "$STRAY" 2>/dev/null || true
  cluster wipe || true
}
trap clean_up EXIT

# What a node changes if it is not kept from it. Devices and cgroups of other
# clusters on this machine may come and go meanwhile.
machine() {
  head -n 99 /proc/sys/vm/overcommit_memory /proc/sys/kernel/{panic,panic_on_oops}
  cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/{hostname,random/boot_id}
  ls -d /usr/libexec/kubernetes /opt/containerd /opt/cni /etc/cni \
    /var/lib/{kubelet,containerd,etcd,cni} /run/containerd 2>&1
  ls -A /var/log | grep -E '^(pods|containers)$'
  ip -o link show | grep -vE 'veth' | cut -d: -f2 # none is the cluster's
}

look_for_leftovers() {
  local found
  found=$(grep -lE "oneagent-cluster-$(sha256sum <<<"$CLUSTER_STATE" | head -c 8)" \
    /proc/[0-9]*/cgroup 2>/dev/null) && fail "processes: $found"
  found=$(find /sys/fs/cgroup -name "*$(sha256sum <<<"$CLUSTER_STATE" | head -c 8)") &&
    [ -z "$found" ] || fail "cgroups: $found"
  found=$(grep -F "$CLUSTER_STATE" /proc/[0-9]*/mountinfo 2>/dev/null) &&
    fail "mounts: $found"
  return 0
}

run_pod() {
  cluster kubectl run pod --image=docker.io/test/app:1 --restart=Always \
    --command -- sleep 100000 >/dev/null
  cluster kubectl wait --for=condition=Ready pod/pod --timeout=60s >/dev/null
}

has_restarted() {
  [ "$(cluster kubectl get pod pod -o jsonpath='{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}')" = "1 true" ]
}

before=$(machine)
cluster up
run_pod
old_boot=$(cluster kubectl get node -o 'jsonpath={.items[*].status.nodeInfo.bootID}')
cluster reboot
for ((i = 0; i < 300; i++)); do has_restarted && break || sleep 0.2; done
has_restarted || fail "the pod did not come back after the power cut"
[ "$old_boot" != "$(cluster exec cat /proc/sys/kernel/random/boot_id)" ] ||
  fail "the boot id is that of before the power cut"
[ "$(cluster kubectl exec pod -- cat /proc/sys/kernel/random/boot_id)" = \
  "$(cluster exec cat /proc/sys/kernel/random/boot_id)" ] ||
  fail "the pod sees another boot id than its node"
echo "leaks_test: up, power cut and up again: the pod came back"

group=$(find /sys/fs/cgroup -maxdepth 2 \
  -name "*$(sha256sum <<<"$CLUSTER_STATE" | head -c 8)" | head -n 1)
sleep 1000 &
STRAY=$!
echo "$STRAY" >"$group/node/cgroup.procs"
said=$(cluster down 2>&1) && fail "down did not see a process that is left"
grep -q "^process $STRAY sleep 1000" <<<"$said" || fail "down said: $said"
kill -KILL "$STRAY"
wait "$STRAY" 2>/dev/null || true
cluster down
echo "leaks_test: down names what is left: $(grep ^process <<<"$said")"

look_for_leftovers
after=$(machine)
[ "$before" = "$after" ] || fail "changed: $(diff <(echo "$before") <(echo "$after"))"
echo "leaks_test: nothing of the cluster is left on this machine"
