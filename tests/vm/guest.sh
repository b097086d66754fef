# Inside the machine: its PID 1 sources this and calls one of the tasks. What the
# machine on the outside is to know goes to RESULTS, everything else to the
# console:
#   kernel VERSION
#   part NAME PASSED FAILED MISSING SECONDS
#   way NAME             how the mounter mounts here
#   missing CAPABILITY   once for each test that wants it
#   failed TEST
#   end                  nothing is left to be done in this boot
set -uo pipefail
readonly RESULTS=/dev/ttyS1
readonly PART_LIMIT=600 # seconds
export PATH=/bin:/usr/sbin

set_up() {
  exec </dev/null >/dev/console 2>&1
  stty -F "$RESULTS" raw
  ln -sf /proc/self/fd /dev/fd
  ip link set lo up
  report kernel "$(uname -v | grep -oE '[0-9]+(\.[0-9]+)+-[^ ]*')"
}

report() { echo "$*" >"$RESULTS"; }

# Counts what a test program printed, and names what failed or is not here. A
# test that wants what the kernel lacks says so and passes.
judge() { # judge NAME EXIT_CODE SECONDS <OUTPUT
  awk -v name="$1" -v code="$2" -v seconds="$3" '
    /^not on this kernel: / {
      test = $NF
      gsub(/[()]/, "", test)
      absent[test] = 1
      missing++
      sub(/^not on this kernel: /, "")
      sub(/ \([^ ]*\)$/, "")
      print "missing", $0
    }
    $2 == "OK" && $3 == "]" && !($4 in absent) { passed++ }
    $2 == "FAILED" && $3 == "]" && /ms\)$/ {
      failed++
      sub(/,$/, "", $4)
      print "failed", $4
    }
    $1 == "step:" { passed++ }
    END {
      if (code != 0 && failed == 0) {
        failed = 1
        print "failed", name " (exit code " code ")"
      }
      print "part", name, passed + 0, failed + 0, missing + 0, seconds
    }'
}

part() { # part NAME PROGRAM ARG…
  local name=$1 began=$SECONDS code=0
  shift
  echo "== $name: $*"
  timeout -s KILL "$PART_LIMIT" "$@" 2>&1 | tee /tmp/part.log || code=$?
  judge "$name" "$code" $((SECONDS - began)) </tmp/part.log >"$RESULTS"
  rm -f /tmp/part.log
}

finish() {
  report end
  sync
  poweroff -f
}

# Nothing that was not synced reaches the disk.
cut_power() {
  report end
  echo b >/proc/sysrq-trigger
}

task_suites() { # task_suites BUILD SCRIPTS
  set_up
  part kernel "$1/tests/kernel_test"
  part publisher "$1/tests/csi_publisher_kernel_test"
  part crash "$1/tests/publish_crash_test"
  part install-crash "$1/tests/install_crash_test"
  part story bash "$2/story.sh" "$1" before
  report way "$(cat /story/way)"
  cut_power
}

task_after_power_cut() { # task_after_power_cut BUILD SCRIPTS
  set_up
  part reboot bash "$2/story.sh" "$1" after
  finish
}

task_command() { # task_command COMMAND
  local code=0
  set_up
  echo "== $1"
  bash -c "$1" || code=$?
  report exit "$code"
  finish
}
