// What kubelet, container runtime and pod do with an empty volume before the
// pod's first instruction and after it, in each of the three ways.
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/daemon.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

constexpr char kLibrary[] = "agent/lib64/liboneagentproc.so";

// Directories below the volume that containers mount over, with their modes.
struct Directory {
  const char* path;
  mode_t mode;
};
constexpr Directory kDirectories[] = {
    {"agent/conf", 0755},
    {"agent/lib64", 0755},
    {"datastorage", 0755},
    {"log", 01777},
};

class EmptyVolumeTest : public EveryApi {
 protected:
  void MountIt(bool read_only) {
    ASSERT_OK(mounter_.MountEmpty(
        {.reason = "why", .read_only = read_only, .has_preload_stub = true},
        target()));
  }
  // 0 or the errno.
  int MakeDirectory(const std::string& path) const {
    return mkdir(InTarget(path).c_str(), 0755) == 0 ? 0 : errno;
  }
  // Mounts over, or binds the directory elsewhere, as a runtime does.
  int MountOver(const std::string& path) const {
    return mount("nested", InTarget(path).c_str(), "tmpfs", 0, nullptr) == 0
               ? 0
               : errno;
  }
  int BindOut(const std::string& path, const std::string& to) const {
    return mount(InTarget(path).c_str(), to.c_str(), nullptr, MS_BIND,
                 nullptr) == 0
               ? 0
               : errno;
  }
};
INSTANTIATE_FOR_EVERY_API(EmptyVolumeTest);

TEST_P(EmptyVolumeTest, HasTheDirectoriesThatOthersMountOver) {
  const mode_t old_umask = umask(077);
  MountIt(/*read_only=*/true);
  umask(old_umask);
  for (const Directory& directory : kDirectories) {
    struct stat info;
    ASSERT_EQ(stat(InTarget(directory.path).c_str(), &info), 0)
        << directory.path;
    EXPECT_TRUE(S_ISDIR(info.st_mode)) << directory.path;
    EXPECT_EQ(info.st_mode & 07777, directory.mode) << directory.path;
    EXPECT_EQ(info.st_uid, 0U);
    ASSERT_EQ(MountOver(directory.path), 0) << directory.path;
    EXPECT_EQ(WriteTo(InTarget(absl::StrCat(directory.path, "/x")), "x"), 0);
    EXPECT_EQ(UnmountRaw(InTarget(directory.path)), 0);
  }
}

TEST_P(EmptyVolumeTest, TakesTheSubPathThatKubeletMakes) {
  MountIt(/*read_only=*/false);
  ASSERT_EQ(MakeDirectory("agent/conf/container"), 0);
  const std::string elsewhere = MakeLayer("container");
  ASSERT_EQ(BindOut("agent/conf/container", elsewhere), 0);
  EXPECT_EQ(WriteTo(elsewhere + "/file", "x"), 0);
  EXPECT_EQ(Contents(InTarget("agent/conf/container/file")), "x");
  EXPECT_EQ(UnmountRaw(elsewhere), 0);
}

TEST_P(EmptyVolumeTest, ReadOnlyOneBindsWhatItHas) {
  MountIt(/*read_only=*/true);
  const std::string elsewhere = MakeLayer("container");
  ASSERT_EQ(BindOut("agent/conf", elsewhere), 0);
  EXPECT_EQ(WriteTo(elsewhere + "/file", "x"), EROFS);
  EXPECT_EQ(UnmountRaw(elsewhere), 0);
  EXPECT_EQ(MakeDirectory("mine"), EROFS);
}

TEST_P(EmptyVolumeTest, APodWritesWithinBounds) {
  MountIt(/*read_only=*/false);
  EXPECT_EQ(RunAs(kPodUid, target_path(),
                  [] { return WriteTo("log/agent.log", "x"); }),
            0);
  EXPECT_EQ(RunAs(kPodUid, target_path(), [] { return WriteTo("x", "x"); }),
            EACCES);
  // Another user's file in log/ stays (sticky).
  EXPECT_EQ(RunAs(kPodUid + 1, target_path(),
                  [] { return unlink("log/agent.log") == 0 ? 0 : errno; }),
            EPERM);
  EXPECT_EQ(WriteTo(InTarget("log/big"), std::string(2 << 20, 'x')), ENOSPC);
  ASSERT_EQ(unlink(InTarget("log/big").c_str()), 0);
  int error = 0;
  int made = 0;
  while (error == 0 && made < 1000) {
    error = WriteTo(InTarget(absl::StrCat("log/", made++)), "");
  }
  EXPECT_EQ(error, ENOSPC);
  ASSERT_OK(mounter_.Unmount(target()));
}

TEST_P(EmptyVolumeTest, GivesLdPreloadALibraryThatLoadersTakeWithoutAWord) {
  MountIt(/*read_only=*/true);
  for (const char* const program : {GLIBC_PROGRAM, MUSL_PROGRAM}) {
    const ProgramResult result = RunProgram(
        {program}, {absl::StrCat("LD_PRELOAD=", InTarget(kLibrary))});
    EXPECT_EQ(result.exit_code, 0) << program;
    EXPECT_EQ(result.err, "") << program;
    // It was loaded, which is more than not complained about.
    EXPECT_THAT(result.out, HasSubstr(InTarget(kLibrary))) << program;
  }
}

TEST_P(EmptyVolumeTest, HasNoLibraryUnlessItIsAskedFor) {
  ASSERT_OK(mounter_.MountEmpty({.reason = "why"}, target()));
  EXPECT_EQ(access(InTarget("agent/lib64").c_str(), F_OK), 0);
  EXPECT_EQ(access(InTarget(kLibrary).c_str(), F_OK), -1);
}

}  // namespace
}  // namespace oneagent
