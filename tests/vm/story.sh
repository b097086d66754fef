# The story of a node by the shipped programs, with the way of mounting that the
# mounter chooses: publish, read, write, unpublish, a killed mounter, a power
# cut. guest.sh runs it inside the machine, once before the power cut and once
# after it; the node lives in /story.
#
#   story.sh BUILD before|after
set -euo pipefail
readonly BUILD=$1
readonly ME=story
. "$(dirname "$(readlink -f "$0")")/../support/node.sh"
readonly VERSION=1.301.0.20260101-000001
readonly WORK=/story
readonly DATA=$WORK/data KUBELET=$WORK/kubelet SOCKET=$WORK/csi.sock
readonly CRS=$WORK/dynakubes
readonly AGENT=agent/lib64/liboneagentproc.so

did() { echo "step: $*"; }

end_story() { # for trap … EXIT
  local code=$? name
  for name in "${!DAEMONS[@]}"; do stop "$name"; done
  [ "$code" -eq 0 ] || tail -n 15 "$WORK"/*.log
  exit "$code"
}

publish() { # publish POD [FLAG…]
  local pod=$1
  shift
  cli publish --endpoint "$SOCKET" --volume-id "csi-$pod" \
    --target "$(target_of "$pod")" --pod "$pod" --namespace shop \
    --pod-uid "uid-$pod" --dynakube demo \
    --attribute "conf.general.podName=$pod" "$@"
}

unpublish() {
  cli unpublish --endpoint "$SOCKET" --volume-id "csi-$1" \
    --target "$(target_of "$1")"
  [ ! -e "$(target_of "$1")" ] || fail "$1: its target is still there"
}

mounts_at() { grep -c " $(target_of "$1") " /proc/self/mountinfo || true; }

expect() { # expect WHAT WANT GOT
  [ "$2" = "$3" ] || fail "$1: expected '$2', saw '$3'"
}

loaded() { echo "agent loaded tenant=abc12345 pod=$1 version=$VERSION"; }

run_in() { # run_in POD: a real process with the agent preloaded
  LD_PRELOAD=$(target_of "$1")/$AGENT /bin/bash -c :
}

expect_agent() { # expect_agent POD: it loads and writes into the pod's volume
  run_in "$1"
  expect "$1's log" "$(loaded "$1")" "$(tail -n 1 "$(target_of "$1")/log/agent.log")"
}

expect_clean() {
  cli doctor --endpoint "$SOCKET" --min-free 0
  cli verify
}

expect_nothing_mounted() {
  if grep " $KUBELET" /proc/self/mountinfo; then
    fail "something is still mounted"
  fi
}

install_agent() {
  start_tenant_api 1 1000000000 "$VERSION"
  apply_dynakube "$VERSION"
  start_provisioner
  wait_for "agent $VERSION" current_version "$VERSION"
  stop provisioner
  stop tenant-api
}

before_power_cut() {
  mkdir -p "$CRS" "$KUBELET/pods"
  start_mounter
  grep -o 'mount_api=[a-z-]*' "$WORK/mounter.log" | cut -d= -f2 >"$WORK/way"
  did "the mounter serves and mounts by $(cat "$WORK/way")"
  install_agent
  did "the provisioner installed an agent"
  publish one
  publish reader --read-only
  expect_agent one
  expect "reader" "$(loaded reader)" "$(run_in reader 2>&1)"
  did "a writable and a read-only volume: the agent reads its configuration"
  echo mine >"$(target_of one)/mine"
  expect "what one wrote" mine "$(cat "$(target_of one)/mine")"
  if echo x 2>/dev/null >"$(target_of reader)/mine"; then
    fail "reader: a file was written"
  fi
  [ ! -e "$(target_of reader)/mine" ] || fail "reader sees what one wrote"
  did "pods write into their own volume alone"
  unpublish one
  expect_clean
  did "unpublished, and nothing is amiss"
  publish two
  expect_agent two
  stop mounter KILL
  expect_agent two
  start_mounter
  publish two
  expect "mounts of two" 1 "$(mounts_at two)"
  publish three
  expect_agent three
  unpublish three
  expect_clean
  did "a killed mounter: volumes work on, the next one takes them over"
}

after_power_cut() {
  expect_nothing_mounted
  start_mounter
  did "the mounter serves after a power cut"
  publish two
  publish reader --read-only
  expect "mounts of two" 1 "$(mounts_at two)"
  expect_agent two
  expect "lines of two's log" 1 "$(wc -l <"$(target_of two)/log/agent.log")"
  expect "reader" "$(loaded reader)" "$(run_in reader 2>&1)"
  expect_clean
  did "kubelet publishes again: the volumes are whole and start empty"
  unpublish two
  unpublish reader
  expect_nothing_mounted
  expect_clean
  did "unpublished, and nothing is amiss"
}

trap end_story EXIT
"$2_power_cut"
