#!/usr/bin/env bash
# Debian's kernels under an emulator: each boots with the programs of a build and
# runs the tests that need a kernel, and the story of a node with a power cut in
# its middle. Exit code 0 only if everything was seen to work, everywhere, and
# the mounter chose the way of mounting that the table `kernels` wants.
#
#   vm.sh BUILD_DIR [KERNEL…] [-- COMMAND]
#
# KERNEL is a name in the table; none: all. COMMAND runs in each machine in place
# of the tests. Everything stays below build/vm.
set -euo pipefail
HERE=$(dirname "$(readlink -f "$0")")
ROOT=$(readlink -f "$HERE/../..")
BUILD=$(readlink -f "${1:?build directory}")
shift
readonly HERE ROOT BUILD
readonly STATE=$ROOT/build/vm
readonly AT_ONCE=${VM_AT_ONCE:-2}
export LC_ALL=C

fail() {
  echo "vm: FAILED: $*" >&2
  exit 1
}

mkdir -p "$STATE"
. "$ROOT/tests/support/libraries.sh"
. "$HERE/packages.sh"
. "$HERE/machine.sh"
. "$HERE/matrix.sh"

all_kernels() { grep -v '^#' "$HERE/kernels" | awk '{print $1}'; }
column_of() { # column_of NAME NUMBER
  awk -v name="$1" -v column="$2" '$1 == name {print $column}' "$HERE/kernels"
}
suite_of() { column_of "$1" 2; }
way_of() { column_of "$1" 3; }

end_machines() { # for trap … EXIT
  local file
  for file in "$STATE"/*/pid; do
    [ ! -e "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
    rm -f "$file"
  done
}

fresh_machine() { # fresh_machine NAME
  rm -rf "${STATE:?}/$1"
  mkdir -p "$STATE/$1"
  : >"$STATE/$1/results"
  cp --sparse=always "$STATE/disk.img" "$STATE/$1/disk.img"
}

# Both boots of one machine, from the same disk.
run_tests() { # run_tests NAME
  local began=$SECONDS scripts=". $HERE/guest.sh;"
  fresh_machine "$1"
  boot "$1" "$scripts task_suites $BUILD $HERE" &&
    boot "$1" "$scripts task_after_power_cut $BUILD $HERE" || true
  echo "seconds $((SECONDS - began))" >>"$STATE/$1/results"
  rm -f "$STATE/$1"/{disk,initramfs}.img
}

run_command() { # run_command NAME COMMAND
  local directory=$STATE/$1 code
  fresh_machine "$1"
  if ! boot "$1" ". $HERE/guest.sh; task_command $(printf %q "$2")"; then
    show_trouble "$1"
    return 1
  fi
  tr -d '\r' <"$directory/console.log" | sed -n '/^== /,$p'
  code=$(result_of "$1" exit)
  [ "$code" = 0 ] || { echo "vm: $1: exit code $code"; return 1; }
}

run_all() { # run_all NAME…: AT_ONCE at a time
  local name
  for name in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$AT_ONCE" ]; do wait -n || true; done
    run_tests "$name" &
  done
  wait
}

main() {
  local names=() name code=0
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    [ -n "$(suite_of "$1")" ] ||
      fail "no kernel named $1; there are: $(all_kernels | tr '\n' ' ')"
    names+=("$1")
    shift
  done
  [ ${#names[@]} -gt 0 ] || read -r -d '' -a names < <(all_kernels) || true
  trap end_machines EXIT
  need_emulator
  for name in "${names[@]}"; do need_kernel "$name"; done
  make_disk
  if [ $# -gt 1 ]; then
    shift
    for name in "${names[@]}"; do run_command "$name" "$*" || code=1; done
  else
    run_all "${names[@]}"
    print_matrix "${names[@]}" || code=1
  fi
  return "$code"
}

main "$@"
