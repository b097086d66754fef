#!/usr/bin/env bash
# Compares what the documents show with what drill.sh prints now. Each
#
#   <!-- drill: NAME -->
#   ```
#   …
#   ```
#
# in docs/ is the drill's block of that name, but for times, durations, sizes,
# ids, ports and the width of columns. With --write the blocks are put into the
# documents as they are now.
#
#   tests/drill/check.sh BUILD_DIR [--write]
set -euo pipefail

readonly HERE=$(dirname "$(readlink -f "$0")")
readonly DOCUMENTS=$HERE/../../docs
readonly DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT

# With the blocks of the transcript in place of the document's own.
refill() { # refill TRANSCRIPT <DOCUMENT
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
        exit 1
      }
      getline
      print
      printf "%s", block[name]
      while ((getline line) > 0 && line != "```") {}
      print "```"
      next
    }
    { print }
  '
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
failed=0
for name in $(sed -n 's/^=== //p' "$DIR/transcript"); do
  grep -qx -- "<!-- drill: $name -->" "$DOCUMENTS"/*.md || {
    echo "check: no document shows block $name" >&2
    failed=1
  }
done
for document in $(grep -l '^<!-- drill: ' "$DOCUMENTS"/*.md); do
  refill "$DIR/transcript" <"$document" >"$DIR/new"
  if [ "${2:-}" = --write ]; then
    cp "$DIR/new" "$document"
    continue
  fi
  diff -u --label "$(basename "$document")" <(normalized <"$document") \
    --label "what the drill prints" <(normalized <"$DIR/new") || {
    echo "check: $(basename "$document") shows something else than the drill" \
      "prints; see above, then tests/drill/check.sh $1 --write" >&2
    failed=1
  }
done
exit "$failed"
