// The main job with the shipped programs: what ./dev demo shows, and what must
// hold when calls come twice, late, or a hundred at once.

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/node.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

class MainJobTest : public testing::Test {
 protected:
  void StartWithFirstVersion() {
    node_.ApplyDynaKube({.version = kFirstAgentVersion});
    node_.StartMounter();
    node_.StartProvisioner({"--grace-period=0s", "--keep-versions=0"});
    ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion));
  }

  Node node_;
};

TEST_F(MainJobTest, EveryPodGetsItsOwnOverlayOfOneAgent) {
  StartWithFirstVersion();
  ASSERT_OK(node_.Publish({.pod = "a"}));
  ASSERT_OK(node_.Publish({.pod = "b"}));
  ASSERT_OK(node_.Publish({.pod = "ro", .read_only = true}));

  EXPECT_EQ(node_.RunIn("a").exit_code, 0);
  EXPECT_EQ(node_.RunIn("b").exit_code, 0);
  EXPECT_EQ(node_.RunIn("ro").err, AgentLine("ro", kFirstAgentVersion));
  EXPECT_EQ(node_.AgentLog("a"), AgentLine("a", kFirstAgentVersion));
  EXPECT_EQ(node_.AgentLog("b"), AgentLine("b", kFirstAgentVersion));

  EXPECT_EQ(node_.tenant().CountRequests("/version/"), 1);
  ASSERT_THAT(node_.Agents(), testing::SizeIs(1));
  EXPECT_EQ(node_.Agents()[0].leases, 3);
  EXPECT_EQ(node_.MountCount(), 3);
  for (const char* const pod : {"a", "b", "ro"}) {
    EXPECT_OK(node_.Unpublish(pod));
    EXPECT_THAT(PathExists(node_.Target(pod)), IsOkAndHolds(false));
  }
  EXPECT_EQ(node_.Agents()[0].leases, 0);
}

TEST_F(MainJobTest, SwitchLeavesRunningPodsAndTheirAgentAlone) {
  StartWithFirstVersion();
  ASSERT_OK(node_.Publish({.pod = "old"}));
  node_.ApplyDynaKube({.version = kSecondAgentVersion});
  ASSERT_TRUE(node_.WaitForVersion(kSecondAgentVersion));
  ASSERT_OK(node_.Publish({.pod = "new"}));

  EXPECT_EQ(node_.RunIn("old").exit_code, 0);
  EXPECT_EQ(node_.RunIn("new").exit_code, 0);
  EXPECT_EQ(node_.AgentLog("old"), AgentLine("old", kFirstAgentVersion));
  EXPECT_EQ(node_.AgentLog("new"), AgentLine("new", kSecondAgentVersion));

  EXPECT_OK(node_.Unpublish("old"));
  EXPECT_TRUE(Node::WaitUntil([&] { return node_.Agents().size() == 1; }));
  EXPECT_EQ(node_.Agents()[0].version, kSecondAgentVersion);
  EXPECT_TRUE(Node::WaitUntil([&] {
    const auto left = ListDirectory(node_.layout().AgentsDir());
    return left.ok() && left->size() == 2;  // one tree and its manifest
  }));
  EXPECT_OK(node_.Unpublish("new"));
}

TEST_F(MainJobTest, PublishAndUnpublishMayComeTwice) {
  StartWithFirstVersion();
  ASSERT_OK(node_.Publish({.pod = "a"}));
  EXPECT_OK(node_.Publish({.pod = "a"}));
  EXPECT_EQ(node_.MountCount(), 1);
  EXPECT_OK(node_.Unpublish("a"));
  EXPECT_OK(node_.Unpublish("a"));
  EXPECT_OK(node_.Unpublish("never-seen"));
  EXPECT_EQ(node_.Volume("a"), std::nullopt);
}

TEST_F(MainJobTest, AHundredPodsAtOnce) {
  StartWithFirstVersion();
  constexpr int kPods = 100;
  std::vector<absl::Status> published(kPods), unpublished(kPods);
  std::vector<std::thread> threads;
  threads.reserve(kPods);
  for (int i = 0; i < kPods; ++i) {
    threads.emplace_back([this, i, &published] {
      published[static_cast<size_t>(i)] =
          node_.Publish({.pod = absl::StrCat("p", i)});
    });
  }
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  EXPECT_THAT(published, testing::Each(IsOk()));
  EXPECT_EQ(node_.MountCount(), kPods);
  EXPECT_EQ(node_.Agents()[0].leases, kPods);
  EXPECT_EQ(node_.RunIn("p99").exit_code, 0);
  EXPECT_EQ(node_.AgentLog("p99"), AgentLine("p99", kFirstAgentVersion));
  for (int i = 0; i < kPods; ++i) {
    threads.emplace_back([this, i, &unpublished] {
      unpublished[static_cast<size_t>(i)] =
          node_.Unpublish(absl::StrCat("p", i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(unpublished, testing::Each(IsOk()));
  EXPECT_EQ(node_.MountCount(), 0);
  EXPECT_EQ(node_.Agents()[0].leases, 0);
}

TEST_F(MainJobTest, HostModeWorksBeforeAnyAgentExists) {
  node_.StartMounter();
  ASSERT_OK(node_.Publish({.pod = "host", .mode = "host"}));
  const std::string file = node_.Target("host") + "/state";
  ASSERT_OK(WriteFileAtomically(file, "kept", 0644, Durability::kNoSync));
  EXPECT_OK(node_.Unpublish("host"));
  ASSERT_OK(node_.Publish({.pod = "host-2", .mode = "host"}));
  EXPECT_THAT(ReadWholeFile(node_.Target("host-2") + "/state"),
              IsOkAndHolds(std::string("kept")));
  EXPECT_OK(node_.Unpublish("host-2"));
}

TEST_F(MainJobTest, TwoDynaKubesOfOneVersionShareItsTreeAndItsDownload) {
  node_.ApplyDynaKube({.name = "one", .version = kFirstAgentVersion});
  node_.ApplyDynaKube({.name = "two", .version = kFirstAgentVersion});
  node_.StartMounter();
  EXPECT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  EXPECT_EQ(node_.Tenant("one")->agent_id, node_.Tenant("two")->agent_id);
  EXPECT_EQ(node_.tenant().CountRequests("/version/"), 1);
  ASSERT_OK(node_.Publish({.pod = "a", .dynakube = "one"}));
  ASSERT_OK(node_.Publish({.pod = "b", .dynakube = "two"}));
  EXPECT_OK(node_.Unpublish("a"));
  EXPECT_OK(node_.Unpublish("b"));
}

TEST_F(MainJobTest, TheNodesCliSeesWhatThereIs) {
  StartWithFirstVersion();
  ASSERT_OK(node_.Publish({.pod = "a"}));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"agents"},
        {"volumes"},
        {"tenants"},
        {"du"},
        {"verify"},
        {"gc", "--dry-run"},
        {"doctor", absl::StrCat("--endpoint=", node_.socket())},
        {"probe", absl::StrCat("--endpoint=", node_.socket())},
        {"show", Node::VolumeId("a")}}) {
    const ProgramResult result = node_.Cli(words);
    EXPECT_EQ(result.exit_code, 0) << words[0] << "\n"
                                   << result.out << result.err;
  }
  EXPECT_THAT(node_.Cli({"agents"}).out,
              testing::HasSubstr(kFirstAgentVersion));
  EXPECT_THAT(node_.Cli({"-o", "json", "volumes"}).out,
              testing::AllOf(testing::HasSubstr("\"volumeId\""),
                             testing::HasSubstr("\"mounted\"")));
  EXPECT_OK(node_.Unpublish("a"));
}

}  // namespace
}  // namespace oneagent
