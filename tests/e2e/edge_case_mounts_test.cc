// Edge cases of the list in edge_cases_test.cc: what may be found at a target,
// and what the mounter looks at.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/edge_case_fixture.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(EdgeCaseTest, Case06_StackedMountsAllGo) {
  StartNode();
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilSettled());
  for (int i = 0; i < 3; ++i) MountTmpfs(Target("a"));
  ASSERT_EQ(node_.MountCount(), 4);
  DeletePod("a");
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_EQ(node_.MountCount(), 0);
}

TEST_F(EdgeCaseTest, Case07_MountWhoseServerIsDeadGoesWithThePod) {
  StartNode();
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilSettled());
  MountFuse(Target("a")).Reset();
  struct stat info;
  ASSERT_EQ(stat(Target("a").c_str(), &info), -1);
  ASSERT_EQ(errno, ENOTCONN);
  DeletePod("a");
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_EQ(node_.MountCount(), 0);
}

TEST_F(EdgeCaseTest, Case11_NothingIsMountedButTheVolumes) {
  StartNode();
  const auto before = ReadMountTable();
  ASSERT_OK(before);
  CreatePods(4);
  CreatePod({.pod = "ro", .read_only = true});
  CreatePod({.pod = "host", .mode = "host"});
  CreatePod({.pod = "empty", .dynakube = "nobody", .retry_timeout = "0s"});
  ASSERT_TRUE(RunUntilSettled());
  const auto after = ReadMountTable();
  ASSERT_OK(after);
  EXPECT_EQ(after->size(), before->size() + 7);
  EXPECT_THAT(node_.Mounts(), SizeIs(7));
  for (const MountEntry& entry : *after) {
    EXPECT_FALSE(
        absl::StartsWith(entry.mount_point, node_.layout().data_dir() + "/"))
        << entry.mount_point;
  }
}

TEST_F(EdgeCaseTest, Case13_ForeignMountIsNotTakenForThePodsVolume) {
  StartNode();
  MakeKubeletDirs(Target("a") + "/");
  MountTmpfs(Target("a"));
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 3));
  EXPECT_THAT(Answers(CallKind::kPublish),
              Each(StatusIs(absl::StatusCode::kUnavailable,
                            HasSubstr("something is mounted there"))));
  EXPECT_THAT(node_.Mounts(), SizeIs(1));
  ASSERT_EQ(umount2(Target("a").c_str(), 0), 0);
  ASSERT_TRUE(RunUntilMounted("a"));
  ExpectAgentWorks("a");
}

TEST_F(EdgeCaseTest, Case15_WhatIsInTheTargetsPlaceIsKept) {
  StartNode();
  TempDir outside;
  const std::string precious = outside.WriteFile("dir/precious", "keep");
  for (const char* const pod : {"file", "full", "link"}) {
    MakeKubeletDirs(Target(pod));
    CreatePod({.pod = pod});
  }
  const std::string inside = Target("full") + "/inside";
  ASSERT_OK(
      WriteFileAtomically(Target("file"), "1", 0600, Durability::kNoSync));
  MakeKubeletDirs(inside);
  ASSERT_OK(WriteFileAtomically(inside, "2", 0600, Durability::kNoSync));
  ASSERT_EQ(symlink(outside.Path("dir").c_str(), Target("link").c_str()), 0);
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 6));
  EXPECT_THAT(Answers(CallKind::kPublish),
              Each(StatusIs(absl::StatusCode::kUnavailable)));
  EXPECT_EQ(node_.MountCount(), 0);
  EXPECT_EQ(ReadTestFile(Target("file")), "1");
  EXPECT_EQ(ReadTestFile(inside), "2");
  EXPECT_EQ(ReadTestFile(precious), "keep");
  // Out of the way, everybody gets what is his.
  for (const std::string& path : {Target("file"), inside, Target("link")}) {
    ASSERT_EQ(unlink(path.c_str()), 0);
  }
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_THAT(node_.Mounts(), SizeIs(3));
}

TEST_F(EdgeCaseTest, Case26_NoCallReadsTheMountTable) {
  constexpr int kMore = 1000;
  StartNode();
  const int64_t few = BytesReadFor({"a", "b", "c", "d", "e"});
  TempDir crowd;
  MountTmpfs(crowd.path());
  for (int i = 0; i < kMore; ++i) {
    const std::string at = crowd.MakeDir(absl::StrCat(i));
    ASSERT_EQ(mount(at.c_str(), at.c_str(), nullptr, MS_BIND, nullptr), 0);
  }
  const int64_t many = BytesReadFor({"f", "g", "h", "i", "j"});
  const int64_t table = static_cast<int64_t>(
      ReadTestFile(absl::StrCat("/proc/", node_.mounter().pid(), "/mountinfo"))
          .size());
  EXPECT_EQ(umount2(crowd.path().c_str(), MNT_DETACH), 0);
  ASSERT_GT(table, kMore * 50);
  // Ten calls; even one reading of the table would show.
  EXPECT_LT(many - few, table / 2);
}

// Host storage is bound from the same disk that kubelet's directory is on.
TEST_F(EdgeCaseTest, Case28_BindWithinOneFileSystemIsKnownForAMount) {
  StartNode();
  CreatePod({.pod = "host", .mode = "host"});
  ASSERT_TRUE(RunUntilSettled());
  const std::vector<MountEntry> before = node_.Mounts();
  ASSERT_THAT(before, SizeIs(1));
  ASSERT_FALSE(IsLikelyMountPoint(Target("host"))) << "device numbers differ";
  kubelet().Restart();
  ASSERT_TRUE(RunUntilSettled());
  EXPECT_EQ(node_.Mounts(), before);
  ASSERT_OK(WriteFileAtomically(Target("host") + "/state", "kept", 0644,
                                Durability::kNoSync));
  DeletePod("host");
  ASSERT_TRUE(RunUntilGone("host"));
  EXPECT_EQ(node_.MountCount(), 0);
  EXPECT_EQ(ReadTestFile(node_.layout().HostStorage("demo") + "/state"),
            "kept");
}

TEST_F(EdgeCaseTest, Case29_ServerThatNeverAnswersHangsNobody) {
  StartNode();
  StartKubelet(/*call_timeout=*/absl::Seconds(20));
  CreatePod({.pod = "a"});
  CreatePod({.pod = "b"});
  ASSERT_TRUE(RunUntilSettled());
  const UniqueFd silent = MountFuse(Target("a"));
  const auto stats = kubelet().CollectStats();
  ASSERT_THAT(stats, SizeIs(2));
  EXPECT_THAT(stats, Each(IsOk()));
  EXPECT_THAT(TestCsiClient(node_.socket()).Probe(), IsOkAndHolds(true));
  DeletePod("a");
  ASSERT_TRUE(RunUntilGone("a"));
  EXPECT_EQ(node_.MountCount(), 1);
}

TEST_F(EdgeCaseTest, Case30_ProbeIsReadyBeforeAnyAgentIsThere) {
  node_.StartMounter();
  TestCsiClient client(node_.socket());
  EXPECT_THAT(client.Probe(), IsOkAndHolds(true));
  CreatePod({.pod = "a"});
  ASSERT_TRUE(RunUntilCalls(CallKind::kPublish, 2));
  EXPECT_THAT(Answers(CallKind::kPublish),
              Each(StatusIs(absl::StatusCode::kUnavailable,
                            HasSubstr("hasn't finished setup yet"))));
  EXPECT_THAT(client.Probe(), IsOkAndHolds(true));
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  ASSERT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  ASSERT_TRUE(RunUntilMounted("a"));
  ExpectAgentWorks("a");
}

}  // namespace
}  // namespace oneagent
