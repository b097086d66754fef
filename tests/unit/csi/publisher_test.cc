#include "csi/publisher.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/index/records.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
using Verb = FakeMounter::Verb;

class PublisherTest : public testing::Test {
 protected:
  PublisherTest() {
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
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
  std::vector<FakeMounter::Mount> Mounts(int pod) {
    return world_.fake.MountsAt(world_.Target(pod));
  }
  mode_t ModeOf(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }

  LeakCheck leaks_;
  VolumeWorld world_;
};

TEST_F(PublisherTest, MountsTheTenantsAgentAndLeasesIt) {
  const std::string id = world_.VolumeId(1);
  ASSERT_OK_AND_ASSIGN(const PublishResult result,
                       world_.publisher->Publish(world_.Request(1)));
  EXPECT_EQ(result.outcome, PublishOutcome::kMounted);
  EXPECT_EQ(result.agent_id, kAgent1);
  ASSERT_THAT(Mounts(1), SizeIs(1));
  const OverlayPlan plan = Mounts(1)[0].plan;
  EXPECT_THAT(plan.lower, ElementsAre(world_.layout.AgentTree(kAgent1),
                                      world_.layout.SkeletonDir()));
  EXPECT_EQ(plan.upper, world_.layout.VolumeUpper(id));
  EXPECT_EQ(plan.work, world_.layout.VolumeWork(id));
  EXPECT_FALSE(plan.read_only);
  const std::optional<VolumeRow> row = world_.Row(id);
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->state, VolumeState::kMounted);
  EXPECT_EQ(row->agent_id, kAgent1);
  EXPECT_EQ(row->pod, "pod-1");
  EXPECT_EQ(row->target, world_.Target(1));
  EXPECT_EQ(row->boot_id, "boot-1");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(PublisherTest, DirectoriesHaveTheirModesWhateverTheUmask) {
  const mode_t old_mask = umask(0777);
  PublishRequest request = world_.Request(1);
  request.conf = {{"general", "k", "v"}};
  const auto published = Publish(request);
  umask(old_mask);
  EXPECT_OK(published);
  const std::string id = request.volume_id;
  EXPECT_EQ(ModeOf(world_.layout.VolumeDir(id)), 0700u);
  EXPECT_EQ(ModeOf(world_.layout.VolumeUpper(id)), 0777u);
  const std::string pod = world_.layout.VolumePodLayer(id);
  EXPECT_EQ(ModeOf(pod), 0755u);
  EXPECT_EQ(ModeOf(pod + "/agent/conf"), 0755u);
  EXPECT_EQ(ModeOf(absl::StrCat(pod, "/", kProcessConfPath)), 0666u);
}

TEST_F(PublisherTest, StacksPodOverConfigOverAgent) {
  world_.InstallConfig(kConfig1, "[general]\nfrom config\nkeep me\n");
  world_.SetTenant("dk", kAgent1, kConfig1);
  PublishRequest request = world_.Request(1);
  request.conf = {{"general", "from", "pod"}};
  EXPECT_OK(Publish(request));
  const std::string pod = world_.layout.VolumePodLayer(request.volume_id);
  EXPECT_THAT(Mounts(1)[0].plan.lower,
              ElementsAre(pod, world_.layout.ConfigTree(kConfig1),
                          world_.layout.AgentTree(kAgent1),
                          world_.layout.SkeletonDir()));
  EXPECT_EQ(ReadTestFile(absl::StrCat(pod, "/", kProcessConfPath)),
            "[general]\nfrom pod\nkeep me\n");
  EXPECT_EQ(world_.Row(request.volume_id)->config_id, kConfig1);
}

// The provisioner never made it a configuration layer.
TEST_F(PublisherTest, AnAgentsConfigurationOfImpossibleSizeIsRefused) {
  const std::string conf =
      absl::StrCat(world_.layout.AgentTree(kAgent1), "/", kProcessConfPath);
  std::filesystem::create_directories(
      std::filesystem::path(conf).parent_path());
  std::ofstream(conf) << std::string(kMaxProcessConf + 1, '\n');
  PublishRequest request = world_.Request(1);
  request.conf = {{"general", "k", "v"}};
  EXPECT_THAT(Publish(request), StatusIs(absl::StatusCode::kUnavailable,
                                         HasSubstr("larger than 1048576")));
  EXPECT_FALSE(world_.IsMounted(1));
}

TEST_F(PublisherTest, PodLayerIsOverTheAgentsFileWithoutConfigLayer) {
  PublishRequest request = world_.Request(1);
  request.conf = {{"other", "k", "v"}};
  EXPECT_OK(Publish(request));
  EXPECT_EQ(
      ReadTestFile(absl::StrCat(world_.layout.VolumePodLayer(request.volume_id),
                                "/", kProcessConfPath)),
      "[general]\nfrom agent\n\n[other]\nk v\n");
}

TEST_F(PublisherTest, PodLayerIsReadThroughNoLinkOfATree) {
  const std::string conf =
      absl::StrCat(world_.layout.AgentTree(kAgent1), "/agent/conf");
  std::filesystem::remove_all(conf);
  const std::string secret =
      world_.dir.WriteFile("secret/ruxitagentproc.conf", "root only\n");
  std::filesystem::create_directory_symlink(world_.dir.Path("secret"), conf);
  PublishRequest request = world_.Request(1);
  request.conf = {{"general", "k", "v"}};
  EXPECT_THAT(
      Publish(request),
      StatusIs(kUnavailable, StartsWith("failed to mount oneagent volume: ")));
  EXPECT_THAT(Mounts(1), IsEmpty());
}

TEST_F(PublisherTest, ReadOnlyVolumeHasNoWritablePart) {
  PublishRequest request = world_.Request(1);
  request.read_only = true;
  EXPECT_OK(Publish(request));
  const OverlayPlan plan = Mounts(1)[0].plan;
  EXPECT_TRUE(plan.read_only);
  EXPECT_EQ(plan.upper, "");
  EXPECT_THAT(plan.lower, ElementsAre(world_.layout.AgentTree(kAgent1),
                                      world_.layout.SkeletonDir()));
  EXPECT_THAT(world_.VolumeFiles(request.volume_id),
              ElementsAre("volume.json"));
}

TEST_F(PublisherTest, SecondPublishTouchesNothing) {
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
  world_.fake.ClearCalls();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_THAT(world_.fake.Calls(), IsEmpty());
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(PublisherTest, RunningVolumeKeepsItsAgentAfterASwitch) {
  EXPECT_OK(Publish(1));
  world_.InstallAgent(kAgent2, "1.301");
  world_.SetTenant("dk", kAgent2);
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_OK(Publish(2));
  EXPECT_EQ(world_.Row(world_.VolumeId(1))->agent_id, kAgent1);
  EXPECT_EQ(world_.Row(world_.VolumeId(2))->agent_id, kAgent2);
}

TEST_F(PublisherTest, TargetOutsideKubeletsDirectoryIsInvalidAndUncounted) {
  PublishRequest request = world_.Request(1);
  request.target_path = world_.dir.MakeDir("elsewhere") + "/mount";
  EXPECT_THAT(Publish(request), StatusIs(absl::StatusCode::kInvalidArgument));
  request = world_.Request(1);
  request.pod_uid = world_.PodUid(2);  // another pod's directory
  EXPECT_THAT(Publish(request), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(world_.StateOf(request.volume_id), "none");
  EXPECT_THAT(world_.VolumeFiles(request.volume_id), IsEmpty());
}

TEST_F(PublisherTest, PublishedVolumeIsFoundByItsRecordWhenTheIndexIsLost) {
  EXPECT_OK(Publish(1));
  const VolumeRow before = *world_.Row(world_.VolumeId(1));
  world_.DeleteIndex();
  world_.InstallAgent(kAgent1, "1.300");
  world_.fake.ClearCalls();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
  EXPECT_THAT(world_.fake.Calls(), IsEmpty());
  const std::optional<VolumeRow> after = world_.Row(world_.VolumeId(1));
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(after->state, VolumeState::kMounted);
  EXPECT_EQ(after->agent_id, before.agent_id);
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(PublisherTest, PublishedVolumeIsFoundWithTheIndexUnusable) {
  EXPECT_OK(Publish(1));
  world_.BreakIndex();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kAlreadyPublished));
}

TEST_F(PublisherTest, MountThatNoRecordKnowsIsNeitherStackedNorTakenAway) {
  const PublishRequest request = world_.Request(1);
  world_.dir.MakeDir(request.target_path.substr(world_.dir.path().size() + 1));
  world_.fake.AddForeignMount(request.target_path);
  EXPECT_THAT(Publish(request),
              StatusIs(kUnavailable,
                       AllOf(StartsWith("failed to mount oneagent volume: "),
                             HasSubstr(request.target_path))));
  EXPECT_THAT(world_.fake.Calls(), IsEmpty());
  EXPECT_THAT(Mounts(1), SizeIs(1));
  // Nor does it block the pod for good.
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kEmpty));
  EXPECT_THAT(Mounts(1), SizeIs(1));
  EXPECT_EQ(Mounts(1)[0].kind, FakeMounter::Kind::kForeign);
  EXPECT_EQ(world_.StateOf(request.volume_id), "empty");
}

TEST_F(PublisherTest, PublishedVolumeNeverGetsAnotherTargetOrAFinalCode) {
  EXPECT_OK(Publish(1));
  PublishRequest second = world_.Request(2);
  second.volume_id = world_.VolumeId(1);
  EXPECT_THAT(Publish(second),
              StatusIs(kUnavailable, HasSubstr(world_.Target(1))));
  // The living mount has lost neither record nor lease.
  EXPECT_EQ(world_.StateOf(second.volume_id), "mounted");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  EXPECT_THAT(Mounts(2), IsEmpty());
}

TEST_F(PublisherTest, VolumeMovesToAnotherTargetWhenTheOldOneIsGone) {
  EXPECT_OK(Publish(1));
  world_.fake.LoseMounts();
  PublishRequest second = world_.Request(2);
  second.volume_id = world_.VolumeId(1);
  EXPECT_THAT(Publish(second), IsOkAndHolds(PublishOutcome::kMounted));
  EXPECT_EQ(world_.Row(second.volume_id)->target, world_.Target(2));
  EXPECT_FALSE(world_.Exists(world_.Target(1)));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(PublisherTest, UnknownMountStateLeavesRecordAndLeaseAlone) {
  EXPECT_OK(Publish(1));
  world_.fake.FailAlways(Verb::kIsMounted, absl::InternalError("no answer"));
  EXPECT_THAT(Publish(1), StatusIs(kUnavailable, HasSubstr("no answer")));
  world_.fake.Heal();
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "mounted");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(PublisherTest, LostMountOfThisBootIsMountedAgainWithWhatThePodWrote) {
  EXPECT_OK(Publish(1));
  const std::string upper = world_.layout.VolumeUpper(world_.VolumeId(1));
  world_.dir.WriteFile(
      absl::StrCat(upper.substr(world_.dir.path().size() + 1), "/log.txt"),
      "written by the pod");
  world_.fake.LoseMounts();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
  EXPECT_THAT(Mounts(1), SizeIs(1));
  EXPECT_TRUE(world_.Exists(upper + "/log.txt"));
}

TEST_F(PublisherTest, LostMountWithAnotherAgentByNowStartsEmpty) {
  EXPECT_OK(Publish(1));
  const std::string upper = world_.layout.VolumeUpper(world_.VolumeId(1));
  world_.dir.WriteFile(
      absl::StrCat(upper.substr(world_.dir.path().size() + 1), "/log.txt"), "");
  world_.fake.LoseMounts();
  world_.InstallAgent(kAgent2, "1.301");
  world_.SetTenant("dk", kAgent2);
  EXPECT_OK(Publish(1));
  EXPECT_FALSE(world_.Exists(upper + "/log.txt"));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  EXPECT_EQ(world_.LeasesOf(kAgent2), 1);
}

TEST_F(PublisherTest, AfterARebootTheVolumeStartsEmpty) {
  EXPECT_OK(Publish(1));
  const std::string id = world_.VolumeId(1);
  const std::string upper = world_.layout.VolumeUpper(id);
  world_.dir.WriteFile(
      absl::StrCat(upper.substr(world_.dir.path().size() + 1), "/log.txt"), "");
  world_.Reboot();
  EXPECT_THAT(Publish(1), IsOkAndHolds(PublishOutcome::kMounted));
  EXPECT_FALSE(world_.Exists(upper + "/log.txt"));
  EXPECT_THAT(world_.Trash(), Contains(StartsWith(id)));
  EXPECT_EQ(world_.Row(id)->boot_id, "boot-2");
}

TEST_F(PublisherTest, TargetThatIsAFileOrALinkOrFullIsNotTouched) {
  const PublishRequest request = world_.Request(1);
  const std::string& target = request.target_path;
  const std::string relative = target.substr(world_.dir.path().size() + 1);
  world_.dir.WriteFile(relative, "a file");
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable, HasSubstr(target)));
  EXPECT_EQ(ReadTestFile(target), "a file");
  std::filesystem::remove(target);

  std::filesystem::create_directory_symlink(world_.dir.path(), target);
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable, HasSubstr(target)));
  EXPECT_TRUE(std::filesystem::is_symlink(target));
  std::filesystem::remove(target);

  world_.dir.WriteFile(relative + "/somebody's", "");
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable, HasSubstr(target)));
  EXPECT_TRUE(world_.Exists(target + "/somebody's"));
  EXPECT_THAT(Mounts(1), IsEmpty());
}

TEST_F(PublisherTest, LinkInKubeletsPathIsNotFollowed) {
  const PublishRequest request = world_.Request(1);
  const std::filesystem::path parent =
      std::filesystem::path(request.target_path).parent_path();
  std::filesystem::remove(parent);
  std::filesystem::create_directory_symlink(world_.dir.MakeDir("away"), parent);
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable));
  EXPECT_FALSE(world_.Exists(world_.dir.Path("away/mount")));
}

TEST_F(PublisherTest, HostModeBindsStorageBeforeAnyTenantExists) {
  PublishRequest request = world_.Request(1);
  request.mode = VolumeMode::kHost;
  request.dynakube = "unheard-of";
  request.read_only = true;
  EXPECT_THAT(Publish(request), IsOkAndHolds(PublishOutcome::kMounted));
  ASSERT_THAT(Mounts(1), SizeIs(1));
  EXPECT_EQ(Mounts(1)[0].kind, FakeMounter::Kind::kStorage);
  EXPECT_EQ(Mounts(1)[0].storage, world_.layout.HostStorage("unheard-of"));
  EXPECT_TRUE(Mounts(1)[0].read_only);
  EXPECT_EQ(ModeOf(world_.layout.HostStorage("unheard-of")), 0755u);
  EXPECT_EQ(world_.Row(request.volume_id)->host_storage, "unheard-of");
  EXPECT_THAT(world_.VolumeFiles(request.volume_id),
              ElementsAre("volume.json"));
}

TEST_F(PublisherTest, AnotherTenantOfTheSameNameGetsItsOwnHostStorage) {
  PublishRequest request = world_.Request(1);
  request.mode = VolumeMode::kHost;
  EXPECT_OK(Publish(request));
  world_.SetTenant("dk", kAgent1, "", "uuid-2");
  request = world_.Request(2);
  request.mode = VolumeMode::kHost;
  EXPECT_OK(Publish(request));
  EXPECT_EQ(Mounts(1)[0].storage, world_.layout.HostStorage("dk"));
  EXPECT_EQ(Mounts(2)[0].storage, world_.layout.HostStorage("dk.1"));
  ASSERT_OK_AND_ASSIGN(const HostStorage record,
                       ReadHostRecord(world_.layout, "dk.1"));
  EXPECT_EQ(record.tenant_uuid, "uuid-2");
}

TEST_F(PublisherTest, HostModeFailureHasItsOwnText) {
  world_.fake.FailNext(Verb::kBindStorage, absl::InternalError("no"));
  PublishRequest request = world_.Request(1);
  request.mode = VolumeMode::kHost;
  EXPECT_THAT(Publish(request),
              StatusIs(kUnavailable, "failed to mount osagent volume: no"));
}

TEST_F(PublisherTest, TargetWithoutParentIsCountedAndSaysSo) {
  const PublishRequest request = world_.Request(1);
  world_.RemovePodDirectory(1);
  EXPECT_THAT(Publish(request), StatusIs(kUnavailable));
  EXPECT_EQ(world_.Row(request.volume_id)->attempts, 1);
  world_.clock.Advance(absl::Minutes(10));
  EXPECT_THAT(Publish(request),
              StatusIs(kUnavailable, HasSubstr("publish empty")));
}

}  // namespace
}  // namespace oneagent
