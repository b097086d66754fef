// Which way of mounting the probe finds, here and on kernels that know less.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

// From now on this process gets `error` from the system call `number` when its
// second argument is `second`; every other call goes through.
int FailSystemCall(long number, uint32_t second, bool any_second,
                   uint32_t error) {
  const uint8_t skip_if_other = any_second ? 0 : 1;
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
               offsetof(struct seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, second, 0, skip_if_other),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]),
                                     .filter = filter};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

class MounterProbe : public MountFixture {
 protected:
  absl::StatusOr<MountApi> Probe() {
    return KernelMounter::Probe(MakeLayer("probe/1"), MakeLayer("probe/2"));
  }
};

TEST_F(MounterProbe, FindsAWayThatWorks) {
  ASSERT_OK_AND_ASSIGN(const MountApi api, Probe());
  KernelMounter mounter(api);
  EXPECT_OK(mounter.MountOverlay(Writable(), target()));
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
}

TEST_F(MounterProbe, WritesNothing) {
  ASSERT_OK_AND_ASSIGN(const MountApi writable, Probe());
  const std::string disk = Disk("full");
  ASSERT_EQ(mkdir(disk.c_str(), 0700), 0);
  ASSERT_EQ(mount("disk", disk.c_str(), "tmpfs", 0, "nr_inodes=3"), 0);
  const std::string first = disk + "/1";
  const std::string second = disk + "/2";
  ASSERT_EQ(mkdir(first.c_str(), 0700), 0);
  ASSERT_EQ(mkdir(second.c_str(), 0700), 0);
  ASSERT_NE(mkdir((disk + "/3").c_str(), 0700), 0) << "not full";
  EXPECT_THAT(KernelMounter::Probe(first, second), IsOkAndHolds(writable));
  ASSERT_EQ(mount("", disk.c_str(), "", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  EXPECT_THAT(KernelMounter::Probe(first, second), IsOkAndHolds(writable));
  ASSERT_EQ(umount(disk.c_str()), 0) << "the probe left a mount";
}

TEST_F(MounterProbe, PrefersDescriptorsWhereTheKernelTakesThem) {
  const UniqueFd context(fsopen("overlay", FSOPEN_CLOEXEC));
  const UniqueFd layer(
      open(Disk("agent").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const bool takes_descriptors =
      fsconfig(context.get(), FSCONFIG_SET_FD, "lowerdir+", nullptr,
               layer.get()) == 0;
  ASSERT_OK_AND_ASSIGN(const MountApi api, Probe());
  EXPECT_EQ(api == MountApi::kLayerFds, takes_descriptors) << Name(api);
}

TEST_F(MounterProbe, NeedsCapSysAdmin) {
  const std::string scratch = MakeLayer("scratch", 0777);
  EXPECT_EQ(RunAs(kPodUid, scratch,
                  [&] {
                    const auto api = KernelMounter::Probe(".", ".");
                    return absl::IsPermissionDenied(api.status()) ? 0 : 1;
                  }),
            0);
}

TEST_F(MounterProbe, LayersThatCannotBeOpenedLeaveTheWayOfEveryKernel) {
  EXPECT_THAT(KernelMounter::Probe(Disk("gone"), Disk("agent")),
              IsOkAndHolds(MountApi::kLegacy));
}

// Exit code of a child in which the probe found `want` and that way mounted an
// overlay.
int ProbesAndMounts(const absl::StatusOr<MountApi>& api, MountApi want,
                    const OverlayPlan& plan, const MountTarget& target) {
  if (!api.ok()) return 2;
  if (*api != want) return 3;
  return KernelMounter(*api).MountOverlay(plan, target).ok() ? 0 : 4;
}

TEST_F(MounterProbe, UsesStringsWhereDescriptorsAreRefused) {
  EXPECT_EQ(RunInChild([&] {
              if (FailSystemCall(SYS_fsconfig, FSCONFIG_SET_FD,
                                 /*any_second=*/false, EINVAL) != 0) {
                return 1;
              }
              return ProbesAndMounts(Probe(), MountApi::kLayerStrings,
                                     Writable(), target());
            }),
            0);
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
}

TEST_F(MounterProbe, FailureThatIsNotTheWaysSaysNothingAgainstIt) {
  ASSERT_OK_AND_ASSIGN(const MountApi undisturbed, Probe());
  EXPECT_EQ(RunInChild([&] {
              if (FailSystemCall(SYS_fsconfig, FSCONFIG_CMD_CREATE,
                                 /*any_second=*/false, EIO) != 0) {
                return 1;
              }
              const absl::StatusOr<MountApi> api = Probe();
              return api.ok() && *api == undisturbed ? 0 : 2;
            }),
            0);
}

TEST_F(MounterProbe, UsesMount2WhereOverlaysCannotBeConfigured) {
  EXPECT_EQ(RunInChild([&] {
              if (FailSystemCall(SYS_fsconfig, FSCONFIG_CMD_CREATE,
                                 /*any_second=*/false, EINVAL) != 0) {
                return 1;
              }
              return ProbesAndMounts(Probe(), MountApi::kLegacy, Writable(),
                                     target());
            }),
            0);
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
}

TEST_F(MounterProbe, UsesMount2WhereFsopenIsMissing) {
  EXPECT_EQ(
      RunInChild([&] {
        if (FailSystemCall(SYS_fsopen, 0, /*any_second=*/true, ENOSYS) != 0) {
          return 1;
        }
        return ProbesAndMounts(Probe(), MountApi::kLegacy, Writable(),
                               target());
      }),
      0);
  EXPECT_EQ(Contents(InTarget("version")), "1.2.3");
}

}  // namespace
}  // namespace oneagent
