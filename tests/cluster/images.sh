#!/usr/bin/env bash
# The two images that the cluster needs besides those under test, made from this
# machine's own programs: nothing is pulled.
#
#   images.sh DIRECTORY     makes pause.tar and app.tar, unless they are there
#
# pause holds a pod's namespaces. app is what the tests' pods run: a shell and
# some programs, with a dynamic loader, for that is what preloads an agent.
set -euo pipefail
readonly DIR=${1:?directory}
. "$(dirname "$(readlink -f "$0")")/../support/libraries.sh"
readonly APP_PROGRAMS=(sh sleep cat ls touch id stat mkdir rm head env dd)

copy_with_libraries() { # copy_with_libraries PROGRAM ROOT
  local path
  path=$(command -v "$1")
  install -D "$path" "$2/bin/$(basename "$1")"
  copy_libraries "$path" "$2"
}

make_image() { # make_image NAME ROOT CONFIG…: ROOT becomes /
  local name=$1 root=$2
  shift 2
  umoci new --image "$PART/layout:$name"
  umoci insert --image "$PART/layout:$name" "$root" /
  umoci config --image "$PART/layout:$name" "$@"
  skopeo --insecure-policy copy -q "oci:$PART/layout:$name" \
    "docker-archive:$PART/$name.tar:docker.io/test/$name:1"
}

[ ! -e "$DIR/complete" ] || exit 0
readonly PART=$DIR.part
rm -rf "$PART" "$DIR"
mkdir -p "$PART/pause/bin" "$PART/app/tmp"
chmod 1777 "$PART/app/tmp"
cp "$(command -v busybox)" "$PART/pause/bin/busybox"
for program in "${APP_PROGRAMS[@]}"; do
  copy_with_libraries "$program" "$PART/app"
done
umoci init --layout "$PART/layout"
make_image pause "$PART/pause" --config.cmd /bin/busybox --config.cmd sleep \
  --config.cmd 100000000
make_image app "$PART/app" --config.env PATH=/bin --config.cmd /bin/sh
touch "$PART/complete"
rm -rf "$PART/layout" "$PART/pause" "$PART/app"
mv "$PART" "$DIR"
