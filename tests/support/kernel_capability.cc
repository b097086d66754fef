#include "tests/support/kernel_capability.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/support/user_namespace.h"

namespace oneagent {
namespace {

const char* Name(Capability capability) {
  switch (capability) {
    case Capability::kIdMappedMounts:
      return "id-mapped mounts";
    case Capability::kIdMappedTmpfs:
      return "id-mapped tmpfs";
    case Capability::kIdMappedOverlays:
      return "id-mapped overlays";
    case Capability::kLayerDescriptors:
      return "overlay layers by O_PATH descriptor";
    case Capability::kLayerStrings:
      return "overlay layers by lowerdir+ strings";
  }
  return "?";
}

// A detached mount of what was configured; not ok() when the kernel refused.
UniqueFd Mounted(const UniqueFd& context) {
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return UniqueFd();
  }
  return UniqueFd(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

// The read-only overlay of two directories that every machine has.
UniqueFd OverlayOf(int (*set_layer)(int context, const char* path)) {
  const UniqueFd context(fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.ok() || set_layer(context.get(), "/etc") != 0 ||
      set_layer(context.get(), "/tmp") != 0) {
    return UniqueFd();
  }
  return Mounted(context);
}

int SetByDescriptor(int context, const char* path) {
  const UniqueFd layer(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fsconfig(context, FSCONFIG_SET_FD, "lowerdir+", nullptr, layer.get());
}

int SetByString(int context, const char* path) {
  return fsconfig(context, FSCONFIG_SET_STRING, "lowerdir+", path, 0);
}

bool CanBeIdMapped(const UniqueFd& mount) {
  return KernelHas(Capability::kIdMappedMounts) && mount.ok() &&
         IdMapMount(mount, NewUserNamespace()) == 0;
}

}  // namespace

bool KernelHas(Capability capability) {
  switch (capability) {
    case Capability::kIdMappedMounts:
      // The system call came with them.
      return mount_setattr(-1, "", 0, nullptr, 0) != 0 && errno != ENOSYS;
    case Capability::kIdMappedTmpfs:
      return CanBeIdMapped(Mounted(UniqueFd(fsopen("tmpfs", FSOPEN_CLOEXEC))));
    case Capability::kIdMappedOverlays:
      return CanBeIdMapped(OverlayOf(SetByString));
    case Capability::kLayerDescriptors:
      return OverlayOf(SetByDescriptor).ok();
    case Capability::kLayerStrings:
      return OverlayOf(SetByString).ok();
  }
  return false;
}

void ReportMissing(Capability capability, const std::string& test) {
  std::printf("not on this kernel: %s (%s)\n", Name(capability), test.c_str());
  std::fflush(stdout);
}

bool NotOnThisKernel(Capability capability) {
  if (KernelHas(capability)) return false;
  const testing::TestInfo* const test =
      testing::UnitTest::GetInstance()->current_test_info();
  ReportMissing(capability,
                absl::StrCat(test->test_suite_name(), ".", test->name()));
  return true;
}

}  // namespace oneagent
