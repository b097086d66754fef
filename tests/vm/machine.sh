# A machine: one kernel of packages.sh, a disk with the programs of a build, and
# the emulator. To be sourced. What it leaves is in $STATE/NAME: console.log, and
# what guest.sh reported, `results`.

# What the mounter and the tests need of the kernel beyond what is built in. The
# order of loading is the kernel package's to say.
readonly MODULES=(virtio_pci virtio_blk ext4 overlay fuse loop)
readonly TESTS=(kernel_test csi_publisher_kernel_test publish_crash_test
  install_crash_test)
# A machine that runs longer, in seconds, hangs.
readonly LIMIT=${VM_LIMIT:-900}

install_program() { # install_program PROGRAM ROOT: at the same path, stripped
  install -D -s "$1" "$2$1"
  copy_libraries "$1" "$2"
}

# The root file system: a shell, the build's programs and agents, the scripts.
make_disk() {
  local root=$STATE/disk name
  rm -rf "$root"
  mkdir -p "$root"/{bin,dev,etc,mnt,proc,sys,tmp,usr/lib/locale} "$root$BUILD" "$root$HERE"
  install -D /usr/bin/bash "$root/bin/bash"
  copy_libraries /usr/bin/bash "$root"
  install -D "$(command -v busybox)" "$root/bin/busybox"
  for name in $(busybox --list); do
    [ -e "$root/bin/$name" ] || ln -s busybox "$root/bin/$name"
  done
  install_program /usr/sbin/mkfs.ext4 "$root"
  cp /etc/mke2fs.conf "$root/etc"
  cp -a /usr/lib/locale/C.utf8 "$root/usr/lib/locale"
  for name in "${TESTS[@]/#/tests/}" tests/{tenant-api,agent-package} \
    bin/oneagent-csi{,-mounter,-provisioner}; do
    install_program "$BUILD/$name" "$root"
  done
  for name in "$BUILD"/tests/kernel/print_maps_*; do
    install_program "$name" "$root"
  done
  cp -a "$BUILD/agents" "$root$BUILD/"
  # The crash tests die at the failpoints that the sources have.
  cp -r "$ROOT"/{base,cache,csi,overlay} "$root$ROOT/"
  cp "$HERE"/*.sh "$root$HERE/"
  install -D "$ROOT/tests/support/node.sh" "$root$ROOT/tests/support/node.sh"
  rm -f "$STATE/disk.img"
  mkfs.ext4 -q -d "$root" "$STATE/disk.img" 512M >/dev/null
  rm -rf "$root"
}

# make_initramfs NAME TASK: TASK is what the machine's PID 1 runs.
make_initramfs() {
  local root=$STATE/$1/initramfs number=10 module
  rm -rf "$root"
  mkdir -p "$root"/{bin,modules,dev}
  cp "$(command -v busybox)" "$root/bin/busybox"
  install "$HERE/init.sh" "$root/init"
  echo "$2" >"$root/task"
  for module in $(kernel_modules "$1" "${MODULES[@]}"); do
    case $module in
      *.xz) xz -dc "$module" ;;
      *.zst) zstd -dc "$module" ;;
      *) cat "$module" ;;
    esac >"$root/modules/$number-$(basename "${module%%.ko*}").ko"
    number=$((number + 1))
  done
  (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) \
    >"$STATE/$1/initramfs.img"
  rm -rf "$root"
}

# boot NAME TASK: until the machine ends itself. TASK's last word must be `end`
# among the results.
boot() {
  local name=$1 directory=$STATE/$1 code=0 ends
  make_initramfs "$name" "$2"
  ends=$(grep -c '^end' "$directory/results" || true)
  timeout -k 5 "$LIMIT" "$EMULATOR" \
    -L "$STATE/emulator/usr/share/qemu" -L "$STATE/emulator/usr/share/seabios" \
    -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none -nic none \
    -no-reboot -kernel "$(kernel_image "$name")" \
    -initrd "$directory/initramfs.img" \
    -append "console=ttyS0 quiet panic=-1" \
    -drive "file=$directory/disk.img,format=raw,if=virtio,cache=unsafe" \
    -chardev "file,id=console,path=$directory/console.log,append=on" \
    -chardev "file,id=results,path=$directory/results,append=on" \
    -serial chardev:console -serial chardev:results </dev/null \
    2>>"$directory/emulator.log" &
  echo $! >"$directory/pid"
  wait $! || code=$?
  rm -f "$directory/pid"
  [ "$(tr -d '\r' <"$directory/results" | grep -c '^end')" -gt "$ends" ] &&
    [ "$code" -eq 0 ] && return
  echo "trouble $(trouble "$code")" >>"$directory/results"
  return 1
}

trouble() { # trouble EXIT_CODE: what a machine died of
  case $1 in
    124) echo "still running after $LIMIT s: ended" ;;
    0) echo "went down before it was done" ;;
    *) echo "the emulator exited with $1" ;;
  esac
}
