# One node for shell scripts that show the shipped programs: a directory of its
# own, a tenant API on loopback, mounter and provisioner, and CSI calls as
# kubelet makes them. To be sourced, in this order:
#
#   BUILD=…; ME=…             the build directory; what failures begin with
#   . node.sh
#   enter_own_mounts "$0" "$BUILD"
#   make_work                 WORK: a directory that is removed at the end
#   DATA=$WORK/… KUBELET=$WORK/… SOCKET=$WORK/… CRS=$WORK/…

declare -A DAEMONS=()

# Runs SCRIPT again in a mount namespace of its own, once.
enter_own_mounts() { # enter_own_mounts SCRIPT ARG…
  [ "${ONEAGENT_UNSHARED:-}" != 1 ] || return 0
  ONEAGENT_UNSHARED=1 exec unshare --mount --propagation private "$@"
}

make_work() {
  WORK=$(mktemp -d "/tmp/oneagent-$ME.XXXXXX")
  trap clean_up EXIT
  # Overlays cannot have their upper layers on an overlay, as a container's
  # /tmp is.
  [ "$(stat -f -c %T "$WORK")" != overlayfs ] ||
    mount -t tmpfs -o mode=700 none "$WORK"
}

cli() { "$BUILD/bin/oneagent-csi" --data-dir "$DATA" "$@"; }

fail() {
  echo "$ME: FAILED: $*" >&2
  exit 1
}

stop() { # stop NAME [SIGNAL]: and wait
  local pid=${DAEMONS[$1]:-}
  [ -n "$pid" ] || return 0
  unset "DAEMONS[$1]"
  kill -"${2:-TERM}" "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

start() { # start NAME PROGRAM ARG…
  local name=$1
  shift
  if [ "$name" = provisioner ] && [ -t 2 ]; then
    "$@" & # its progress bars belong on the terminal
  else
    "$@" >"$WORK/$name.out" 2>>"$WORK/$name.log" &
  fi
  DAEMONS[$name]=$!
}

wait_for() { # wait_for WHAT COMMAND…: at most 20 s
  local what=$1
  shift
  local tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 400 ] || fail "no $what after 20 s"
    sleep 0.05
  done
}

clean_up() { # for trap … EXIT
  local code=$?
  local name
  for name in "${!DAEMONS[@]}"; do stop "$name"; done
  if [ "$code" -ne 0 ]; then
    echo "--- the daemons' last lines:" >&2
    tail -n 15 "$WORK"/*.log >&2 || true
  fi
  # The mount namespace ends with this script; the directory is ours alone.
  grep -o " ${KUBELET:-$WORK}/pods/[^ ]*" /proc/self/mountinfo |
    while read -r target; do umount "$target"; done || true
  cd /
  umount "${DATA:-$WORK/data}" 2>/dev/null || true
  umount "$WORK" 2>/dev/null || true
  rm -rf "$WORK"
  exit "$code"
}

target_of() { echo "$KUBELET/pods/uid-$1/volumes/kubernetes.io~csi/oneagent-bin/mount"; }

start_tenant_api() { # start_tenant_api FILLER_MIB RATE VERSION…; sets API_URL
  local filler=$1 rate=$2 version
  shift 2
  mkdir -p "$WORK/tenant"
  for version in "$@"; do
    "$BUILD/tests/agent-package" --agents "$BUILD/agents" \
      --version "$version" --output "$WORK/tenant" --filler-mib "$filler"
  done
  cat >"$WORK/tenant/tenant.json" <<'JSON'
{"token": "demo-token",
 "connectionInfo": {"tenantUUID": "abc12345",
                    "tenantToken": "demo-tenant-token",
                    "communicationEndpoints": ["https://127.0.0.1:1"]}}
JSON
  start tenant-api "$BUILD/tests/tenant-api" --port=0 \
    --state-dir "$WORK/tenant" --rate "$rate"
  wait_for "tenant API" grep -q http "$WORK/tenant-api.out"
  API_URL=$(head -n 1 "$WORK/tenant-api.out")
}

apply_dynakube() { # apply_dynakube VERSION [TOKEN]
  cat >"$CRS/.demo.yaml" <<YAML
apiVersion: dynatrace.com/v1beta6
kind: DynaKube
metadata: {name: demo, namespace: dynatrace}
spec:
  apiUrl: $API_URL
  oneAgent:
    applicationMonitoring: {version: $1}
---
apiVersion: v1
kind: Secret
metadata: {name: demo, namespace: dynatrace}
stringData: {apiToken: ${2:-demo-token}}
YAML
  mv "$CRS/.demo.yaml" "$CRS/demo.yaml"
}

start_mounter() { # start_mounter [FLAG…]
  start mounter "$BUILD/bin/oneagent-csi-mounter" --endpoint "unix://$SOCKET" \
    --data-dir "$DATA" --kubelet-dir "$KUBELET" --node-id demo-node "$@"
  wait_for "mounter" cli probe --endpoint "$SOCKET"
}

start_provisioner() { # start_provisioner [FLAG…]
  start provisioner "$BUILD/bin/oneagent-csi-provisioner" --data-dir "$DATA" \
    --dynakube-dir "$CRS" "$@"
}

current_version() {
  cli -o json tenants | grep -q "\"state\": *\"ready\"" &&
    cli agents | grep -q "$1" &&
    cli -o json tenants | grep -q "\"version\": *\"$1\""
}
