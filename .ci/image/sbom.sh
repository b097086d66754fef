#!/usr/bin/env bash
# sbom.sh ROOT <ROWS: an SPDX 2.3 document of the programs in ROOT/usr/bin and
# of the Debian source packages linked into them or loaded by them. ROWS are
# what linked.sh prints; VERSION and SOURCE_DATE_EPOCH as in identity.sh.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$(readlink -f "$0")")
readonly here ROOT=$1

programs() {
  local file
  for file in "$ROOT"/usr/bin/*; do
    printf '%s\t%s\t%s\n' "${file##*/}" "$(sha1sum "$file" | cut -d ' ' -f 1)" \
      "$(sha256sum "$file" | cut -d ' ' -f 1)"
  done
}

jq --raw-input --slurp --from-file "$here/sbom.jq" --sort-keys \
  --arg version "$VERSION" --arg programs "$(programs)" \
  --arg created "$(date --utc --date="@$SOURCE_DATE_EPOCH" +%FT%TZ)"
