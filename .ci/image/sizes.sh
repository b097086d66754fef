#!/usr/bin/env bash
# sizes.sh ROOT: what the image takes unpacked, and the mounter's part of it:
# the program and the libraries it loads. Fails above the limits.
set -euo pipefail
readonly ROOT=$1
failed=0

# size_of NAME LIMIT FILE...
size_of() {
  local name=$1 limit=$2 bytes
  shift 2
  bytes=$(stat --format=%s "$@" | awk '{ sum += $1 } END { print sum }')
  awk -v name="$name" -v limit="$limit" -v bytes="$bytes" 'BEGIN {
    printf "%-40s %5.1f MB (limit: %d MB)\n", name, bytes / 1e6, limit
    exit bytes > limit * 1e6 }' || failed=1
}

mapfile -t all < <(find "$ROOT" -type f)
mapfile -t mounter < <(ldd "$ROOT/usr/bin/oneagent-csi-mounter" |
  sed -nE "s|^\t(.* => )?(/[^ ]*) \(.*|$ROOT\2|p")
size_of "image, unpacked" 60 "${all[@]}"
size_of "mounter with the libraries it loads" 20 \
  "$ROOT/usr/bin/oneagent-csi-mounter" "${mounter[@]}"
exit "$failed"
