// Whatever is broken: the pod starts, and everybody can see why without agent.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "overlay/mounter.h"
#include "tests/e2e/node.h"
#include "tests/support/archive_builder.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

class FailureTest : public testing::Test {
 protected:
  void ExpectEmpty(const std::string& pod, const std::string& why) {
    const auto volume = node_.Volume(pod);
    ASSERT_TRUE(volume.has_value());
    EXPECT_EQ(volume->state, VolumeState::kEmpty);
    EXPECT_THAT(volume->reason, HasSubstr(why));
    EXPECT_THAT(
        ReadWholeFile(absl::StrCat(node_.Target(pod), "/", kEmptyMarker)),
        IsOkAndHolds(HasSubstr(why)));
    // The process starts, and the loader has nothing to complain of.
    const ProgramResult run = node_.RunIn(pod);
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_EQ(run.err, "");
  }
  // A tenant that answers `fault` or serves `zip`; the reconcile's verdict.
  void ExpectFailed(const std::string& cause) {
    EXPECT_EQ(node_.ProvisionOnce(), 1);
    const auto tenant = node_.Tenant("demo");
    ASSERT_TRUE(tenant.has_value()) << node_.ProvisionerLog();
    EXPECT_EQ(tenant->state, TenantState::kFailed);
    EXPECT_THAT(tenant->reason, HasSubstr(cause));
    EXPECT_THAT(node_.ProvisionerLog(), HasSubstr(cause));
    EXPECT_THAT(node_.Cli({"tenants"}).out, HasSubstr("failed"));
    EXPECT_THAT(node_.Agents(), testing::IsEmpty());
    EXPECT_THAT(ListDirectory(node_.layout().AgentsDir()),
                IsOkAndHolds(testing::IsEmpty()));
  }
  void ServeZip(const std::string& bytes) {
    node_.tenant().Update([&](ServedTenant& state) {
      state.agents[kFirstAgentVersion] = {.bytes = bytes, .path = ""};
    });
  }

  Node node_;
};

TEST_F(FailureTest, UnknownDynaKubeBlocksUntilItsTimeoutThenStartsEmpty) {
  node_.StartMounter();
  const PodVolume patient = {.pod = "a", .dynakube = "nobody"};
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(node_.Publish(patient),
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr("csi-provisioner hasn't finished setup yet "
                                   "for nobody DynaKube")));
  }
  EXPECT_EQ(node_.Volume("a")->state, VolumeState::kWaiting);
  EXPECT_EQ(node_.Volume("a")->attempts, 3);
  EXPECT_EQ(node_.MountCount(), 0);
  EXPECT_OK(node_.Unpublish("a"));
  EXPECT_EQ(node_.Volume("a"), std::nullopt);

  const PodVolume hasty = {
      .pod = "b", .dynakube = "nobody", .retry_timeout = "0s"};
  EXPECT_OK(node_.Publish(hasty));
  ExpectEmpty("b", "nobody");
  EXPECT_OK(node_.Publish(hasty));
  EXPECT_EQ(node_.MountCount(), 1);
  EXPECT_OK(node_.Unpublish("b"));
}

TEST_F(FailureTest, MaxMountAttemptsEndsTheWaitToo) {
  node_.StartMounter({"--max-mount-attempts=2"});
  const PodVolume volume = {.pod = "a", .dynakube = "nobody"};
  EXPECT_THAT(node_.Publish(volume), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_OK(node_.Publish(volume));
  ExpectEmpty("a", "nobody");
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(FailureTest, AWaitingPodIsServedWhenTheAgentArrives) {
  node_.StartMounter();
  EXPECT_THAT(node_.Publish({.pod = "a"}),
              StatusIs(absl::StatusCode::kUnavailable));
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  EXPECT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  EXPECT_OK(node_.Publish({.pod = "a"}));
  EXPECT_EQ(node_.Volume("a")->attempts, 0);
  EXPECT_EQ(node_.RunIn("a").exit_code, 0);
  EXPECT_EQ(node_.AgentLog("a"), AgentLine("a", kFirstAgentVersion));
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(FailureTest, WrongToken) {
  node_.ApplyDynaKube({.version = kFirstAgentVersion, .token = "dt0c01.wrong"});
  ExpectFailed("connection info: HTTP 401: Token Authentication failed");
  EXPECT_THAT(node_.ProvisionerLog(), testing::Not(HasSubstr("dt0c01.wrong")));
}

TEST_F(FailureTest, VersionThatTheTenantDoesNotHave) {
  node_.ApplyDynaKube({.version = "1.999.0.20300101-000000"});
  ExpectFailed("1.999.0.20300101-000000");
  EXPECT_THAT(node_.Tenant("demo")->reason, HasSubstr(kFirstAgentVersion))
      << "says which versions there are";
}

TEST_F(FailureTest, BrokenZip) {
  std::string zip =
      ArchiveBuilder()
          .File("agent/lib64/liboneagentproc.so", std::string(5000, 'x'), 0755)
          .Build(ArchiveFormat::kZipStored);
  zip[2000] = 'y';  // the CRC does not fit any more
  ServeZip(zip);
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  ExpectFailed("agent/lib64/liboneagentproc.so: ZIP bad CRC");
}

TEST_F(FailureTest, ZipThatWantsOut) {
  ServeZip(ArchiveBuilder()
               .File("agent/../../../../../../../../tmp/oneagent-escaped", "x")
               .Build(ArchiveFormat::kZip));
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  ExpectFailed("..");
  EXPECT_THAT(PathExists("/tmp/oneagent-escaped"), IsOkAndHolds(false));
}

TEST_F(FailureTest, ZipWithoutDirectoryEntriesWorksForAnyUser) {
  // The package has none; the reference gave missing parents the file's mode.
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  node_.StartMounter();
  EXPECT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  ASSERT_OK(node_.Publish({.pod = "a"}));
  // From inside, as in a container: the way there is for root alone.
  const ProgramResult run = RunProgram(
      {"/bin/sh", "-c",
       absl::StrCat("cd ", node_.Target("a"),
                    " && exec setpriv --reuid=4711 --regid=4711 --clear-groups"
                    " sh -c 'cat agent/res/text-0.properties"
                    " && echo x > log/mine && echo x > new-file"
                    " && echo x >> agent/conf/ruxitagentproc.conf'")});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(FailureTest, TheOldAgentGoesOnWhenTheNewOneCannotBeHad) {
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  node_.StartMounter();
  EXPECT_EQ(node_.ProvisionOnce(), 0);
  node_.ApplyDynaKube({.version = "1.999.0.20300101-000000"});
  EXPECT_EQ(node_.ProvisionOnce(), 1);
  EXPECT_EQ(node_.Tenant("demo")->state, TenantState::kFailed);
  EXPECT_OK(node_.Publish({.pod = "a"}));
  EXPECT_EQ(node_.RunIn("a").exit_code, 0);
  EXPECT_EQ(node_.AgentLog("a"), AgentLine("a", kFirstAgentVersion));
  EXPECT_OK(node_.Unpublish("a"));
}

TEST_F(FailureTest, DeletedDynaKubeKeepsItsPodsAndStartsNewOnesEmpty) {
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  node_.StartMounter();
  const std::vector<std::string> flags = {"--grace-period=0s",
                                          "--keep-versions=0"};
  EXPECT_EQ(node_.ProvisionOnce(flags), 0) << node_.ProvisionerLog();
  ASSERT_OK(node_.Publish({.pod = "old"}));

  node_.DeleteDynaKube("demo");
  EXPECT_EQ(node_.ProvisionOnce(flags), 0) << node_.ProvisionerLog();
  EXPECT_THAT(node_.Publish({.pod = "new"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("deleted")));
  EXPECT_OK(node_.Publish({.pod = "new", .retry_timeout = "0s"}));
  ExpectEmpty("new", "deleted");
  EXPECT_EQ(node_.RunIn("old").exit_code, 0);
  EXPECT_EQ(node_.AgentLog("old"), AgentLine("old", kFirstAgentVersion));
  EXPECT_THAT(node_.Agents(), testing::SizeIs(1)) << "leased";

  // Coming back by the same name undoes it, without a download.
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  EXPECT_EQ(node_.ProvisionOnce(flags), 0) << node_.ProvisionerLog();
  ASSERT_OK(node_.Publish({.pod = "back"}));
  EXPECT_EQ(node_.RunIn("back").exit_code, 0);
  EXPECT_EQ(node_.tenant().CountRequests("/version/"), 1);

  node_.DeleteDynaKube("demo");
  for (const char* const pod : {"old", "new", "back"}) {
    EXPECT_OK(node_.Unpublish(pod));
  }
  for (int i = 0; i < 2; ++i) EXPECT_EQ(node_.ProvisionOnce(flags), 0);
  EXPECT_THAT(node_.Agents(), testing::IsEmpty());
}

TEST_F(FailureTest, InvalidRequestsAreRefusedAndNotCounted) {
  node_.StartMounter();
  EXPECT_THAT(node_.Publish({.pod = "a", .dynakube = "../x"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("Invalid dynakube name")));
  EXPECT_THAT(node_.Publish({.pod = "a", .mode = "moon"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("unknown csi mode provided, mode=moon")));
  EXPECT_THAT(node_.Publish({.pod = "a",
                             .attributes = {{"conf.general.tenant", "evil"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(node_.Volume("a"), std::nullopt);
}

TEST_F(FailureTest, IndexUnusableStillStartsPodsAfterTheirTimeout) {
  node_.StartMounter();
  // A directory where the file should be: nothing can be opened or set aside
  // by renaming a file.
  node_.DeleteIndex();
  ASSERT_OK(EnsureDirectory(node_.layout().IndexFile(), 0700));
  ASSERT_OK(WriteFileAtomically(node_.layout().IndexFile() + "/x", "", 0600,
                                Durability::kNoSync));
  EXPECT_THAT(node_.Publish({.pod = "a"}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_OK(node_.Publish({.pod = "b", .retry_timeout = "0s"}));
  EXPECT_EQ(node_.RunIn("b").exit_code, 0);
  EXPECT_OK(node_.Unpublish("b"));
  EXPECT_OK(node_.Unpublish("a"));
}

}  // namespace
}  // namespace oneagent
