// Whether what tests ask the kernel for (tests/support/kernel_capability.h) is
// what the mounter finds in it: an answer that is wrong would leave tests out.
#include "gtest/gtest.h"
#include "overlay/mount_probe.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/kernel_capability.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

class KernelCapability : public MountFixture {};

TEST_F(KernelCapability, BestWayOfTheTestsIsTheMounters) {
  ASSERT_OK_AND_ASSIGN(
      const MountWay way,
      ProbeMounts(Disk("probe"), Disk("agent"), Disk("config")));
  ASSERT_TRUE(way.works) << way.AsStatus();
  EXPECT_EQ(ApisOfThisKernel().front(), way.api) << Name(way.api);
}

TEST_F(KernelCapability, NewerOnesComeWithOlderOnes) {
  EXPECT_GE(KernelHas(Capability::kLayerStrings),
            KernelHas(Capability::kLayerDescriptors));
  EXPECT_GE(KernelHas(Capability::kIdMappedMounts),
            KernelHas(Capability::kIdMappedTmpfs));
  EXPECT_GE(KernelHas(Capability::kIdMappedTmpfs),
            KernelHas(Capability::kIdMappedOverlays));
}

}  // namespace
}  // namespace oneagent
