// Overlays on nodes whose defaults or whose disk are not as ours.
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kernel/mount_fixture.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::Not;

// Switches on a default of the node for all overlays, until it is destroyed.
class NodeDefault {
 public:
  explicit NodeDefault(const std::string& parameter)
      : path_(absl::StrCat("/sys/module/overlay/parameters/", parameter)),
        before_(Contents(path_)) {
    EXPECT_EQ(WriteTo(path_, "Y"), 0) << path_;
  }
  ~NodeDefault() { EXPECT_EQ(WriteTo(path_, before_), 0) << path_; }
  NodeDefault(const NodeDefault&) = delete;
  NodeDefault& operator=(const NodeDefault&) = delete;

 private:
  const std::string path_;
  const std::string before_;
};

class NodeDefaults : public EveryApi {};
INSTANTIATE_FOR_EVERY_API(NodeDefaults);

TEST_P(NodeDefaults, DoNotChangeOurs) {
  for (const char* const parameter :
       {"index", "metacopy", "redirect_dir", "nfs_export", "xino_auto"}) {
    SCOPED_TRACE(parameter);
    const NodeDefault is_on(parameter);
    ASSERT_OK(mounter_.MountOverlay(Writable(), target()));
    EXPECT_EQ(WriteTo(InTarget("version"), "changed"), 0);
    ASSERT_THAT(Mounts(), testing::SizeIs(1));
    // What the kernel shows is what it uses and is not its own default.
    EXPECT_THAT(Mounts()[0].super_options,
                testing::AllOf(Not(HasSubstr("index=on")),
                               Not(HasSubstr("metacopy=on")),
                               Not(HasSubstr("redirect_dir=on")),
                               Not(HasSubstr("nfs_export=on")),
                               Not(HasSubstr("xino=auto"))));
    ASSERT_OK(mounter_.Unmount(target()));
    ASSERT_OK(ClearVolatileMarker(Disk("work")));
    // With other lower layers the same upper is mounted again.
    WriteLayerFile(MakeLayer(absl::StrCat("new-", parameter)) + "/version",
                   "1");
    OverlayPlan other = Writable();
    other.lower[0] = Disk(absl::StrCat("new-", parameter));
    if (GetParam() != MountApi::kLegacy) {
      EXPECT_OK(mounter_.MountOverlay(other, target()));
      EXPECT_OK(mounter_.Unmount(target()));
      ASSERT_OK(ClearVolatileMarker(Disk("work")));
    }
  }
}

class FullDisk : public EveryApi {};
INSTANTIATE_FOR_EVERY_API(FullDisk);

// The kernel mounts all the same, read-only, and says so in its log alone.
TEST_P(FullDisk, OverlayThatWouldBeReadOnlyForGoodIsNotMounted) {
  const std::string full = MakeLayer("full");
  ASSERT_EQ(mount("full", full.c_str(), "tmpfs", 0, "nr_inodes=3"), 0);
  MakeLayer("full/upper");
  MakeLayer("full/work");
  ASSERT_OK_AND_ASSIGN(const OverlayPlan plan,
                       PlanOverlay(LayerStack{.lower = {Disk("agent")},
                                              .upper = full + "/upper",
                                              .work = full + "/work"},
                                   ""));
  EXPECT_THAT(mounter_.MountOverlay(plan, target()),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("overlay is read-only: its disk is full: No "
                                 "space left on device")));
  EXPECT_FALSE(IsMountRoot());
  ASSERT_EQ(mount("", full.c_str(), "", MS_REMOUNT, "nr_inodes=100"), 0);
  EXPECT_OK(mounter_.MountOverlay(plan, target())) << "there is room again";
  EXPECT_OK(mounter_.Unmount(target()));
  ASSERT_EQ(umount(full.c_str()), 0);
}

// An ext4 disk in a file that has no room below it: what is written to the disk
// fails when the kernel writes it back, and nobody is told.
class FailingDisk : public EveryApi {
 protected:
  void SetUp() override {
    EveryApi::SetUp();
    small_ = MakeLayer("small");
    ASSERT_EQ(mount("small", small_.c_str(), "tmpfs", 0, "size=24m"), 0);
    ASSERT_EQ(std::system(absl::StrCat("truncate -s 128M ", small_,
                                       "/image && mkfs.ext4 -q -F -O "
                                       "^has_journal ",
                                       small_, "/image")
                              .c_str()),
              0);
    AttachLoop(small_ + "/image");
    failing_ = MakeLayer("failing");
    ASSERT_EQ(mount(device_.c_str(), failing_.c_str(), "ext4", 0, nullptr), 0);
    MakeLayer("failing/upper", 0777);
    MakeLayer("failing/work");
  }
  void TearDown() override {
    EXPECT_EQ(UnmountRaw(target_path()), 0);
    EXPECT_EQ(UnmountRaw(failing_), 0);
    loop_.Reset();  // LO_FLAGS_AUTOCLEAR
    EXPECT_EQ(UnmountRaw(small_), 0);
    EveryApi::TearDown();
  }

  void AttachLoop(const std::string& image) {
    const UniqueFd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
    const UniqueFd file(open(image.c_str(), O_RDWR | O_CLOEXEC));
    const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    ASSERT_GE(number, 0) << strerror(errno);
    device_ = absl::StrCat("/dev/loop", number);
    loop_.Reset(open(device_.c_str(), O_RDWR | O_CLOEXEC));
    struct loop_config config = {};
    config.fd = static_cast<uint32_t>(file.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    ASSERT_EQ(ioctl(loop_.get(), LOOP_CONFIGURE, &config), 0)
        << strerror(errno);
  }

  // Writes more than there is room for, and waits until it was written back in
  // vain. Nothing here asks for the result: that would be to be told.
  void FailAWriteback() {
    const UniqueFd file(open((failing_ + "/big").c_str(),
                             O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::vector<char> block(1 << 20, 'x');
    for (int i = 0; i < 48; ++i) {
      ASSERT_EQ(write(file.get(), block.data(), block.size()),
                static_cast<ssize_t>(block.size()));
    }
    ASSERT_EQ(sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE), 0);
  }

  OverlayPlan OnFailing() {
    OverlayPlan plan = Writable();
    const absl::StatusOr<OverlayPlan> planned =
        PlanOverlay({.lower = plan.lower,
                     .upper = failing_ + "/upper",
                     .work = failing_ + "/work"},
                    "");
    EXPECT_OK(planned);
    return planned.ok() ? *planned : plan;
  }

  std::string small_;
  std::string failing_;
  std::string device_;
  UniqueFd loop_;
};
INSTANTIATE_FOR_EVERY_API(FailingDisk);

TEST_P(FailingDisk, DoesNotKeepVolumesFromBeingMounted) {
  FailAWriteback();
  std::vector<DiskError> errors;
  KernelMounter mounter(GetParam(),
                        [&](const DiskError& it) { errors.push_back(it); });
  // Until the error has come, mounts are as ever.
  for (int i = 0; i < 500 && errors.empty(); ++i) {
    ASSERT_OK(mounter.MountOverlay(OnFailing(), target()));
    ASSERT_OK(mounter.Unmount(target()));
    ASSERT_OK(ClearVolatileMarker(failing_ + "/work"));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_THAT(errors, testing::SizeIs(1));
  EXPECT_EQ(errors[0].path, failing_ + "/upper");
  EXPECT_THAT(std::string(errors[0].error.message()),
              HasSubstr("Input/output error"));
  EXPECT_OK(mounter.MountOverlay(OnFailing(), target()));
  EXPECT_EQ(WriteTo(InTarget("small"), "x"), 0);
}

}  // namespace
}  // namespace oneagent
