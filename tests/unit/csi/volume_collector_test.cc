#include "csi/volume_collector.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cache/index/records.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/csi/volume_world.h"

namespace oneagent {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class VolumeCollectorTest : public testing::Test {
 protected:
  VolumeCollectorTest() {
    // Trash counts by the file system's clock.
    world_.clock.Set(absl::Now());
    world_.InstallAgent(kAgent1, "1.300");
    world_.SetTenant("dk", kAgent1);
    world_.Reconcile();
  }
  void Publish(int pod) {
    EXPECT_OK(world_.publisher->Publish(world_.Request(pod)));
  }
  void PublishHost(int pod) {
    PublishRequest request = world_.Request(pod);
    request.mode = VolumeMode::kHost;
    EXPECT_OK(world_.publisher->Publish(request));
  }
  // The pod is gone, and nobody has called Unpublish.
  void LosePod(int pod) {
    world_.fake.LoseMounts();
    world_.RemovePodDirectory(pod);
  }

  LeakCheck leaks_;
  VolumeWorld world_;
};

TEST_F(VolumeCollectorTest, CollectsWhatNobodyUnpublished) {
  Publish(1);
  LosePod(1);
  EXPECT_EQ(world_.Collect().volumes, 1);
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "none");
  EXPECT_EQ(world_.LeasesOf(kAgent1), 0);
  EXPECT_FALSE(world_.Exists(world_.layout.VolumeDir(world_.VolumeId(1))));
}

TEST_F(VolumeCollectorTest, LeavesAVolumeWhoseTargetIsThere) {
  Publish(1);
  world_.fake.LoseMounts();
  EXPECT_EQ(world_.Collect(), VolumeCollection{});
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(VolumeCollectorTest, CollectsFailureRecordsOfPodsThatAreGone) {
  for (const int pod : {1, 2}) {
    PublishRequest request = world_.Request(pod);
    request.dynakube = "unheard-of";
    EXPECT_THAT(world_.publisher->Publish(request),
                StatusIs(absl::StatusCode::kUnavailable));
  }
  LosePod(1);
  EXPECT_EQ(world_.Collect().volumes, 1);
  EXPECT_EQ(world_.StateOf(world_.VolumeId(1)), "none");
  EXPECT_EQ(world_.StateOf(world_.VolumeId(2)), "waiting");
}

TEST_F(VolumeCollectorTest, CollectsDirectoriesWithoutRow) {
  Publish(1);
  EXPECT_OK(world_.index->ReleaseLease(world_.VolumeId(1), absl::Now()));
  EXPECT_EQ(world_.Collect().volumes, 0);
  LosePod(1);
  EXPECT_EQ(world_.Collect().volumes, 1);
  EXPECT_THAT(world_.VolumeFiles(world_.VolumeId(1)), IsEmpty());
}

TEST_F(VolumeCollectorTest, InDoubtNothingIsCollected) {
  Publish(1);
  LosePod(1);
  // Not reconciled in this boot.
  const std::string other_boot = "boot-9";
  VolumeContext elsewhere = {.layout = world_.layout,
                             .boot_id = other_boot,
                             .index = *world_.index,
                             .book = *world_.book,
                             .mounter = world_.mounter(),
                             .targets = *world_.targets,
                             .mounted = *world_.mounted_volumes,
                             .clock = world_.clock,
                             .request_reconcile = [] {}};
  VolumeCollector other({}, elsewhere);
  EXPECT_THAT(other.RunOnce(absl::Now()),
              IsOkAndHolds(VolumeCollection{.in_doubt = true}));
  // The volume is busy.
  VolumeCollector busy(
      {}, *world_.context,
      [](const std::string&, const std::function<void()>&) { return false; });
  EXPECT_THAT(busy.RunOnce(absl::Now()), IsOkAndHolds(VolumeCollection{}));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  // The index cannot be asked.
  world_.BreakIndex();
  VolumeCollector blind({}, *world_.context);
  EXPECT_THAT(blind.RunOnce(absl::Now()),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(world_.Exists(world_.layout.VolumeDir(world_.VolumeId(1))));
}

// Paths say that the pod is gone; its mount stands, and processes use it.
TEST_F(VolumeCollectorTest, VolumeWhosePodsDirectoryIsHiddenIsNotCollected) {
  Publish(1);
  std::vector<MountEntry> table = world_.fake.Table();
  ASSERT_THAT(table, SizeIs(1));
  std::filesystem::rename(world_.kubelet + "/pods", world_.kubelet + "/old");
  world_.dir.MakeDir("kubelet/pods");
  table[0].mount_point = world_.kubelet + "/old/somewhere";
  // One whose layers name it, and one that names its agent only.
  for (const bool names_volume : {true, false}) {
    if (!names_volume) {
      table[0].super_options =
          absl::StrCat("ro,lowerdir+=", world_.layout.AgentTree(kAgent1));
    }
    world_.mounts = table;
    EXPECT_EQ(world_.Collect().volumes, 0);
    EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  }
  world_.mounts = absl::UnavailableError("mountinfo: no");
  VolumeCollector blind({}, *world_.context);
  EXPECT_THAT(blind.RunOnce(world_.clock.Now()),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
  world_.mounts = std::vector<MountEntry>{};
  world_.fake.LoseMounts();
  EXPECT_EQ(world_.Collect().volumes, 1);
}

TEST_F(VolumeCollectorTest, VolumePublishedAgainMeanwhileIsNotCollected) {
  Publish(1);
  LosePod(1);
  VolumeCollector collector(
      {}, *world_.context,
      [this](const std::string&, const std::function<void()>& work) {
        Publish(1);  // came first to the volume's key
        work();
        return true;
      });
  ASSERT_OK_AND_ASSIGN(const VolumeCollection result,
                       collector.RunOnce(absl::Now()));
  EXPECT_EQ(result.volumes, 0);
  EXPECT_TRUE(world_.IsMounted(1));
  EXPECT_EQ(world_.LeasesOf(kAgent1), 1);
}

TEST_F(VolumeCollectorTest, TrashIsEmptiedAfterAMinute) {
  Publish(1);
  EXPECT_OK(world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(1))
                .status);
  // Whatever becomes of the wall clock.
  world_.clock.Advance(absl::Hours(1));
  EXPECT_EQ(world_.Collect().trees, 0);
  ASSERT_THAT(world_.Trash(), SizeIs(1));
  world_.AgeTrash();
  EXPECT_EQ(world_.Collect().trees, 1);
  EXPECT_THAT(world_.Trash(), IsEmpty());
}

TEST_F(VolumeCollectorTest, HostStorageGoesWithItsDynaKubeAfterTheGrace) {
  PublishHost(1);
  world_.DeleteTenantAt("dk", world_.clock.Now());
  world_.clock.Advance(absl::Minutes(6));
  EXPECT_EQ(world_.Collect().host_storages, 0);  // in use
  EXPECT_OK(world_.unpublisher->Unpublish(world_.VolumeId(1), world_.Target(1))
                .status);
  world_.DeleteTenantAt("dk", world_.clock.Now());
  EXPECT_EQ(world_.Collect().host_storages, 0);  // grace
  world_.clock.Advance(absl::Minutes(6));
  EXPECT_EQ(world_.Collect().host_storages, 1);
  EXPECT_FALSE(world_.Exists(world_.layout.HostStorage("dk")));
  EXPECT_FALSE(world_.Exists(world_.layout.HostRecord("dk")));
}

TEST_F(VolumeCollectorTest, HostStorageThatIsBoundStaysWhateverTheRowsSay) {
  PublishHost(1);
  EXPECT_OK(world_.index->ReleaseLease(world_.VolumeId(1), absl::Now()));
  world_.DeleteTenantAt("dk", world_.clock.Now());
  world_.clock.Advance(absl::Minutes(6));
  // As seen from the root of a disk of its own.
  world_.mounts = std::vector<MountEntry>{{.id = 1,
                                           .parent_id = 0,
                                           .root = "/oneagent/host/dk",
                                           .mount_point = world_.Target(1),
                                           .options = "rw",
                                           .fs_type = "ext4",
                                           .source = "/dev/sdb1",
                                           .super_options = "rw"}};
  EXPECT_EQ(world_.Collect().host_storages, 0);
  EXPECT_TRUE(world_.Exists(world_.layout.HostStorage("dk")));
  world_.mounts = std::vector<MountEntry>{};
  EXPECT_EQ(world_.Collect().host_storages, 1);
}

TEST_F(VolumeCollectorTest, IndexReplacedMeanwhileSaysNothingAboutHostStorage) {
  PublishHost(1);
  Publish(2);
  LosePod(2);
  world_.DeleteTenantAt("dk", world_.clock.Now() - absl::Minutes(6));
  ASSERT_OK_AND_ASSIGN(const std::optional<TenantRow> tenant,
                       world_.index->GetTenant("dk"));
  EXPECT_OK(WriteTenantRecord(world_.layout, *tenant));
  world_.mounts = std::vector<MountEntry>{};
  VolumeCollector collector(
      {}, *world_.context,
      [this](const std::string&, const std::function<void()>& work) {
        std::filesystem::remove(world_.layout.IndexFile());
        work();
        return true;
      });
  ASSERT_OK_AND_ASSIGN(const VolumeCollection result,
                       collector.RunOnce(world_.clock.Now()));
  EXPECT_EQ(result.host_storages, 0);
  EXPECT_TRUE(world_.Exists(world_.layout.HostStorage("dk")));
}

TEST_F(VolumeCollectorTest, HostStorageOfALivingOrUnknownDynaKubeStays) {
  PublishHost(1);
  PublishRequest request = world_.Request(2);
  request.mode = VolumeMode::kHost;
  request.dynakube = "unheard-of";
  EXPECT_OK(world_.publisher->Publish(request));
  for (const int pod : {1, 2}) {
    EXPECT_OK(
        world_.unpublisher->Unpublish(world_.VolumeId(pod), world_.Target(pod))
            .status);
  }
  world_.clock.Advance(absl::Hours(24));
  EXPECT_EQ(world_.Collect().host_storages, 0);
  EXPECT_TRUE(world_.Exists(world_.layout.HostStorage("dk")));
  EXPECT_TRUE(world_.Exists(world_.layout.HostStorage("unheard-of")));
}

}  // namespace
}  // namespace oneagent
