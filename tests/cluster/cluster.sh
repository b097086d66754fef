#!/usr/bin/env bash
# A Kubernetes cluster of one node on this machine: etcd, API server, scheduler,
# controller-manager, kubelet and containerd, each the real program, together in
# namespaces of their own (mount, network, PID, UTS, IPC) and in a cgroup of
# their own. PID 1 there is the node: killing it is a power cut.
#
#   cluster.sh up                 until the node is Ready
#   cluster.sh down               and look whether anything is left
#   cluster.sh reboot             power cut, and up again: what was on disk stays
#   cluster.sh kubectl ARG…       as administrator; also helm
#   cluster.sh ctr ARG…           containerd's images and containers
#   cluster.sh load ARCHIVE…      images
#   cluster.sh exec PROGRAM ARG…  on the node; net: only in its network
#   cluster.sh stop PART          also kill, start; PART: kubelet, etcd, …
#   cluster.sh status             whether it is up
#
# Everything it keeps lies below CLUSTER_STATE (build/cluster); the programs of
# Kubernetes come from CLUSTER_TOOLS (build/tools).
set -euo pipefail

HERE=$(dirname "$(readlink -f "$0")")
ROOT=$(readlink -f "$HERE/../..")
export CLUSTER_STATE=${CLUSTER_STATE:-$ROOT/build/cluster}
export CLUSTER_TOOLS=${CLUSTER_TOOLS:-$ROOT/build/tools}
mkdir -p "$CLUSTER_STATE"
CLUSTER_STATE=$(readlink -f "$CLUSTER_STATE")
export CLUSTER_CGROUP=oneagent-cluster-$(sha256sum <<<"$CLUSTER_STATE" | head -c 8)
readonly HERE ROOT CLUSTER_STATE CLUSTER_TOOLS CLUSTER_CGROUP
. "$HERE/config.sh"
readonly LOG=$CLUSTER_STATE/log
readonly NODE=$CLUSTER_STATE/node.pid

die() {
  echo "cluster: $*" >&2
  exit 1
}

# When process PID started, in ticks since boot: tells it from a later process
# of that number.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Prints the PID of the node's PID 1 as this machine sees it; fails when the
# cluster is not up.
node_pid() {
  local pid started
  read -r pid started 2>/dev/null <"$NODE" || return 1
  [ -n "$started" ] && [ "$(start_of "$pid")" = "$started" ] && echo "$pid"
}

need_node() {
  PID=$(node_pid) || die "not up; ./dev cluster up"
}

on_node() {
  need_node
  nsenter -t "$PID" --mount --net --pid --uts --ipc --wd=/ -- "$@"
}

in_network() {
  need_node
  nsenter -t "$PID" --net -- "$@"
}

kubectl() {
  in_network "$CLUSTER_TOOLS/kubectl" --kubeconfig "$PKI/admin.kubeconfig" \
    --cache-dir "$CLUSTER_STATE/kubectl" "$@"
}

helm() {
  in_network env KUBECONFIG="$PKI/admin.kubeconfig" \
    HELM_CACHE_HOME="$CLUSTER_STATE/helm" HELM_CONFIG_HOME="$CLUSTER_STATE/helm" \
    HELM_DATA_HOME="$CLUSTER_STATE/helm" "$CLUSTER_TOOLS/helm" "$@"
}

ctr() { on_node ctr -a "$CONTAINERD_SOCKET" -n k8s.io "$@"; }

load() {
  local archive
  for archive in "$@"; do
    ctr images import "$(readlink -f "$archive")" >/dev/null
  done
}

# The node's cgroup in every hierarchy there is, with version 1 or 2.
cgroups() {
  local hierarchy
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -e "$hierarchy/cgroup.procs" ] && [ -e "$hierarchy/../cgroup.procs" ] ||
      [ ! -e "$hierarchy/cgroup.procs" ] || echo "$hierarchy/$CLUSTER_CGROUP"
  done
}

enter_cgroups() { # enter_cgroups PID: and all that it will start
  local group
  for group in $(cgroups); do
    mkdir -p "$group/node"
    if [ -e "$group/node/cpuset.cpus" ] && [ -e "$group/tasks" ]; then
      cat "$group/../cpuset.cpus" >"$group/cpuset.cpus"
      cat "$group/../cpuset.mems" >"$group/cpuset.mems"
      cat "$group/cpuset.cpus" >"$group/node/cpuset.cpus"
      cat "$group/cpuset.mems" >"$group/node/cpuset.mems"
    fi
    echo "$1" >"$group/node/cgroup.procs"
  done
}

# The kernel is done with a cgroup a moment after its last process.
remove_cgroups() {
  local tries group
  for tries in $(seq 50); do
    for group in $(cgroups); do
      [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    [ -n "$(existing_cgroups)" ] || return 0
    sleep 0.1
  done
}

existing_cgroups() {
  local group
  for group in $(cgroups); do [ ! -d "$group" ] || echo "$group"; done
}

start_node() {
  rm -f "$CLUSTER_STATE/ready"
  (
    enter_cgroups "$BASHPID"
    exec setsid unshare --mount --net --pid --uts --ipc --fork --mount-proc \
      --kill-child bash "$HERE/parts.sh" init
  ) >>"$LOG/node.log" 2>&1 </dev/null 9>&- &
  local outer=$! inner='' tries
  for tries in $(seq 100); do
    [ "$(cat "/proc/$outer/comm")" != unshare ] ||
      inner=$(tr -d ' ' <"/proc/$outer/task/$outer/children")
    [ -z "$inner" ] || break
    sleep 0.05
  done
  [ -n "$inner" ] || die "the node's namespaces did not come up; see $LOG/node.log"
  echo "$inner $(start_of "$inner")" >"$NODE"
  disown "$outer"
}

# What Kubernetes knows of the node's boot is what this boot told it: after a
# power cut the node is "Ready" in the API until somebody finds out.
is_ready() {
  local seen
  seen=$(kubectl get node "$NODE_NAME" -o jsonpath='{.status.nodeInfo.bootID} {.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null) || return 1
  [ "$seen" = "$(cat "$BOOT_ID") True" ] &&
    kubectl get serviceaccount default >/dev/null 2>&1
}

await() { # await WHAT COMMAND…: at most two minutes
  local what=$1 tries
  shift
  for tries in $(seq 600); do
    "$@" && return
    node_pid >/dev/null || die "the node ended; see $LOG/node.log"
    sleep 0.2
  done
  die "$what: not there after two minutes; see $LOG"
}

up() {
  node_pid >/dev/null && return
  remove_cgroups
  [ "$(stat -f -c %T "$CLUSTER_STATE")" != overlayfs ] ||
    die "$CLUSTER_STATE lies on an overlay, which overlays cannot be built on;" \
      "set CLUSTER_STATE to a directory on a disk"
  mkdir -p "$LOG"
  make_pki
  make_config
  "$HERE/images.sh" "$CLUSTER_STATE/images"
  start_node
  await "API server and kubelet" test -e "$CLUSTER_STATE/ready"
  load_own_images
  await "node" is_ready
}

load_own_images() {
  local have image
  have=$(ctr images list -q)
  for image in pause app; do
    grep -q "/test/$image:1$" <<<"$have" || load "$CLUSTER_STATE/images/$image.tar"
  done
}

power_off() {
  local pid
  if pid=$(node_pid); then
    kill -KILL "$pid"
    # Gone, with all it was parent of.
    while [ "$(start_of "$pid")" != "" ]; do sleep 0.05; done
  fi
  rm -f "$NODE"
  remove_cgroups
}

# What of the cluster this machine still has: one line each.
leftovers() {
  local group line
  for group in $(existing_cgroups); do
    echo "cgroup $group"
    find "$group" -name cgroup.procs -exec cat {} +
  done | sort -u | while read -r line; do
    case $line in
      cgroup*) echo "$line" ;;
      *) echo "process $line $(tr '\0' ' ' <"/proc/$line/cmdline" | head -c 60)" ;;
    esac
  done
  grep -F " $CLUSTER_STATE" /proc/self/mountinfo | sed 's/^/mount /'
  ip -o link show | grep -E ": ($NODE_BRIDGE|$POD_BRIDGE|veth)" | sed 's/^/device /'
  losetup -l -n -O NAME,BACK-FILE 2>/dev/null | grep -F " $CLUSTER_STATE" | sed 's/^/device /'
  return 0
}

down() {
  power_off
  local left
  left=$(leftovers)
  [ -z "$left" ] || die "left on this machine:"$'\n'"$left"
}

main() {
  local command=${1:-help}
  [ $# -eq 0 ] || shift
  case $command in
    up | down)
      exec 9>"$CLUSTER_STATE/lock"
      flock 9
      "$command"
      ;;
    reboot)
      need_node
      power_off
      up
      ;;
    wipe)
      down
      rm -rf "$CLUSTER_STATE"
      ;;
    kubectl | helm | ctr | load) "$command" "$@" ;;
    exec) on_node "$@" ;;
    net)
      need_node
      exec nsenter -t "$PID" --net -- "$@"
      ;;
    start | stop | kill) on_node bash "$HERE/parts.sh" "$command" "$@" ;;
    status) node_pid >/dev/null ;;
    *)
      sed -n '2,/^set/s/^# \{0,1\}//p' "$HERE/cluster.sh"
      [ "$command" = help ]
      ;;
  esac
}

main "$@"
