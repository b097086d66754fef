// Which way of mounting the probe finds, here and on kernels that know less,
// and what becomes of a node where it was wrong.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "base/durable_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "overlay/kernel_features.h"
#include "overlay/mount_probe.h"
#include "overlay/probed_mounter.h"
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

// The child does not get what a kernel of old lacks.
int Lack(long number, uint32_t second, uint32_t error) {
  return FailSystemCall(number, second, /*any_second=*/false, error);
}

class MounterProbe : public MountFixture {
 protected:
  absl::StatusOr<MountWay> Probe() {
    return ProbeMounts(Disk("probe"), Disk("agent"), Disk("config"));
  }
  // A child's exit code: 0 when the probe finds `want` and an overlay is
  // mounted by it.
  int ProbesAndMounts(MountApi want) {
    const absl::StatusOr<MountWay> way = Probe();
    if (!way.ok() || !way->works) return 2;
    if (way->api != want) return 3;
    return KernelMounter(way->api).MountOverlay(Writable(), target()).ok() ? 0
                                                                           : 4;
  }
  bool Mounts(MountApi api) {
    KernelMounter mounter(api);
    return mounter.MountOverlay(Writable(), target()).ok() &&
           mounter.Unmount(target()).ok() &&
           ClearVolatileMarker(Disk("work")).ok();
  }
  void ExpectShown() { EXPECT_EQ(Contents(InTarget("version")), "1.2.3"); }
};

TEST_F(MounterProbe, FindsAWayThatWorks) {
  ASSERT_OK_AND_ASSIGN(const MountWay way, Probe());
  ASSERT_TRUE(way.works) << way.AsStatus();
  EXPECT_OK(KernelMounter(way.api).MountOverlay(Writable(), target()));
  ExpectShown();
}

TEST_F(MounterProbe, TakesTheFirstThatMounts) {
  ASSERT_OK_AND_ASSIGN(const MountWay way, Probe());
  const auto* const first =
      std::find_if(std::begin(kMountApis), std::end(kMountApis),
                   [this](MountApi api) { return Mounts(api); });
  ASSERT_NE(first, std::end(kMountApis)) << "no way mounts";
  EXPECT_EQ(way.api, *first) << Name(way.api);
}

TEST_F(MounterProbe, LeavesNothing) {
  MakeLayer("probe/left/by/another");
  ASSERT_OK(Probe());
  EXPECT_THAT(ListDirectory(Disk("")),
              IsOkAndHolds(testing::Not(testing::Contains("probe"))));
}

TEST_F(MounterProbe, GuessesOnADiskThatTakesNoDirectories) {
  ASSERT_OK_AND_ASSIGN(const MountWay writable, Probe());
  ASSERT_EQ(mount("", Disk("").c_str(), "", MS_REMOUNT | MS_RDONLY, nullptr),
            0);
  ASSERT_OK_AND_ASSIGN(const MountWay way, Probe());
  ASSERT_EQ(mount("", Disk("").c_str(), "", MS_REMOUNT, nullptr), 0);
  EXPECT_FALSE(way.works);
  EXPECT_EQ(way.api, writable.api);
  EXPECT_THAT(way.AsStatus(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       testing::HasSubstr("Read-only file system")));
}

TEST_F(MounterProbe, FindsNoWayOnADiskThatCannotHoldAnUpperLayer) {
  // An overlay is none for another overlay's upper layer.
  ASSERT_OK(
      KernelMounter(MountApi::kLegacy).MountOverlay(Writable(), target()));
  ASSERT_OK_AND_ASSIGN(
      const MountWay way,
      ProbeMounts(InTarget("probe"), InTarget("version"), InTarget("conf")));
  EXPECT_FALSE(way.works);
  EXPECT_EQ(way.refused.size(), 3U) << way.AsStatus();
}

TEST_F(MounterProbe, NeedsCapSysAdmin) {
  const std::string scratch = MakeLayer("scratch", 0777);
  EXPECT_EQ(RunAs(kPodUid, scratch,
                  [&] {
                    const auto way =
                        ProbeMounts(scratch + "/probe", scratch, scratch);
                    return absl::IsPermissionDenied(way.status()) ? 0 : 1;
                  }),
            0);
}

TEST_F(MounterProbe, UsesStringsWhereDescriptorsAreRefused) {
  const MountApi want = Mounts(MountApi::kLayerStrings)
                            ? MountApi::kLayerStrings
                            : MountApi::kLegacy;
  // EBADF: Linux 6.12 takes descriptors, only not those of O_PATH.
  for (const uint32_t error :
       {uint32_t{EINVAL}, uint32_t{EBADF}, uint32_t{EPERM}, uint32_t{EIO}}) {
    EXPECT_EQ(RunInChild([&] {
                if (Lack(SYS_fsconfig, FSCONFIG_SET_FD, error) != 0) return 1;
                return ProbesAndMounts(want);
              }),
              0)
        << strerror(static_cast<int>(error));
    ExpectShown();
    EXPECT_EQ(UnmountRaw(target_path()), 0);
    EXPECT_OK(ClearVolatileMarker(Disk("work")));
  }
}

TEST_F(MounterProbe, UsesMount2WhereOverlaysCannotBeConfigured) {
  for (const uint32_t error :
       {uint32_t{EINVAL}, uint32_t{EBADF}, uint32_t{EIO}}) {
    EXPECT_EQ(RunInChild([&] {
                if (Lack(SYS_fsconfig, FSCONFIG_CMD_CREATE, error) != 0) {
                  return 1;
                }
                return ProbesAndMounts(MountApi::kLegacy);
              }),
              0)
        << strerror(static_cast<int>(error));
    ExpectShown();
    EXPECT_EQ(UnmountRaw(target_path()), 0);
    EXPECT_OK(ClearVolatileMarker(Disk("work")));
  }
}

TEST_F(MounterProbe, UsesMount2WhereFsopenIsMissing) {
  EXPECT_EQ(
      RunInChild([&] {
        if (FailSystemCall(SYS_fsopen, 0, /*any_second=*/true, ENOSYS) != 0) {
          return 1;
        }
        return ProbesAndMounts(MountApi::kLegacy);
      }),
      0);
  ExpectShown();
}

TEST_F(MounterProbe, SaysWhatTheOthersAnswered) {
  EXPECT_EQ(RunInChild([&] {
              if (Lack(SYS_fsconfig, FSCONFIG_CMD_CREATE, EBADF) != 0) return 1;
              const absl::StatusOr<MountWay> way = Probe();
              if (!way.ok() || way->refused.size() != 2) return 2;
              return absl::StrContains(AnswersText(way->refused),
                                       "layer-strings: create super block: "
                                       "Bad file descriptor")
                         ? 0
                         : 3;
            }),
            0);
}

class WronglyProbed : public MounterProbe {
 protected:
  static MountWay Way(MountApi api) {
    return {.api = api, .works = true, .refused = {}};
  }
  ProbedMounter::Options Options() {
    return {.probe =
                [this] {
                  ++probes_;
                  return absl::StatusOr<MountWay>(Way(MountApi::kLayerFds));
                },
            .on_way = [this](const MountWay& way) { said_.push_back(way); }};
  }
  int probes_ = 0;
  std::vector<MountWay> said_;
};

TEST_F(WronglyProbed, PublishTakesAnotherWayAndSaysSoOnce) {
  EXPECT_EQ(RunInChild([&] {
              if (Lack(SYS_fsconfig, FSCONFIG_SET_FD, EBADF) != 0 ||
                  Lack(SYS_fsconfig, FSCONFIG_SET_STRING, EBADF) != 0) {
                return 1;
              }
              ProbedMounter mounter(Way(MountApi::kLayerFds), Options());
              const absl::Time now = absl::Now();
              for (int i = 0; i < 2; ++i) {
                if (!mounter.MountOverlay(Writable(), target()).ok()) return 2;
                if (!mounter.Unmount(target()).ok()) return 3;
                if (!ClearVolatileMarker(Disk("work")).ok()) return 4;
                // The probe that is asked again does not bring it back.
                mounter.RunOnce(now);
              }
              if (probes_ != 1 || said_.size() != 1) return 5;
              return mounter.way().api == MountApi::kLegacy ? 0 : 6;
            }),
            0);
}

TEST_F(WronglyProbed, LayersThatAreMissingSpeakAgainstNoWay) {
  ProbedMounter mounter(Way(MountApi::kLegacy), Options());
  OverlayPlan plan = Writable();
  plan.lower[0] = Disk("gone");
  EXPECT_THAT(mounter.MountOverlay(plan, target()),
              StatusIs(absl::StatusCode::kNotFound));
  mounter.RunOnce(absl::Now());
  EXPECT_EQ(probes_, 0);
}

TEST_F(WronglyProbed, NoWayIsProbedAgainUntilOneWorks) {
  ProbedMounter mounter(
      {.api = MountApi::kLegacy, .works = false, .refused = {}}, Options());
  const absl::Time now = absl::Now();
  mounter.RunOnce(now);
  EXPECT_EQ(probes_, 1);
  EXPECT_THAT(said_, testing::SizeIs(1));
  EXPECT_TRUE(mounter.way().works);
  mounter.RunOnce(now + absl::Hours(1));
  EXPECT_EQ(probes_, 1);
}

TEST_F(WronglyProbed, AClockThatIsSetBackPutsNoProbeOff) {
  const MountWay none = {
      .api = MountApi::kLegacy, .works = false, .refused = {}};
  ProbedMounter::Options options = Options();
  options.probe = [&] {
    ++probes_;
    return absl::StatusOr<MountWay>(none);
  };
  ProbedMounter mounter(none, options);
  const absl::Time now = absl::Now();
  mounter.RunOnce(now);
  mounter.RunOnce(now - absl::Hours(2));
  EXPECT_EQ(probes_, 2);
  mounter.RunOnce(now - absl::Hours(2));
  EXPECT_EQ(probes_, 2);
}

TEST_F(WronglyProbed, AnOverlayThatIsMountedHasItProbedAtOnce) {
  ProbedMounter::Options options = Options();
  bool works = false;
  options.probe = [&] {
    ++probes_;
    MountWay way = Way(MountApi::kLegacy);
    way.works = works;
    return absl::StatusOr<MountWay>(way);
  };
  ProbedMounter mounter(
      {.api = MountApi::kLegacy, .works = false, .refused = {}}, options);
  const absl::Time now = absl::Now();
  mounter.RunOnce(now);
  works = true;
  mounter.RunOnce(now);
  EXPECT_EQ(probes_, 1);
  ASSERT_OK(mounter.MountOverlay(Writable(), target()));
  mounter.RunOnce(now);
  EXPECT_EQ(probes_, 2);
  EXPECT_TRUE(mounter.way().works);
  EXPECT_OK(mounter.Unmount(target()));
}

TEST_F(WronglyProbed, EmptyVolumesAndStorageDoNotDependOnIt) {
  EXPECT_EQ(
      RunInChild([&] {
        if (FailSystemCall(SYS_fsopen, 0, /*any_second=*/true, EPERM) != 0 ||
            FailSystemCall(SYS_open_tree, 0, /*any_second=*/true, EPERM) != 0) {
          return 1;
        }
        ProbedMounter mounter(Way(MountApi::kLayerFds), Options());
        if (!mounter.MountEmpty({.reason = "why"}, target()).ok()) return 2;
        if (!mounter.Unmount(target()).ok()) return 3;
        return mounter.BindStorage(Disk("upper"), false, target()).ok() ? 0 : 4;
      }),
      0);
}

TEST_F(MounterProbe, AKernelWithoutOpenat2IsNamed) {
  EXPECT_OK(CheckKernel());
  EXPECT_EQ(
      RunInChild([&] {
        if (FailSystemCall(SYS_openat2, 0, /*any_second=*/true, ENOSYS) != 0) {
          return 1;
        }
        const absl::Status kernel = CheckKernel();
        return absl::StrContains(kernel.message(), "openat2 (Linux 5.6)") ? 0
                                                                          : 2;
      }),
      0);
}

}  // namespace
}  // namespace oneagent
