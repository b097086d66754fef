// Nodes that change their driver: one that the reference driver, of the same
// name, served before, and one that is to have none any more.
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "gmock/gmock.h"
#include "overlay/mount_table.h"
#include "overlay/mounter.h"
#include "tests/e2e/node.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

class TakeOverTest : public testing::Test {
 protected:
  // Where the reference driver kept its things: beside csi.sock.
  std::string Reference(const std::string& path) const {
    return absl::StrCat(
        std::filesystem::path(node_.socket()).parent_path().string(), "/data/",
        path);
  }
  std::string MakeDir(const std::string& path) const {
    std::filesystem::create_directories(path);
    return path;
  }
  // An agent of one file, overlaid at `target` with an upper in `volume`.
  void MountAsReference(const std::string& volume, const std::string& target) {
    const std::string agent = MakeDir(Reference("codemodules/1.2.3"));
    ASSERT_TRUE(WriteFileAtomically(agent + "/agent", "of the reference", 0644,
                                    Durability::kNoSync)
                    .ok());
    const std::string options =
        absl::StrCat("lowerdir=", agent, ":", MakeDir(Reference("empty")),
                     ",upperdir=", MakeDir(volume + "/var"),
                     ",workdir=", MakeDir(volume + "/work"));
    ASSERT_EQ(mount("overlay", MakeDir(target).c_str(), "overlay", 0,
                    options.c_str()),
              0);
  }
  std::string AgentIn(const std::string& pod) const {
    const auto content = ReadWholeFile(node_.Target(pod) + "/agent");
    return content.ok() ? *content : "";
  }
  static bool IsMountPoint(const std::string& path) {
    const auto table = ReadMountTable();
    return table.ok() && std::any_of(table->begin(), table->end(),
                                     [&](const MountEntry& entry) {
                                       return entry.mount_point == path;
                                     });
  }

  Node node_;
};

TEST_F(TakeOverTest, APodOfTheReferenceDriverKeepsItsVolumeUntilItGoes) {
  const std::string volume =
      Reference(absl::StrCat("appmounts/", Node::VolumeId("old")));
  MountAsReference(volume, node_.Target("old"));
  node_.StartMounter();
  ASSERT_TRUE(node_.WaitForReconciled());
  EXPECT_EQ(AgentIn("old"), "of the reference");
  // Kubelet asks again after its restart.
  EXPECT_OK(node_.Publish({.pod = "old"}));
  EXPECT_EQ(AgentIn("old"), "of the reference");
  EXPECT_THAT(node_.Cli({"--endpoint", node_.socket(), "doctor"}).out,
              HasSubstr("reference-data"));
  EXPECT_OK(node_.Unpublish("old"));
  EXPECT_FALSE(IsMountPoint(node_.Target("old")));
  EXPECT_FALSE(std::filesystem::exists(node_.Target("old")));
  // Its data is not ours.
  EXPECT_TRUE(std::filesystem::exists(volume + "/var"));
}

TEST_F(TakeOverTest, WhatAnOldReferenceDriverMountedBesideTheTargetGoesToo) {
  const std::string volume =
      Reference(absl::StrCat("abc12345/run/", Node::VolumeId("old")));
  const std::string mapped = volume + "/mapped";
  MountAsReference(volume, mapped);
  ASSERT_EQ(mount(mapped.c_str(), MakeDir(node_.Target("old")).c_str(), nullptr,
                  MS_BIND, nullptr),
            0);
  node_.StartMounter();
  EXPECT_OK(node_.Publish({.pod = "old"}));
  EXPECT_EQ(AgentIn("old"), "of the reference");
  EXPECT_OK(node_.Unpublish("old"));
  EXPECT_FALSE(IsMountPoint(node_.Target("old")));
  EXPECT_FALSE(IsMountPoint(mapped));
}

// Died between the two, kubelet asks again.
TEST_F(TakeOverTest, AnUnpublishThatDiedBetweenBothMountsIsFinished) {
  const std::string mapped = Reference(
      absl::StrCat("abc12345/run/", Node::VolumeId("old"), "/mapped"));
  MountAsReference(std::filesystem::path(mapped).parent_path(), mapped);
  MakeDir(node_.Target("old"));
  node_.StartMounter();
  EXPECT_OK(node_.Unpublish("old"));
  EXPECT_FALSE(IsMountPoint(mapped));
  EXPECT_FALSE(std::filesystem::exists(node_.Target("old")));
  EXPECT_OK(node_.Unpublish("old"));
}

TEST_F(TakeOverTest, StorageOfAHostAgentOfTheReferenceDriverStaysBound) {
  const std::string storage = MakeDir(Reference("_dynakubes/demo/osagent"));
  ASSERT_TRUE(WriteFileAtomically(storage + "/agent", "of the reference", 0644,
                                  Durability::kNoSync)
                  .ok());
  ASSERT_EQ(mount(storage.c_str(), MakeDir(node_.Target("old")).c_str(),
                  nullptr, MS_BIND, nullptr),
            0);
  node_.StartMounter();
  EXPECT_OK(node_.Publish({.pod = "old", .mode = "host"}));
  EXPECT_EQ(AgentIn("old"), "of the reference");
  // Another DynaKube's is not this volume's.
  EXPECT_FALSE(
      node_.Publish({.pod = "old", .dynakube = "other", .mode = "host"}).ok());
  EXPECT_OK(node_.Unpublish("old"));
  EXPECT_FALSE(IsMountPoint(node_.Target("old")));
  EXPECT_TRUE(std::filesystem::exists(storage + "/agent"));
}

// A mount of anybody else is never taken for a volume.
TEST_F(TakeOverTest, WhatTheReferenceDriverKnowsNothingOfIsRefused) {
  MountAsReference(Reference("appmounts/csi-another"), node_.Target("old"));
  node_.StartMounter();
  EXPECT_THAT(node_.Publish({.pod = "old"}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("something is mounted there")));
  EXPECT_OK(node_.Unpublish("old"));
}

TEST_F(TakeOverTest, ADrainedNodeServesWhatItHasAndGivesNothingMore) {
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  node_.StartMounter();
  ASSERT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  ASSERT_OK(node_.Publish({.pod = "before"}));
  node_.StartMounter({"--drain"});
  EXPECT_OK(node_.Publish({.pod = "before"}));
  EXPECT_EQ(node_.RunIn("before").exit_code, 0);
  EXPECT_EQ(node_.AgentLog("before"), AgentLine("before", kFirstAgentVersion));

  ASSERT_OK(node_.Publish({.pod = "after"}));
  const auto marker =
      ReadWholeFile(absl::StrCat(node_.Target("after"), "/", kEmptyMarker));
  ASSERT_OK(marker);
  EXPECT_THAT(*marker, HasSubstr("the driver is being drained"));
  EXPECT_OK(node_.Unpublish("after"));
  EXPECT_OK(node_.Unpublish("before"));
  EXPECT_EQ(node_.MountCount(), 0);
}

}  // namespace
}  // namespace oneagent
