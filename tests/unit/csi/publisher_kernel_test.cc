// The publisher on the running kernel: what a pod sees, and the three worst
// things that can happen to it.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/forked_peer.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::HasSubstr;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
constexpr char kLibrary[] = "/agent/lib64/liboneagentproc.so";

// Runs `work` in a child process and returns what it answers.
int InChild(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool CanRead(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char byte = 0;
  return fd.ok() && read(fd.get(), &byte, 1) == 1;
}

// 0, or the errno of making a file.
int TryWrite(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!fd.ok()) return errno;
  return write(fd.get(), "x", 1) == 1 ? 0 : errno;
}

class PublisherKernelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  PublisherKernelTest() : world_(VolumeWorld::Kernel::kYes) {
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
    world_.Reconcile();
  }
  ~PublisherKernelTest() override {
    for (const int pod : {1, 2}) EXPECT_OK(Unpublish(pod));
  }

  absl::StatusOr<PublishOutcome> Publish(const PublishRequest& request) {
    const absl::StatusOr<PublishResult> result =
        world_.publisher->Publish(request);
    if (!result.ok()) return result.status();
    return result->outcome;
  }
  absl::StatusOr<PublishOutcome> Publish(int pod) {
    return Publish(world_.Request(pod));
  }
  absl::Status Unpublish(int pod) {
    return world_.unpublisher
        ->Unpublish(world_.VolumeId(pod), world_.Target(pod))
        .status;
  }

  LeakCheck leaks_;
  VolumeWorld world_;
};

TEST_F(PublisherKernelTest, PodSeesItsLayersAndWritesAsAnyUser) {
  world_.InstallConfig(kConfig1, "[general]\nfrom config\ntenant t1\n");
  world_.SetTenant("dk", kAgent1, kConfig1);
  PublishRequest request = world_.Request(1);
  request.conf = {{"general", "from", "pod"}};
  ASSERT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kMounted));
  const std::string root = world_.Target(1);
  EXPECT_EQ(ReadTestFile(root + kLibrary), "1.300");
  EXPECT_EQ(ReadTestFile(absl::StrCat(root, "/", kProcessConfPath)),
            "[general]\nfrom pod\ntenant t1\n");
  // The target's parents belong to root alone; a container is bound to it.
  const UniqueFd fd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(
      InChild([&fd] {
        if (fchdir(fd.get()) != 0 || setgid(4711) != 0 || setuid(4711) != 0) {
          return 99;
        }
        if (!CanRead(std::string(".") + kLibrary)) return 98;
        const int made = TryWrite("mine");
        return made != 0 ? made : TryWrite("log/pod.log");
      }),
      0);
  EXPECT_TRUE(world_.Exists(root + "/mine"));
  // What is shared is as it was.
  EXPECT_FALSE(world_.Exists(world_.layout.AgentTree(kAgent1) + "/mine"));
  EXPECT_EQ(ReadTestFile(absl::StrCat(world_.layout.ConfigTree(kConfig1), "/",
                                      kProcessConfPath)),
            "[general]\nfrom config\ntenant t1\n");
}

TEST_F(PublisherKernelTest, ReadOnlyVolumeCannotBeWritten) {
  PublishRequest request = world_.Request(1);
  request.read_only = true;
  ASSERT_OK(Publish(request));
  EXPECT_EQ(ReadTestFile(world_.Target(1) + kLibrary), "1.300");
  EXPECT_EQ(TryWrite(world_.Target(1) + "/x"), EROFS);
}

TEST_F(PublisherKernelTest, EmptyVolumeSaysWhy) {
  PublishRequest request = world_.Request(1);
  request.dynakube = "unheard-of";
  request.retry_timeout = absl::ZeroDuration();
  ASSERT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_THAT(ReadTestFile(absl::StrCat(world_.Target(1), "/", kEmptyMarker)),
              HasSubstr("unheard-of"));
  EXPECT_EQ(TryWrite(world_.Target(1) + "/x"), 0);
  EXPECT_TRUE(world_.Exists(world_.Target(1) + kLibrary));
  EXPECT_THAT(Publish(request),
              IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_OK(Unpublish(1));
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
}

TEST_F(PublisherKernelTest, ReadOnlyEmptyVolumeCannotBeWritten) {
  PublishRequest request = world_.Request(1);
  request.dynakube = "unheard-of";
  request.retry_timeout = absl::ZeroDuration();
  request.read_only = true;
  ASSERT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_EQ(TryWrite(world_.Target(1) + "/x"), EROFS);
}

// The agent has no such directories, and its tree gets none.
TEST_F(PublisherKernelTest, AReadOnlyVolumeHasWhatContainersMountOver) {
  PublishRequest request = world_.Request(1);
  request.read_only = true;
  ASSERT_OK(Publish(request));
  for (const char* const path : {"/agent/conf", "/datastorage", "/log"}) {
    EXPECT_TRUE(world_.Exists(world_.Target(1) + path)) << path;
  }
  EXPECT_FALSE(
      world_.Exists(world_.layout.AgentTree(kAgent1) + "/datastorage"));
}

TEST_F(PublisherKernelTest, EmptyVolumeIsNotEmptiedThroughAMountInIt) {
  PublishRequest request = world_.Request(1);
  request.dynakube = "unheard-of";
  request.retry_timeout = absl::ZeroDuration();
  ASSERT_OK(Publish(request));
  const std::string target = world_.Target(1);
  ASSERT_EQ(umount2(target.c_str(), 0), 0);
  const std::string precious = world_.dir.WriteFile("precious/file", "");
  const std::string inner = target + "/inner";
  ASSERT_EQ(mkdir(inner.c_str(), 0755), 0);
  // The same file system: no device number tells.
  ASSERT_EQ(mount(world_.dir.Path("precious").c_str(), inner.c_str(), nullptr,
                  MS_BIND, nullptr),
            0);
  EXPECT_THAT(Unpublish(1), StatusIs(kUnavailable, HasSubstr(inner)));
  EXPECT_TRUE(world_.Exists(precious));
  ASSERT_EQ(umount2(inner.c_str(), 0), 0);
  EXPECT_OK(Unpublish(1));
  EXPECT_FALSE(world_.Exists(target));
  EXPECT_TRUE(world_.Exists(precious));
}

TEST_F(PublisherKernelTest, HostStorageIsSharedAndOutlivesItsVolumes) {
  PublishRequest request = world_.Request(1);
  request.mode = VolumeMode::kHost;
  ASSERT_OK(Publish(request));
  EXPECT_EQ(TryWrite(world_.Target(1) + "/agent.id"), 0);
  request = world_.Request(2);
  request.mode = VolumeMode::kHost;
  request.read_only = true;
  ASSERT_OK(Publish(request));
  EXPECT_EQ(ReadTestFile(world_.Target(2) + "/agent.id"), "x");
  EXPECT_EQ(TryWrite(world_.Target(2) + "/y"), EROFS);
  EXPECT_OK(Unpublish(1));
  EXPECT_OK(Unpublish(2));
  EXPECT_TRUE(world_.Exists(world_.layout.HostStorage("dk") + "/agent.id"));
}

TEST_F(PublisherKernelTest, AgentUnderAMountedVolumeIsNeverCollected) {
  ASSERT_OK(Publish(1));
  world_.InstallAgent(kAgent2, "1.301");
  world_.SetTenant("dk", kAgent2);
  EXPECT_THAT(world_.index->DeleteAgentIfUnused(kAgent1, absl::InfiniteFuture(),
                                                world_.boot_id),
              IsOkAndHolds(false));
  EXPECT_EQ(ReadTestFile(world_.Target(1) + kLibrary), "1.300");
  EXPECT_OK(Unpublish(1));
  EXPECT_THAT(world_.index->DeleteAgentIfUnused(kAgent1, absl::InfiniteFuture(),
                                                world_.boot_id),
              IsOkAndHolds(true));
}

TEST_F(PublisherKernelTest, UnpublishOfAVolumeInUseDeletesNothing) {
  ASSERT_OK(Publish(1));
  ASSERT_EQ(TryWrite(world_.Target(1) + "/open"), 0);
  UniqueFd held(
      open((world_.Target(1) + "/open").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held.ok());
  EXPECT_THAT(Unpublish(1), StatusIs(kUnavailable));
  EXPECT_TRUE(world_.IsMounted(1));
  EXPECT_TRUE(world_.Exists(world_.Target(1) + "/open"));
  EXPECT_TRUE(
      world_.Exists(world_.layout.VolumeUpper(world_.VolumeId(1)) + "/open"));
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "mounted");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  held.Reset();
  EXPECT_OK(Unpublish(1));
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
}

TEST_F(PublisherKernelTest, PrivateCopyOfTheMountReadsOnAfterUnpublish) {
  ASSERT_OK(Publish(1));
  const std::string root = world_.Target(1);
  ASSERT_EQ(TryWrite(root + "/mine"), 0);
  ForkedPeer container([&root](Turns& test) {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0 ||
        chdir(root.c_str()) != 0 || !test.Say() || !test.Hear()) {
      return 99;
    }
    return CanRead("mine") && CanRead(std::string(".") + kLibrary) ? 0 : 1;
  });
  ASSERT_TRUE(container.Hear());
  EXPECT_OK(Unpublish(1));
  EXPECT_FALSE(world_.Exists(root));
  EXPECT_EQ(world_.Collect().trees, 0);  // not before a minute has passed
  ASSERT_TRUE(container.Say());
  EXPECT_EQ(container.Wait(), 0);
}

TEST_F(PublisherKernelTest, MountThatWasTakenAwayIsMountedAgainWithItsData) {
  ASSERT_OK(Publish(1));
  ASSERT_EQ(TryWrite(world_.Target(1) + "/mine"), 0);
  ASSERT_EQ(umount2(world_.Target(1).c_str(), 0), 0);
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
  EXPECT_TRUE(world_.Exists(world_.Target(1) + "/mine"));
  // Another boot id says that the data may be lost: it starts empty.
  ASSERT_EQ(umount2(world_.Target(1).c_str(), 0), 0);
  world_.Reboot();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
  EXPECT_FALSE(world_.Exists(world_.Target(1) + "/mine"));
}

TEST_F(PublisherKernelTest, ReconcilerFindsLiveMountsWhenAllRecordsAreLost) {
  world_.InstallConfig(kConfig1, "");
  world_.SetTenant("dk", kAgent1, kConfig1);
  ASSERT_OK(Publish(1));
  PublishRequest request = world_.Request(2);
  request.read_only = true;
  ASSERT_OK(Publish(request));
  for (const int pod : {1, 2}) {
    std::filesystem::remove(world_.layout.VolumeRecord(world_.VolumeId(pod)));
  }
  world_.DeleteIndex();
  EXPECT_EQ(world_.Reconcile(),
            (ReconcileResult{.mounted = 2, .recovered = 2}));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 2);
  EXPECT_EQ(world_.Row(world_.VolumeId(1))->config_id, kConfig1);
  EXPECT_EQ(world_.Row(world_.VolumeId(1))->target, world_.Target(1));
  EXPECT_TRUE(world_.Row(world_.VolumeId(2))->read_only);
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_THAT(Publish(request),
              IsOkAndHolds(PublishOutcome::kAlreadyPublished));
}

TEST_F(PublisherKernelTest, ReconcilerFindsEmptyVolumesInTheMountTable) {
  PublishRequest request = world_.Request(1);
  request.dynakube = "unheard-of";
  request.retry_timeout = absl::ZeroDuration();
  ASSERT_OK(Publish(request));
  std::filesystem::remove_all(world_.layout.VolumeDir(request.volume_id));
  world_.DeleteIndex();
  EXPECT_EQ(world_.Reconcile(), (ReconcileResult{.recovered = 1, .empty = 1}));
  EXPECT_THAT(Publish(request),
              IsOkAndHolds(PublishOutcome::kAlreadyPublished));
}

TEST_F(PublisherKernelTest, AnotherDriversOverlayAtTheTargetGoesWithUnpublish) {
  const PublishRequest request = world_.Request(1);
  ASSERT_EQ(mkdir(request.target_path.c_str(), 0755), 0);
  ASSERT_EQ(mount("overlay", request.target_path.c_str(), "tmpfs", 0, nullptr),
            0);
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable));
  EXPECT_OK(Unpublish(1));
  EXPECT_FALSE(world_.Exists(request.target_path));
}

TEST_F(PublisherKernelTest, FullDiskFailsOpenAndIsCleanedUp) {
  // The data directory on a small disk of its own, filled to the last block.
  world_.Stop();
  const std::string volumes = world_.layout.VolumesDir();
  ASSERT_EQ(mount("small", volumes.c_str(), "tmpfs", 0, "size=64k"), 0);
  world_.Restart();
  UniqueFd filler(open((volumes + "/.filler").c_str(),
                       O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const std::string block(4096, 'x');
  while (write(filler.get(), block.data(), block.size()) > 0) {
  }
  PublishRequest request = world_.Request(1);
  request.conf = {{"general", "k", "v"}};
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable));
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_THAT(Publish(request),
              IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  EXPECT_OK(Unpublish(1));
  filler.Reset();
  ASSERT_EQ(umount2(volumes.c_str(), 0), 0);
}

}  // namespace
}  // namespace oneagent
