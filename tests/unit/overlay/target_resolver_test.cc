#include "overlay/target_resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "overlay/target_state.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kBelow[] = "/uid-1/volumes/kubernetes.io~csi/agent/mount";

class Target : public testing::Test {
 protected:
  LeakCheck leak_check_;
  TempDir temp_;
  const std::string kubelet_ = temp_.MakeDir("kubelet");
  const std::string pods_ = temp_.MakeDir("kubelet/pods");

  std::unique_ptr<TargetResolver> Open(
      TargetCheck check = TargetCheck::kKubelet) {
    absl::StatusOr<std::unique_ptr<TargetResolver>> resolver =
        TargetResolver::Open(kubelet_, check);
    EXPECT_OK(resolver);
    return resolver.ok() ? *std::move(resolver) : nullptr;
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }
};

using ResolverOpen = Target;

TEST_F(ResolverOpen, MakesPodsWhereKubeletHasNotYet) {
  ASSERT_EQ(rmdir(pods_.c_str()), 0);
  ASSERT_OK(TargetResolver::Open(kubelet_, TargetCheck::kKubelet));
  EXPECT_EQ(ModeOf(pods_), 0750U);
}

TEST_F(ResolverOpen, IsNotFoundWithoutAKubeletDirectory) {
  EXPECT_THAT(
      TargetResolver::Open(temp_.Path("none"), TargetCheck::kKubelet),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr(temp_.Path("none"))));
}

TEST_F(ResolverOpen, RefusesPodsThatIsAFile) {
  ASSERT_EQ(rmdir(pods_.c_str()), 0);
  temp_.WriteFile("kubelet/pods", "");
  EXPECT_THAT(TargetResolver::Open(kubelet_, TargetCheck::kKubelet),
              Not(IsOk()));
}

using TargetForm = Target;

TEST_F(TargetForm, OfKubeletIsTaken) {
  const auto resolver = Open();
  EXPECT_OK(resolver->Check(pods_ + kBelow, "uid-1"));
  EXPECT_OK(resolver->Check(pods_ + kBelow, ""));
}

TEST_F(TargetForm, IgnoresSlashesAfterTheKubeletDirectory) {
  ASSERT_OK_AND_ASSIGN(
      const auto resolver,
      TargetResolver::Open(kubelet_ + "//", TargetCheck::kKubelet));
  EXPECT_OK(resolver->Check(pods_ + kBelow, "uid-1"));
}

// --kubelet-dir is a link and kubelet names where it leads, or the other way
// round, or only `pods` is a link.
TEST_F(TargetForm, IsTakenByWhicheverNameLeadsToThePods) {
  const std::string other = temp_.MakeDir("other");
  ASSERT_EQ(symlink(kubelet_.c_str(), temp_.Path("link").c_str()), 0);
  ASSERT_EQ(symlink(pods_.c_str(), (other + "/pods").c_str()), 0);
  const std::string names[] = {kubelet_, temp_.Path("link"), other};
  temp_.MakeDir("kubelet/pods/uid-1/volumes/kubernetes.io~csi/agent");
  for (const std::string& given : names) {
    ASSERT_OK_AND_ASSIGN(const auto resolver,
                         TargetResolver::Open(given, TargetCheck::kKubelet));
    for (const std::string& named : names) {
      const std::string path = absl::StrCat(named, "/pods", kBelow);
      EXPECT_OK(resolver->Check(path, "uid-1")) << given << " " << named;
      ASSERT_OK_AND_ASSIGN(const ResolvedTarget target,
                           resolver->Resolve(path));
      EXPECT_EQ(target.target().path, path);
      struct stat parent;
      struct stat want;
      ASSERT_EQ(fstat(target.target().parent_fd, &parent), 0);
      ASSERT_EQ(stat((pods_ + "/uid-1/volumes/kubernetes.io~csi/agent").c_str(),
                     &want),
                0);
      EXPECT_EQ(parent.st_ino, want.st_ino);
    }
    EXPECT_THAT(resolver->Check(absl::StrCat(names[1], "/pods", kBelow), "u2"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("not of pod u2")));
  }
}

TEST_F(TargetForm, OfAnotherKubeletSaysWhichRootToSet) {
  const auto resolver = Open();
  temp_.MakeDir("other/pods/uid-1");
  for (const std::string& root : {temp_.Path("other"), temp_.Path("none")}) {
    EXPECT_THAT(
        resolver->Check(absl::StrCat(root, "/pods", kBelow), "uid-1"),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr(absl::StrCat(
                     "not below ", pods_, "; if ", root,
                     " is kubelet's root, set kubeletPath (--kubelet-dir)"))));
  }
}

TEST_F(TargetForm, ThatIsHostileIsRefused) {
  const std::string deep = "/volumes/kubernetes.io~csi/agent/mount";
  struct Case {
    const char* name;
    std::string path;
    const char* want;
  };
  const Case cases[] = {
      {"empty", "", "not absolute"},
      {"relative", "pods/uid-1" + deep, "not absolute"},
      {"root", "/", "component"},
      {"elsewhere", "/etc/cron.d", "not below"},
      {"sibling of pods", kubelet_ + "/podsx/uid-1" + deep, "not below"},
      {"pods itself", pods_, "not below"},
      {"dot dot", pods_ + "/uid-1/../uid-2" + deep, "component"},
      {"dot dot at the end", pods_ + "/uid-1" + deep + "/..", "component"},
      {"dot", pods_ + "/./uid-1" + deep, "component"},
      {"double slash", pods_ + "//uid-1" + deep, "component"},
      {"trailing slash", pods_ + kBelow + "/", "component"},
      {"NUL", pods_ + kBelow + std::string("\0/etc", 5), "NUL"},
      {"line break", pods_ + "/uid-1\nx" + deep, "control character"},
      {"escape sequence",
       pods_ + "/uid-1/volumes/kubernetes.io~csi/a\x1b[2J/mount",
       "control character"},
      {"not UTF-8", pods_ + "/uid-1/volumes/kubernetes.io~csi/\xff/mount",
       "not UTF-8"},
      {"too deep", pods_ + kBelow + "/more", "not <kubelet>/pods"},
      {"not deep enough", pods_ + "/uid-1/volumes/kubernetes.io~csi/mount",
       "not <kubelet>/pods"},
      {"another plugin",
       pods_ + "/uid-1/volumes/kubernetes.io~empty-dir/agent/mount",
       "not <kubelet>/pods"},
      {"not volumes", pods_ + "/uid-1/etc-hosts/kubernetes.io~csi/agent/mount",
       "not <kubelet>/pods"},
      {"not mount", pods_ + "/uid-1/volumes/kubernetes.io~csi/agent/data",
       "not <kubelet>/pods"},
      {"another pod", pods_ + "/uid-2" + deep, "not of pod uid-1"},
      {"too long", pods_ + "/" + std::string(PATH_MAX, 'u') + deep,
       "longer than 4095"},
      {"long component", pods_ + "/" + std::string(NAME_MAX + 1, 'u') + deep,
       "longer than 255"},
  };
  const auto resolver = Open();
  for (const Case& c : cases) {
    EXPECT_THAT(resolver->Check(c.path, "uid-1"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.want)))
        << c.name;
    EXPECT_THAT(resolver->Resolve(c.path), Not(IsOk())) << c.name;
    EXPECT_LT(resolver->Check(c.path, "uid-1").message().size(), 1024u)
        << c.name;
  }
}

TEST_F(TargetForm, OfAnyKindIsTakenFromConformanceToolsIfItIsClean) {
  const auto resolver = Open(TargetCheck::kAny);
  EXPECT_OK(resolver->Check("/tmp/csi-mount/target", "uid-1"));
  EXPECT_OK(resolver->Check("/target", ""));
  for (const char* path : {"", "/", "tmp/x", "/tmp/../etc", "/tmp//x", "/a/"}) {
    EXPECT_THAT(resolver->Check(path, ""),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << path;
  }
}

class Resolve : public Target {
 protected:
  void SetUp() override { temp_.MakeDir(absl::StrCat("kubelet/pods", kBelow)); }
  const std::string path_ = pods_ + kBelow;
};

TEST_F(Resolve, OpensTheParentAndNamesTheTarget) {
  const auto resolver = Open();
  ASSERT_OK_AND_ASSIGN(const ResolvedTarget resolved, resolver->Resolve(path_));
  EXPECT_EQ(resolved.target().name, "mount");
  EXPECT_EQ(resolved.target().path, path_);
  struct stat by_fd;
  struct stat by_path;
  ASSERT_EQ(fstat(resolved.target().parent_fd, &by_fd), 0);
  ASSERT_EQ(stat(path_.substr(0, path_.size() - 6).c_str(), &by_path), 0);
  EXPECT_EQ(by_fd.st_ino, by_path.st_ino);
}

TEST_F(Resolve, SurvivesAMove) {
  const auto resolver = Open();
  ASSERT_OK_AND_ASSIGN(ResolvedTarget resolved, resolver->Resolve(path_));
  const ResolvedTarget moved = std::move(resolved);
  EXPECT_OK(MakeTarget(moved.target()));
}

TEST_F(Resolve, NeedsNoTarget) {
  ASSERT_EQ(rmdir(path_.c_str()), 0);
  EXPECT_OK(Open()->Resolve(path_));
}

TEST_F(Resolve, IsNotFoundWithoutTheParent) {
  EXPECT_THAT(
      Open()->Resolve(pods_ + "/uid-9/volumes/kubernetes.io~csi/agent/mount"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("uid-9")));
}

TEST_F(Resolve, FindsTheTargetWhenPodsWasReplaced) {
  temp_.MakeDir(absl::StrCat("kubelet/pods", kBelow, "/old"));
  const auto resolver = Open();
  EXPECT_OK(resolver->Resolve(path_));
  std::filesystem::rename(pods_, temp_.Path("kubelet/pods.old"));
  temp_.MakeDir(absl::StrCat("kubelet/pods", kBelow, "/new"));
  ASSERT_OK_AND_ASSIGN(const ResolvedTarget resolved, resolver->Resolve(path_));
  struct stat info = {};
  EXPECT_EQ(fstatat(resolved.target().parent_fd, "mount/new", &info, 0), 0);
}

TEST_F(Resolve, FollowsNoLinkInAnyComponent) {
  const auto resolver = Open();
  for (const char* component :
       {"/uid-1", "/uid-1/volumes", "/uid-1/volumes/kubernetes.io~csi",
        "/uid-1/volumes/kubernetes.io~csi/agent"}) {
    SCOPED_TRACE(component);
    const std::string real = pods_ + component;
    ASSERT_EQ(rename(real.c_str(), temp_.Path("moved").c_str()), 0);
    ASSERT_EQ(symlink(temp_.Path("moved").c_str(), real.c_str()), 0);
    EXPECT_THAT(resolver->Resolve(path_),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr(path_), HasSubstr("symbolic link"))));
    ASSERT_EQ(unlink(real.c_str()), 0);
    ASSERT_EQ(rename(temp_.Path("moved").c_str(), real.c_str()), 0);
  }
}

TEST_F(Resolve, FollowsALinkThatIsTheKubeletDirectoryItself) {
  ASSERT_EQ(symlink(kubelet_.c_str(), temp_.Path("link").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(
      const auto resolver,
      TargetResolver::Open(temp_.Path("link"), TargetCheck::kKubelet));
  EXPECT_OK(resolver->Resolve(temp_.Path("link") + "/pods" + kBelow));
}

TEST_F(Resolve, OfAnyPathFollowsNoLinkEither) {
  const auto resolver = Open(TargetCheck::kAny);
  EXPECT_OK(resolver->Resolve(temp_.Path("kubelet/target")));
  EXPECT_OK(resolver->Resolve("/oneagent-target"));
  ASSERT_EQ(symlink(kubelet_.c_str(), temp_.Path("link").c_str()), 0);
  EXPECT_THAT(resolver->Resolve(temp_.Path("link/target")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

using PodDirectory = Target;

TEST_F(PodDirectory, ExistsUntilItIsRemoved) {
  const auto resolver = Open();
  const std::string pod = temp_.MakeDir("kubelet/pods/uid-1");
  EXPECT_THAT(resolver->PodDirectoryExists("uid-1"), IsOkAndHolds(true));
  ASSERT_EQ(rmdir(pod.c_str()), 0);
  EXPECT_THAT(resolver->PodDirectoryExists("uid-1"), IsOkAndHolds(false));
}

TEST_F(PodDirectory, IsLookedForWherePodsIsNow) {
  temp_.MakeDir("kubelet/pods/uid-1");
  const auto resolver = Open();
  std::filesystem::rename(pods_, temp_.Path("kubelet/pods.old"));
  // About to be made, or restored.
  EXPECT_THAT(resolver->PodDirectoryExists("uid-2"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("replaced")));
  temp_.MakeDir("kubelet/pods/uid-2");
  EXPECT_THAT(resolver->PodDirectoryExists("uid-1"), IsOkAndHolds(false));
  EXPECT_THAT(resolver->PodDirectoryExists("uid-2"), IsOkAndHolds(true));
}

TEST_F(PodDirectory, CannotBeToldForAnIdThatIsNoName) {
  const auto resolver = Open();
  for (const char* uid : {"", ".", "..", "../x", "a/b"}) {
    EXPECT_THAT(resolver->PodDirectoryExists(uid),
                StatusIs(absl::StatusCode::kUnavailable))
        << uid;
  }
}

class TargetDirectory : public Target {
 protected:
  void SetUp() override {
    parent_.Reset(open(pods_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(parent_.ok());
  }
  void TearDown() override { parent_.Reset(); }
  MountTarget target() const {
    return {.parent_fd = parent_.get(), .name = "mount", .path = path_};
  }
  UniqueFd parent_;
  const std::string path_ = pods_ + "/mount";
};

TEST_F(TargetDirectory, IsMadeWithItsModeWhateverTheUmask) {
  const mode_t old_umask = umask(077);
  EXPECT_OK(MakeTarget(target()));
  umask(old_umask);
  EXPECT_EQ(ModeOf(path_), 0755U);
}

TEST_F(TargetDirectory, ThatIsThereAndEmptyIsTakenAsItIs) {
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  EXPECT_OK(MakeTarget(target()));
  EXPECT_EQ(ModeOf(path_), 0700U);
}

TEST_F(TargetDirectory, ThatHoldsSomethingIsRefusedAndKept) {
  temp_.WriteFile("kubelet/pods/mount/precious", "x");
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition,
                                AllOf(HasSubstr(path_), HasSubstr("precious")));
  EXPECT_THAT(MakeTarget(target()), refused);
  EXPECT_THAT(RemoveTarget(target()), refused);
  EXPECT_EQ(ReadTestFile(path_ + "/precious"), "x");
}

TEST_F(TargetDirectory, IsNeitherAFileNorALink) {
  temp_.WriteFile("kubelet/pods/mount", "x");
  EXPECT_THAT(MakeTarget(target()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("is not a directory")));
  EXPECT_THAT(RemoveTarget(target()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReadTestFile(path_), "x");
  ASSERT_EQ(unlink(path_.c_str()), 0);
  const std::string victim = temp_.MakeDir("victim");
  ASSERT_EQ(symlink(victim.c_str(), path_.c_str()), 0);
  EXPECT_THAT(MakeTarget(target()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("is a symbolic link")));
  EXPECT_THAT(RemoveTarget(target()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(std::filesystem::is_directory(victim));
  EXPECT_TRUE(std::filesystem::is_symlink(path_));
}

TEST_F(TargetDirectory, IsRemovedAndTwiceIsOk) {
  ASSERT_OK(MakeTarget(target()));
  EXPECT_OK(RemoveTarget(target()));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_OK(RemoveTarget(target()));
}

TEST_F(TargetDirectory, OfNoNameOfItsOwnIsRefused) {
  for (const char* name : {"", ".", "..", "a/b", "/etc"}) {
    MountTarget odd = target();
    odd.name = name;
    EXPECT_THAT(MakeTarget(odd), StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
    EXPECT_THAT(RemoveTarget(odd), StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
}

TEST(StateFromError, TellsGoneFromBroken) {
  EXPECT_THAT(StateFromError(ENOENT, "/t"),
              IsOkAndHolds(TargetState::kMissing));
  for (const int error : {ESTALE, ENOTCONN, ECONNREFUSED, ECONNABORTED, EIO}) {
    EXPECT_THAT(StateFromError(error, "/t"),
                IsOkAndHolds(TargetState::kMountRoot))
        << error;
  }
  EXPECT_THAT(
      StateFromError(EACCES, "/t"),
      StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("stat /t")));
}

}  // namespace
}  // namespace oneagent
