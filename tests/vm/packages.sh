# Debian packages of other suites, unpacked and never installed. To be sourced;
# STATE is the directory that everything stays in. Each suite has an apt of its
# own, so that the machine's knows nothing of it; what is unpacked already is not
# asked for again.

readonly EMULATOR_SUITE=bookworm-backports # Debian 12's own crashes 6.12
readonly EMULATOR=$STATE/emulator/usr/bin/qemu-system-x86_64

# Where this machine has Debian's packages from.
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
    'Origin: Debian' 'Label: Debian' | sed -n 1p
}

use_suite() { # use_suite SUITE: for the apt commands after it, in a subshell
  local apt=$STATE/apt/$1 mirror
  mirror=$(debian_mirror)
  export APT_CONFIG=$apt/apt.conf
  [ ! -e "$apt/complete" ] || return 0
  [ -n "$mirror" ] || fail "suite $1: apt-get indextargets names no mirror of Debian"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "$mirror $1 main" >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
  apt-get -qq update || fail "suite $1: apt-get update failed"
  touch "$apt/complete"
}

# unpack SUITE DIRECTORY PACKAGE…: whole or not at all.
unpack() {
  local directory=$2 deb
  use_suite "$1"
  shift 2
  rm -rf "$directory" "$directory.part"
  mkdir -p "$directory.part/debs"
  (cd "$directory.part/debs" && apt-get -qq download "$@") ||
    fail "$*: apt-get download failed"
  for deb in "$directory.part"/debs/*.deb; do
    dpkg -x "$deb" "$directory.part"
  done
  rm -rf "$directory.part/debs"
  mv "$directory.part" "$directory"
}

need_emulator() {
  [ -x "$EMULATOR" ] || (unpack "$EMULATOR_SUITE" "$STATE/emulator" \
    qemu-system-x86 qemu-system-common qemu-system-data seabios)
}

# The packages that a suite's kernel for clouds is made of.
kernel_packages() {
  apt-cache depends --recurse --important linux-image-cloud-amd64 |
    grep -E '^linux-(image|binary|modules)-[0-9].*cloud-amd64$' | sort -u
}

# need_kernel NAME: in $STATE/kernels/NAME, modules with their dependencies.
need_kernel() {
  local suite directory=$STATE/kernels/$1
  suite=$(suite_of "$1")
  [ ! -d "$directory" ] || return 0
  echo "vm: unpacking the kernel of $suite"
  mkdir -p "$STATE/kernels"
  (
    use_suite "$suite"
    unpack "$suite" "$directory.new" $(kernel_packages)
  )
  # Newer packages have them below usr/lib, as a merged /usr does.
  [ -d "$directory.new/lib" ] || ln -s usr/lib "$directory.new/lib"
  depmod -b "$directory.new" "$(ls "$directory.new/lib/modules")" 2>/dev/null
  mv "$directory.new" "$directory"
}

kernel_image() { # kernel_image NAME: prints its path
  find "$STATE/kernels/$1/" -type f -name 'vmlinuz*' | grep . ||
    fail "$1: the package has no vmlinuz"
}

# kernel_modules NAME MODULE…: prints the files, in the order of loading. What
# is not there is built in; if it is not, the machine will say so.
kernel_modules() {
  local directory=$STATE/kernels/$1 module
  local release
  release=$(ls "$directory/lib/modules")
  shift
  for module in "$@"; do
    modprobe -d "$directory" -S "$release" --show-depends "$module" 2>/dev/null |
      sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | awk '!seen[$0]++'
}
