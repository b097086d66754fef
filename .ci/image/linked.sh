#!/usr/bin/env bash
# linked.sh BUILD PROGRAM...: what each program of BUILD/bin is made of besides
# our own sources, one row a file, tab-separated:
#   program  static|dynamic  file  Debian package  source package  version
# static: archives and start files of which the linker's map says that it took
# something; dynamic: what the loader loads, the loader itself included.
set -euo pipefail
export LC_ALL=C
readonly BUILD=$1
shift

# The first table of a map has a line "ARCHIVE(MEMBER)" for each member taken;
# start files stand in LOAD lines.
static_files() {
  sed -nE -e 's/^(\/[^(]*\.a)\(.*/\1/p' -e 's/^LOAD (\/.*\.o)$/\1/p' \
    "$BUILD/link-maps/$1.map" | sort -u | xargs realpath
}

dynamic_files() {
  ldd "$BUILD/bin/$1" | sed -nE 's/^\t(.* => )?(\/[^ ]*) \(.*/\2/p' | sort
}

rows() {
  local program
  for program in "$@"; do
    static_files "$program" | sed "s|^|$program\tstatic\t|"
    dynamic_files "$program" | sed "s|^|$program\tdynamic\t|"
  done
}

# "package: file" of each, the file without /usr: where /lib is a link, dpkg
# knows a file by one of its two names, and does not find it by the other.
owners() {
  cut -f3 | sort -u | sed -E 's|^(/usr)?(/.*)$|\2\n/usr\2|' |
    { xargs dpkg-query --search 2>/dev/null || true; } |
    sed -E 's|: (/usr)?/|: /|' | sort -u
}

versions() {
  sed 's/: .*//' | sort -u | xargs dpkg-query --show \
    --showformat '${binary:Package}\t${source:Package}\t${source:Version}\n'
}

rows=$(rows "$@")
owners=$(owners <<<"$rows")
awk -F '\t' -v OFS='\t' '
  FILENAME == ARGV[1] { source[$1] = $2 OFS $3; next }
  FILENAME == ARGV[2] { split($0, it, ": "); owner[it[2]] = it[1]; next }
  {
    known_as = $3
    sub(/^\/usr/, "", known_as)
    package = owner[known_as]
    if (package == "") {
      print "linked.sh: " $3 ": no package owns it" > "/dev/stderr"
      exit 1
    }
    print $1, $2, $3, package, source[package]
  }' <(versions <<<"$owners") <(echo "$owners") <(echo "$rows")
