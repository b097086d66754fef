#!/usr/bin/env bash
# docker.sh OUTPUT NAME:TAG [ARGUMENTS OF docker build]: the image by a Docker
# engine; it stays there, too. OUTPUT/oneagent-csi.tar is its archive, OUTPUT/oci
# the OCI layout of it where skopeo is installed. Run in the project's folder.
set -euo pipefail
readonly OUTPUT=$1 NAME=$2
shift 2

docker build --tag "$NAME" --build-arg VERSION="$VERSION" \
  --build-arg REVISION="$REVISION" \
  --build-arg SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
  --build-arg CREATED="$(date --utc --date="@$SOURCE_DATE_EPOCH" +%FT%TZ)" \
  "$@" .
rm -rf "$OUTPUT/oci" "$OUTPUT/oneagent-csi.tar"
mkdir -p "$OUTPUT"
docker save --output "$OUTPUT/oneagent-csi.tar" "$NAME"
if command -v skopeo >/dev/null; then
  skopeo --insecure-policy copy --quiet \
    "docker-archive:$OUTPUT/oneagent-csi.tar" "oci:$OUTPUT/oci:${NAME##*:}"
else
  echo "dev: no skopeo here, so no OCI layout" >&2
fi
