#!/bin/busybox sh
# /init of the machine's initramfs: loads what the kernel has as modules and
# hands over to guest.sh on the disk, with what machine.sh wants of it.
/bin/busybox mkdir -p /proc /disk
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
  /bin/busybox insmod "$module"
done
/bin/busybox mount -t ext4 /dev/vda /disk
for part in proc:proc sysfs:sys devtmpfs:dev; do
  /bin/busybox mount -t "${part%:*}" "${part#*:}" "/disk/${part#*:}"
done
/bin/busybox cp /task /disk/task
/bin/busybox umount /dev
/bin/busybox umount /proc
exec /bin/busybox switch_root /disk /bin/bash /task
