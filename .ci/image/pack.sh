#!/usr/bin/env bash
# pack.sh ROOT OUTPUT NAME:TAG: an image of the files in ROOT without a Docker
# engine: OUTPUT/oci (an OCI layout) and OUTPUT/oneagent-csi.tar (an archive for
# `ctr images import`, `docker load`). Configured as the last stage of the
# Dockerfile says. The same ROOT, VERSION, REVISION and SOURCE_DATE_EPOCH give
# the same bytes.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")
readonly here ROOT=$1 OUTPUT=$2 NAME=$3
readonly OCI=$OUTPUT/oci ARCHIVE=$OUTPUT/oneagent-csi.tar TAG=${3##*:}
CREATED=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%FT%TZ)
readonly CREATED

# Settings of the Dockerfile's last stage as options of `umoci config`, one a
# line.
settings() {
  awk '
    /^FROM scratch$/ { last = 1; next }
    !last || /^$|^ARG |^COPY --from=build / { next }
    { keyword = $1; sub(/^[A-Z]+ /, "") }
    keyword ~ /^(LABEL|ENV)$/ {
      gsub(/"/, "")
      print "--config." tolower(keyword) "=" $0
      next
    }
    keyword == "USER" { print "--config.user=" $0; next }
    keyword == "CMD" {
      gsub(/^\["|"\]$/, "")
      count = split($0, words, "\", \"")
      for (i = 1; i <= count; ++i) print "--config.cmd=" words[i]
      next
    }
    { print "pack.sh: Dockerfile: " keyword " is not known" > "/dev/stderr"
      exit 1 }' "$here/../../Dockerfile" |
    sed -e "s|\${VERSION}|$VERSION|" -e "s|\${REVISION}|$REVISION|" \
      -e "s|\${CREATED}|$CREATED|"
}

rm -rf "$OCI" "$ARCHIVE"
mkdir -p "$OUTPUT"
layer=$(mktemp "$OUTPUT/layer.XXXXXX")
trap 'rm -f "$layer"' EXIT
tar --create --file "$layer" --directory "$ROOT" --sort=name --format=posix \
  --pax-option=delete=atime,delete=ctime --mtime="@$SOURCE_DATE_EPOCH" \
  --owner=0 --group=0 --numeric-owner .
settings=$(settings)
mapfile -t settings <<<"$settings"
umoci init --layout "$OCI"
umoci new --image "$OCI:$TAG"
umoci raw add-layer --image "$OCI:$TAG" --history.created="$CREATED" \
  --history.created_by="COPY layout /" "$layer"
umoci config --image "$OCI:$TAG" --no-history --created="$CREATED" \
  "${settings[@]}"
umoci gc --layout "$OCI"
skopeo --insecure-policy copy --quiet "oci:$OCI:$TAG" \
  "docker-archive:$ARCHIVE:$NAME"
