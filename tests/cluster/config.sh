# What the cluster's programs are told: names, addresses, keys, configuration.
# To be sourced; wants CLUSTER_STATE, CLUSTER_TOOLS and CLUSTER_CGROUP.

readonly NODE_NAME=node1
readonly NODE_IP=10.0.0.10 SERVICE_IP=10.96.0.1
readonly POD_NETWORK=10.244.0.0/24
readonly NODE_BRIDGE=node0 POD_BRIDGE=pods0
readonly PKI=$CLUSTER_STATE/pki
readonly CONFIG=$CLUSTER_STATE/config
# The node's /var/lib and /var/log.
readonly DISK=$CLUSTER_STATE/disk
# What the node's kernel says its boot is; new at each boot.
readonly BOOT_ID=$CLUSTER_STATE/boot_id
readonly CONTAINERD_SOCKET=/run/containerd/containerd.sock

# A user of the API: its token and its kubeconfig.
make_user() { # make_user FILE NAME [GROUP]
  local token
  token=$(openssl rand -hex 16)
  echo "$token,$2,$1${3:+,$3}" >>tokens.csv
  cat >"$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: cluster
  cluster: {server: "https://$NODE_IP:443", certificate-authority: $PKI/ca.crt}
users:
- name: user
  user: {token: $token}
contexts:
- name: context
  context: {cluster: cluster, user: user}
current-context: context
YAML
}

make_pki() {
  [ ! -e "$PKI/complete" ] || return 0
  rm -rf "$PKI"
  mkdir -p -m 700 "$PKI"
  (
    cd "$PKI"
    exec 2>openssl.log
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=cluster-ca \
      -keyout ca.key -out ca.crt
    openssl req -newkey rsa:2048 -nodes -subj /CN=kube-apiserver \
      -keyout api.key -out api.csr
    openssl x509 -req -in api.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
      -days 3650 -out api.crt -extfile <(printf 'subjectAltName=%s' \
        "DNS:kubernetes.default.svc,IP:$SERVICE_IP,IP:$NODE_IP,IP:127.0.0.1")
    openssl genrsa -out accounts.key 2048
    make_user admin admin system:masters
    make_user kubelet "system:node:$NODE_NAME" system:nodes
    make_user controllers system:kube-controller-manager
    make_user scheduler system:kube-scheduler
    touch complete
  )
}

make_config() {
  mkdir -p "$CONFIG/cni" "$DISK/lib/kubelet" "$DISK/log"
  # No optional plugin may make directories outside of the state.
  cat >"$CONFIG/containerd.toml" <<TOML
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "$CONTAINERD_SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/test/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$CONFIG/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    base_runtime_spec = "$CONFIG/container.json"
TOML
  cat >"$CONFIG/cni/10-pods.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "$POD_BRIDGE", "isGateway": true,
   "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "/run/cni",
            "ranges": [[{"subnet": "$POD_NETWORK"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
  # KubeletInUserNamespace: goes on where the machine denies it a sysctl.
  cat >"$CONFIG/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
address: $NODE_IP
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
cgroupDriver: cgroupfs
cgroupRoot: /$CLUSTER_CGROUP
failCgroupV1: false
failSwapOn: false
featureGates: {KubeletInUserNamespace: true}
enforceNodeAllocatable: []
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: "50Mi"}
imageGCHighThresholdPercent: 100
kubeAPIQPS: 200
kubeAPIBurst: 400
maxPods: 250
registryPullQPS: 0
serializeImagePulls: false
volumePluginDir: /var/lib/kubelet/volume-plugins
YAML
}
