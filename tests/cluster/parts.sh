#!/usr/bin/env bash
# What runs inside the cluster's namespaces, started by cluster.sh.
#
#   parts.sh init         PID 1 of the node: sets it up, starts its parts
#   parts.sh start PART   containerd, etcd, kube-apiserver,
#   parts.sh stop PART    kube-controller-manager, kube-scheduler, kubelet;
#   parts.sh kill PART    stop waits for its end, kill does not ask first
set -euo pipefail
HERE=$(dirname "$(readlink -f "$0")")
readonly HERE
. "$HERE/config.sh"
readonly PIDS=/run/parts

command_of() { # command_of PART: sets COMMAND
  local tools=$CLUSTER_TOOLS
  case $1 in
    containerd) COMMAND=(containerd --config "$CONFIG/containerd.toml") ;;
    # A power cut of this cluster loses nothing that was written.
    etcd) COMMAND=(etcd --data-dir /var/lib/etcd --unsafe-no-fsync
      --listen-client-urls http://127.0.0.1:2379
      --advertise-client-urls http://127.0.0.1:2379
      --listen-peer-urls http://127.0.0.1:2380) ;;
    kube-apiserver) COMMAND=("$tools/kube-apiserver"
      --etcd-servers=http://127.0.0.1:2379
      --bind-address=0.0.0.0 --secure-port=443 --advertise-address="$NODE_IP"
      --tls-cert-file="$PKI/api.crt" --tls-private-key-file="$PKI/api.key"
      --service-account-issuer=https://kubernetes.default.svc
      --service-account-key-file="$PKI/accounts.key"
      --service-account-signing-key-file="$PKI/accounts.key"
      --token-auth-file="$PKI/tokens.csv"
      --authorization-mode=Node,RBAC
      --enable-admission-plugins=NodeRestriction
      --service-cluster-ip-range=10.96.0.0/16
      --allow-privileged=true
      --kubelet-preferred-address-types=InternalIP) ;;
    kube-controller-manager) COMMAND=("$tools/kube-controller-manager"
      --kubeconfig="$PKI/controllers.kubeconfig" --bind-address=127.0.0.1
      --service-account-private-key-file="$PKI/accounts.key"
      --root-ca-file="$PKI/ca.crt"
      --use-service-account-credentials=true --leader-elect=false
      --flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins) ;;
    kube-scheduler) COMMAND=("$tools/kube-scheduler"
      --kubeconfig="$PKI/scheduler.kubeconfig" --bind-address=127.0.0.1
      --authentication-kubeconfig="$PKI/scheduler.kubeconfig"
      --authorization-kubeconfig="$PKI/scheduler.kubeconfig"
      --leader-elect=false) ;;
    kubelet) COMMAND=("$tools/kubelet" --config="$CONFIG/kubelet.yaml"
      --kubeconfig="$PKI/kubelet.kubeconfig" --root-dir=/var/lib/kubelet
      --hostname-override="$NODE_NAME" --node-ip="$NODE_IP" -v=2) ;;
    *)
      echo "cluster: no part named $1" >&2
      return 2
      ;;
  esac
}

start_part() {
  command_of "$1"
  "${COMMAND[@]}" >>"$CLUSTER_STATE/log/$1.log" 2>&1 </dev/null &
  echo $! >"$PIDS/$1"
}

end_part() { # end_part PART SIGNAL
  local pid
  command_of "$1"
  pid=$(cat "$PIDS/$1")
  kill "-$2" "$pid" 2>/dev/null || true
  while [ -d "/proc/$pid" ]; do sleep 0.05; done
}

# The kernel's boot id is the machine's; the node gets one of its own, and so
# does every container before it sees its root (an OCI createContainer hook).
new_boot() {
  local hook
  cat /proc/sys/kernel/random/uuid >"$BOOT_ID"
  chmod 444 "$BOOT_ID"
  mount --bind "$BOOT_ID" /proc/sys/kernel/random/boot_id
  hook=$(printf '{"hooks":{"createContainer":[{"path":"%s"}]},' "$HERE/boot_id_hook.sh")
  ctr oci spec | tr -d '\n' | sed "s|^{|$hook|" >"$CONFIG/container.json"
}

set_up_mounts() {
  mount --make-rprivate /
  mount --make-rshared /
  mount -t tmpfs tmpfs /run
  mkdir -p "$PIDS" /run/lock
  # A peer group of its own: else each mount below would be there twice, once
  # more at the state's path.
  mount --bind "$DISK/lib" /var/lib
  mount --make-private /var/lib
  mount --make-shared /var/lib
  mount --bind "$DISK/log" /var/log
}

set_up_network() {
  ip link set lo up
  ip addr add "$SERVICE_IP/32" dev lo
  ip link add "$NODE_BRIDGE" type bridge
  ip addr add "$NODE_IP/24" dev "$NODE_BRIDGE"
  ip link set "$NODE_BRIDGE" up
  ip route add default dev "$NODE_BRIDGE"
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# Kubelet tunes the kernel that all of the machine runs on. Here it finds files
# that hold what it wants already.
guard_sysctls() {
  local setting file
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 \
    kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 \
    kernel/keys/root_maxbytes=25000000; do
    file=/run/sysctl/${setting%=*}
    mkdir -p "$(dirname "$file")"
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
}

init() {
  hostname "$NODE_NAME"
  set_up_mounts
  set_up_network
  guard_sysctls
  new_boot
  start_part containerd
  start_part etcd
  start_part kube-apiserver
  until "$CLUSTER_TOOLS/kubectl" --kubeconfig "$PKI/admin.kubeconfig" \
    --cache-dir /run/kubectl get --raw /readyz >/dev/null 2>&1; do
    sleep 0.2
  done
  start_part kube-controller-manager
  start_part kube-scheduler
  start_part kubelet
  touch "$CLUSTER_STATE/ready"
  # Bash reaps whatever ends here meanwhile.
  while :; do sleep 1000 & wait; done
}

case ${1:-} in
  init) init ;;
  start) start_part "$2" ;;
  stop) end_part "$2" TERM ;;
  kill) end_part "$2" KILL ;;
  *) exit 2 ;;
esac
