#!/usr/bin/env bash
# layout.sh BUILD ROOT: the image's files in the new folder ROOT, from what was
# built in BUILD: the one list, with a Docker engine (whose last stage copies
# ROOT) and without one (pack.sh). SOURCE_DATE_EPOCH is the time of every file,
# VERSION the one that the SBOM names.
set -euo pipefail
export LC_ALL=C
umask 022
here=$(dirname "$(readlink -f "$0")")
readonly here BUILD=$1 ROOT=$2
readonly PROGRAMS=(oneagent-csi-mounter oneagent-csi-provisioner oneagent-csi)
readonly DOC=$ROOT/usr/share/doc

[ ! -e "$ROOT" ] || { echo "layout.sh: $ROOT is there already" >&2; exit 1; }
mkdir -p "$DOC/oneagent-csi" "$ROOT/etc/ssl/certs"
linked=$("$here/linked.sh" "$BUILD" "${PROGRAMS[@]}")

# The build-id is a digest of debug information too, which names the build's
# directory.
for program in "${PROGRAMS[@]}"; do
  install -D "$BUILD/bin/$program" "$ROOT/usr/bin/$program"
  strip --remove-section=.note.gnu.build-id "$ROOT/usr/bin/$program"
done

# What the loader loads, where it looks for it.
awk -F '\t' '$2 == "dynamic" { print $3 }' <<<"$linked" | sort -u |
  while read -r file; do
    mode=644
    [[ $file == */ld-linux* ]] && mode=755
    install -D --mode="$mode" "$file" "$ROOT$file"
  done

# Debian's certificates, but none that this machine was given besides; and
# where names are looked up. Both are the provisioner's.
cat /usr/share/ca-certificates/mozilla/*.crt \
  >"$ROOT/etc/ssl/certs/ca-certificates.crt"
echo 'hosts: files dns' >"$ROOT/etc/nsswitch.conf"

# Licences go along with what they are for, by source package.
install --mode=644 "$here/../../LICENSE" "$DOC/oneagent-csi/copyright"
cut -f4,5 <<<"$linked" | sort -u -k 2,2 | while IFS=$'\t' read -r package source
do
  install -D --mode=644 "/usr/share/doc/${package%:*}/copyright" \
    "$DOC/$source/copyright"
done
cp -r /usr/share/common-licenses "$ROOT/usr/share"

"$here/sbom.sh" "$ROOT" <<<"$linked" >"$DOC/oneagent-csi/sbom.spdx.json"
find "$ROOT" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
"$here/sizes.sh" "$ROOT"
