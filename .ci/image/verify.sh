#!/usr/bin/env bash
# verify.sh: builds the image twice, from copies of the sources in two folders,
# one after the other and without ccache, and compares every byte. Run in the
# project's folder, with identity.sh sourced. Takes twice a full build.
set -euo pipefail
export CCACHE_DISABLE=1
copies=$(mktemp -d)
readonly copies
trap 'rm -rf "$copies"' EXIT

for name in a another/b; do
  mkdir -p "$copies/$name"
  git ls-files -co --exclude-standard -z |
    xargs -0 cp --parents --target-directory "$copies/$name"
done
for name in a another/b; do
  echo "== $copies/$name =="
  (cd "$copies/$name" && ./dev layout build/root &&
    .ci/image/pack.sh build/root build/image oneagent-csi:verify)
done
diff --recursive --brief --no-dereference \
  "$copies/a/build/root" "$copies/another/b/build/root"
diff --brief --recursive \
  "$copies/a/build/image" "$copies/another/b/build/image"
echo "both are $(jq --raw-output '.manifests[0].digest' \
  "$copies/a/build/image/oci/index.json"):"
(cd "$copies/a/build/root" && sha256sum usr/bin/*)
