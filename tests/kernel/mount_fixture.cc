#include "tests/kernel/mount_fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

constexpr char kPodDirectory[] =
    "kubelet/pods/uid-1/volumes/kubernetes.io~csi/oneagent";

OverlayPlan PlanOrDie(const LayerStack& stack, const std::string& empty) {
  absl::StatusOr<OverlayPlan> plan = PlanOverlay(stack, empty);
  EXPECT_OK(plan);
  return plan.ok() ? *plan : OverlayPlan();
}

// mount(2) takes overlays on every kernel that we run on.
bool IsOfThisKernel(MountApi api) {
  return api == MountApi::kLegacy || KernelHas(CapabilityFor(api));
}

// Names the tests that the ways which this kernel lacks would have: those that
// mount(2) has.
class MissingApis : public testing::Environment {
 public:
  void SetUp() override {
    for (const MountApi api : kMountApis) {
      if (!IsOfThisKernel(api)) Report(api);
    }
  }

 private:
  static void Report(MountApi api) {
    const std::string name = ApiName({api, 0});
    const testing::UnitTest& all = *testing::UnitTest::GetInstance();
    for (int i = 0; i < all.total_test_suite_count(); ++i) {
      const testing::TestSuite& suite = *all.GetTestSuite(i);
      for (int j = 0; j < suite.total_test_count(); ++j) {
        const testing::TestInfo& test = *suite.GetTestInfo(j);
        const std::string made = absl::StrCat(suite.name(), ".", test.name());
        if (!test.should_run() || !absl::EndsWith(made, "/Legacy")) continue;
        ReportMissing(CapabilityFor(api),
                      absl::StrCat(absl::StripSuffix(made, "Legacy"), name));
      }
    }
  }
};

const testing::Environment* const kMissingApis =
    testing::AddGlobalTestEnvironment(new MissingApis);

}  // namespace

int RunInChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int RunAs(uid_t uid, const std::string& cwd, const std::function<int()>& body) {
  return RunInChild([&] {
    if (chdir(cwd.c_str()) != 0 || setgroups(0, nullptr) != 0 ||
        setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) {
      return 125;
    }
    return body();
  });
}

int WriteTo(const std::string& path, const std::string& content) {
  const UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.ok()) return errno;
  const ssize_t written = write(fd.get(), content.data(), content.size());
  if (written < 0) return errno;
  return static_cast<size_t>(written) == content.size() ? 0 : ENOSPC;
}

std::string Contents(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return absl::StrCat("<", strerror(errno), ">");
  char buffer[8192];
  const ssize_t count = read(fd.get(), buffer, sizeof(buffer));
  if (count < 0) return absl::StrCat("<", strerror(errno), ">");
  return std::string(buffer, static_cast<size_t>(count));
}

void MountForeign(const std::string& path) {
  ASSERT_EQ(mount("foreign", path.c_str(), "tmpfs", 0, "size=64k"), 0)
      << strerror(errno);
}

int UnmountRaw(const std::string& path) {
  return umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0 ? 0 : errno;
}

void MountFixture::SetUpTestSuite() { EnterPrivateMountNamespace(); }

void MountFixture::SetUp() {
  disk_ = temp_.MakeDir("disk");
  ASSERT_EQ(mount("disk", disk_.c_str(), "tmpfs", 0, "size=64m,mode=0700"), 0)
      << strerror(errno);
  MakeLayer("agent");
  MakeLayer("config");
  MakeLayer("empty");
  MakeLayer("upper", 0777);
  MakeLayer("work");
  WriteLayerFile(Disk("agent/version"), "1.2.3");
  WriteLayerFile(Disk("agent/conf"), "of the agent");
  WriteLayerFile(Disk("config/conf"), "of the tenant");
  const std::string parent = temp_.MakeDir(kPodDirectory);
  target_path_ = parent + "/mount";
  ASSERT_EQ(mkdir(target_path_.c_str(), 0755), 0);
  parent_.Reset(open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(parent_.ok());
}

void MountFixture::TearDown() {
  while (umount2(target_path_.c_str(), UMOUNT_NOFOLLOW) == 0) {
  }
  parent_.Reset();
  EXPECT_EQ(UnmountRaw(disk_), 0) << "something on the disk is still in use";
}

std::string MountFixture::Disk(const std::string& relative) const {
  return absl::StrCat(disk_, "/", relative);
}

std::string MountFixture::MakeLayer(const std::string& relative, mode_t mode) {
  const std::string path = Disk(relative);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  EXPECT_FALSE(error) << path << ": " << error.message();
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
  return path;
}

void MountFixture::WriteLayerFile(const std::string& path,
                                  const std::string& content, uid_t owner,
                                  mode_t mode) {
  EXPECT_EQ(WriteTo(path, content), 0) << path;
  EXPECT_EQ(chown(path.c_str(), owner, owner), 0);
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
}

OverlayPlan MountFixture::Writable() const {
  return PlanOrDie(LayerStack{.lower = {Disk("config"), Disk("agent")},
                              .upper = Disk("upper"),
                              .work = Disk("work")},
                   Disk("empty"));
}

OverlayPlan MountFixture::ReadOnly() const {
  return PlanOrDie(
      LayerStack{
          .lower = {Disk("config"), Disk("agent")}, .upper = "", .work = ""},
      Disk("empty"));
}

MountTarget MountFixture::target() const {
  return MountTarget{
      .parent_fd = parent_.get(), .name = "mount", .path = target_path_};
}

std::string MountFixture::InTarget(const std::string& relative) const {
  return absl::StrCat(target_path_, "/", relative);
}

std::vector<MountEntry> MountFixture::Mounts() const {
  std::vector<MountEntry> found;
  const absl::StatusOr<std::vector<MountEntry>> table = ReadMountTable();
  EXPECT_OK(table);
  if (!table.ok()) return found;
  for (const MountEntry& entry : *table) {
    if (entry.mount_point == target_path_) found.push_back(entry);
  }
  return found;
}

bool MountFixture::IsMountRoot() const {
  struct statx info = {};
  EXPECT_EQ(statx(parent_.get(), "mount", AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
                  STATX_TYPE, &info),
            0);
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

void EveryApi::SetUp() { MountFixture::SetUp(); }

Capability CapabilityFor(MountApi api) {
  return api == MountApi::kLayerFds ? Capability::kLayerDescriptors
                                    : Capability::kLayerStrings;
}

std::vector<MountApi> ApisOfThisKernel() {
  std::vector<MountApi> apis;
  for (const MountApi api : kMountApis) {
    if (IsOfThisKernel(api)) apis.push_back(api);
  }
  return apis;
}

std::string ApiName(const testing::TestParamInfo<MountApi>& info) {
  switch (info.param) {
    case MountApi::kLayerFds:
      return "LayerFds";
    case MountApi::kLayerStrings:
      return "LayerStrings";
    case MountApi::kLegacy:
      return "Legacy";
  }
  return "Unknown";
}

}  // namespace oneagent
