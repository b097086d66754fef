# To be sourced.

# copy_libraries PROGRAM ROOT: what its loader loads, at the same paths in ROOT.
copy_libraries() {
  local library loader
  loader=$(readelf --program-headers "$1" |
    sed -n 's/.*program interpreter: \(.*\)]/\1/p')
  { echo "$loader"; "$loader" --list "$1"; } | grep -o '/[^ ]*' |
    while read -r library; do
      [ -e "$2$library" ] || install -D "$library" "$2$library"
    done
}
