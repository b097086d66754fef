# To be sourced in the project's folder: what an image says of itself and of its
# sources, for every script here. What is set already is kept.
VERSION=${VERSION:-$(sed -nE 's/^project\(.* VERSION ([0-9.]+).*/\1/p' \
  CMakeLists.txt)}
REVISION=${REVISION:-$(git describe --always --dirty --abbrev=40 \
  --exclude='*' 2>/dev/null || echo unknown)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct \
  2>/dev/null || echo 0)}
export VERSION REVISION SOURCE_DATE_EPOCH

# image_name [TAG | NAME:TAG]
image_name() {
  case "${1:-$VERSION}" in
    *:*) echo "$1" ;;
    *) echo "oneagent-csi:${1:-$VERSION}" ;;
  esac
}
