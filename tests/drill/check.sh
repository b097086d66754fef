#!/usr/bin/env bash
# Compares what docs/runbook.md shows with what drill.sh prints now. Each
#
#   <!-- drill: NAME -->
#   ```
#   …
#   ```
#
# of the runbook is the drill's block of that name, but for times, durations,
# sizes, ids, ports and the width of columns. With --write the blocks are put
# into the runbook as they are now.
#
#   tests/drill/check.sh BUILD_DIR [--write]
set -euo pipefail

readonly HERE=$(dirname "$(readlink -f "$0")")
readonly RUNBOOK=$HERE/../../docs/runbook.md
readonly DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT

# With the blocks of the transcript in place of the runbook's own.
refill() { # refill TRANSCRIPT <RUNBOOK
  awk -v transcript="$1" '
    BEGIN {
      while ((getline line < transcript) > 0) {
        if (line ~ /^=== /) {
          name = substr(line, 5)
          block[name] = ""
        } else {
          block[name] = block[name] line "\n"
        }
      }
    }
    /^<!-- drill: / {
      print
      name = $3
      if (!(name in block)) {
        print "check: the drill has no block " name > "/dev/stderr"
        exit failed = 1
      }
      used[name] = 1
      getline
      print
      printf "%s", block[name]
      while ((getline line) > 0 && line != "```") {}
      print "```"
      next
    }
    { print }
    END {
      for (name in block) {
        if (failed || name in used) continue
        print "check: the runbook does not show block " name > "/dev/stderr"
        failed = 1
      }
      exit failed
    }'
}

normalized() {
  sed -E \
    -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/TIME/g' \
    -e 's/[0-9]{8}T[0-9.]+Z/TIME/g' \
    -e 's/127\.0\.0\.1:[0-9]+/HOST/g' \
    -e 's/\b[0-9a-f]{16}\b/ID/g' \
    -e 's/\b([0-9]+(\.[0-9]+)?(ns|µs|us|ms|s|m|h))+\b/DURATION/g' \
    -e 's/\b[0-9]+(\.[0-9]+)? ([KMG]i)?B\b/SIZE/g' \
    -e 's/\b[0-9]+(\.[0-9]+)?%/PERCENT/g' \
    -e 's#/(proc|fd)/[0-9]+#/\1/N#g' \
    -e 's/ +/ /g' -e 's/ $//'
}

"$HERE/drill.sh" "$1" >"$DIR/transcript"
refill "$DIR/transcript" <"$RUNBOOK" >"$DIR/new"
if [ "${2:-}" = --write ]; then
  cp "$DIR/new" "$RUNBOOK"
  exit
fi
diff -u --label docs/runbook.md <(normalized <"$RUNBOOK") \
  --label "what the drill prints" <(normalized <"$DIR/new") || {
  echo "check: docs/runbook.md shows something else than the drill prints;" \
    "see the difference above, then tests/drill/check.sh $1 --write" >&2
  exit 1
}
