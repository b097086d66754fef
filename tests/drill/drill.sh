#!/usr/bin/env bash
# The faults of docs/runbook.md, made with the shipped programs, and what an
# operator's commands print then. Everything runs on loopback, in a mount
# namespace and a directory of its own, which the transcript shows as /.
#
#   tests/drill/drill.sh BUILD_DIR            prints the transcript
#   tests/drill/check.sh BUILD_DIR [--write]  compares it with the runbook
#
# A line "=== name" begins the block of that name.
set -euo pipefail

readonly BUILD=$(readlink -f "${1:?build directory}")
readonly ME=drill
. "$(dirname "$(readlink -f "$0")")/../support/node.sh"
enter_own_mounts "$0" "$BUILD"

readonly V1=1.301.0.20260101-000001
readonly V2=1.302.0.20260201-000002
make_work
readonly DATA=$WORK/data KUBELET=$WORK/var/lib/kubelet
readonly SOCKET=$WORK/csi/csi.sock CRS=$WORK/dynakubes

# As in the containers: data directory and socket are where the CLI looks.
oneagent-csi() {
  local verb=$1
  shift
  case $verb in
    doctor | probe | publish | unpublish) set -- --endpoint "$SOCKET" "$@" ;;
  esac
  cli "$verb" "$@"
}

block() { printf '=== %s\n' "$1"; }

# show COMMAND: the command and what it prints. Its exit code is no matter.
show() {
  local shown=${1//$BUILD\/bin\//}
  printf '$ %s\n' "${shown//$WORK/}"
  { eval "$1" 2>&1 || true; } | sed "s#$WORK##g"
}

# Calls as kubelet makes them; the pod's directories are kubelet's, too.
publish_call() { # publish_call POD [FLAG…]
  local pod=$1
  shift
  mkdir -p "$(dirname "$(target_of "$pod")")"
  echo "oneagent-csi publish --volume-id csi-$pod --target $(target_of "$pod")" \
    "--pod $pod --namespace shop --pod-uid uid-$pod --dynakube demo${*:+ $*}"
}
unpublish_call() {
  echo "oneagent-csi unpublish --volume-id csi-$1 --target $(target_of "$1")"
}
publish() { eval "$(publish_call "$@")" >/dev/null; }
unpublish() { eval "$(unpublish_call "$1")" >/dev/null; }

is_refused() { cli -o json tenants | grep -q '"state": *"failed"'; }
is_held() { # is_held POD: by the holder
  find "/proc/${DAEMONS[holder]}/fd" -lname "$(target_of "$1")/*" | grep -q .
}
logged() { grep -q -- "$1" "$WORK/mounter.log" "$WORK/provisioner.log"; }
story_of() { echo "cat mounter.log provisioner.log | grep volume=csi-$1 | sort"; }

mkdir -p "$CRS" "$KUBELET/pods" "$WORK/csi" "$DATA"
# A disk that can be filled.
mount -t tmpfs -o mode=700,size=128m none "$DATA"
cd "$WORK"
start_tenant_api 8 0 "$V1" "$V2"
start_mounter
start_provisioner --keep-versions=0

# ---- a pod hangs in ContainerCreating: its DynaKube has no agent

apply_dynakube "$V1" wrong-token
wait_for "refused token" is_refused
publish web-1 2>/dev/null && fail "web-1 was published"
wait_for "waiting volume" logged "volume waits volume=csi-web-1"

block creating-volumes
show "oneagent-csi volumes"
show "oneagent-csi tenants"
block creating-call
show "$(publish_call web-1)"
block creating-log
show "grep provisioner/reconcile provisioner.log | grep dynakube=demo | tail -n 1"

apply_dynakube "$V1"
wait_for "agent $V1" current_version "$V1"
wait_for "end of waiting" logged "volume can be published volume=csi-web-1"
block creating-repaired
show "oneagent-csi tenants"
show "$(publish_call web-1)"
show "$(story_of web-1)"

# ---- a pod hangs in ContainerCreating: nobody answers kubelet

stop mounter KILL
block unreachable
show "oneagent-csi probe"
show "oneagent-csi doctor"
start_mounter
block unreachable-repaired
show "oneagent-csi probe"
show "grep mounter/daemon mounter.log | tail -n 1"

# ---- a pod hangs in Terminating: a process holds a file of its volume

start holder tail -f "$(target_of web-1)/agent/installer.version"
wait_for "open file" is_held web-1
block terminating-call
show "$(unpublish_call web-1)"
show "grep NodeUnpublishVolume mounter.log | tail -n 1"
show "oneagent-csi volumes"
block terminating-who
show "find /proc/[0-9]*/fd /proc/[0-9]*/cwd -lname '$(target_of web-1)/*' 2>/dev/null"
show "cat /proc/${DAEMONS[holder]}/comm"
stop holder
block terminating-repaired
show "$(unpublish_call web-1)"
show "oneagent-csi volumes"
[ ! -e "$(target_of web-1)" ] || fail "web-1: target is still there"

# ---- a pod runs without an agent

publish web-2 --dynakube nobody --attribute retryTimeout=0s
wait_for "notice" logged "without an agent volume=csi-web-2"
block not-injected-volumes
show "oneagent-csi volumes"
show "cat $(target_of web-2)/ONEAGENT_NOT_INJECTED"
show "oneagent-csi doctor"
block not-injected-story
show "$(story_of web-2)"
unpublish web-2
publish web-2
block not-injected-repaired
show "oneagent-csi volumes"

# ---- the driver is not registered

stop mounter
mkdir -p "$KUBELET/plugins_registry"
start_mounter --registration-dir "$KUBELET/plugins_registry" \
  --kubelet-socket-path "$SOCKET"
wait_for "registration socket" logged "mounter/registration listening"
block registration
show "ls $KUBELET/plugins_registry"
show "grep mounter/registration mounter.log"

# ---- the node's disk fills up

publish old-1
apply_dynakube "$V2"
wait_for "agent $V2" current_version "$V2"
publish new-1
head -c 200M /dev/zero 2>/dev/null >"$(target_of old-1)/log/big.log" || true
block disk-doctor
show "oneagent-csi doctor"
block disk-call
show "$(publish_call late-1)"
show "grep volume=csi-late-1 mounter.log"
block disk-who
show "oneagent-csi du"
block disk-gc
show "oneagent-csi gc --dry-run"
# Trash is emptied after a minute; the drill does not wait for it.
: >"$(target_of old-1)/log/big.log"
unpublish late-1
unpublish web-2
unpublish old-1
block disk-collect
show "oneagent-csi gc --dry-run --grace-period 0s --keep-versions 0"
show "oneagent-csi gc --now --grace-period 0s --keep-versions 0"
unpublish new-1

# ---- the index is damaged

publish web-3
stop provisioner # either daemon repairs it, whoever looks first
printf 'no database at all' | dd of="$DATA/index.db" conv=notrunc status=none
block index-damaged
show "oneagent-csi volumes"
stop mounter
start_mounter
wait_for "rebuilt index" logged "index rebuilt"
block index-repaired
show "grep 'index rebuilt' mounter.log"
show "oneagent-csi volumes"
show "oneagent-csi doctor"
rm -f "$DATA"/index.db.damaged-*
unpublish web-3

# ---- what the log looks like

stop mounter
start_mounter --log-format=json --log-level=warning,node=info
publish web-4 --dynakube nobody --attribute retryTimeout=0s
block log-json
show "tail -n 1 mounter.log"
unpublish web-4
stop mounter
start_mounter --log-level=warning,node=info
publish web-4 --dynakube nobody --attribute retryTimeout=0s
block log-text
show "tail -n 1 mounter.log"
unpublish web-4
block log-level
show "$BUILD/bin/oneagent-csi-mounter --log-level=info,wombat=debug"
