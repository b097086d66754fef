#!/bin/sh
# Gives a container the node's boot id: an OCI createContainer hook, run in the
# container's mount namespace before its root is. Its state comes on stdin.
bundle=$(sed -n 's/.*"bundle": *"\([^"]*\)".*/\1/p')
exec mount --bind /proc/sys/kernel/random/boot_id \
  "$bundle/rootfs/proc/sys/kernel/random/boot_id"
