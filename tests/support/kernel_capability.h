// What some kernels have and others lack, asked of the running kernel by trying
// it, never by its version. Needs root.
//
// A test that wants a capability begins with
//
//   if (NotOnThisKernel(Capability::kIdMappedTmpfs)) return;
//
// which prints, where the kernel lacks it, a line that `./dev vm` counts:
//
//   not on this kernel: id-mapped tmpfs (Suite.Test)
#ifndef TESTS_SUPPORT_KERNEL_CAPABILITY_H_
#define TESTS_SUPPORT_KERNEL_CAPABILITY_H_

#include <string>

namespace oneagent {

enum class Capability {
  kIdMappedMounts,
  kIdMappedTmpfs,
  kIdMappedOverlays,
  kLayerDescriptors,  // overlayfs takes layers as O_PATH descriptors
  kLayerStrings,      // overlayfs takes layers one by one, as lowerdir+ strings
};

bool KernelHas(Capability capability);

// For a test that was not even made, as there is nothing to run it with.
void ReportMissing(Capability capability, const std::string& test);

// Whether the kernel lacks it; reports that for the running test.
bool NotOnThisKernel(Capability capability);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_KERNEL_CAPABILITY_H_
