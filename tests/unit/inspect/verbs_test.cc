// The verbs that read the cache, and gc, on a real data directory.
#include "cache/inspect/verbs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/private_mounts.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/inspect/json_check.h"
#include "tests/unit/inspect/test_node.h"

namespace oneagent {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr char kAgent[] = "a100000000000000";
constexpr char kConfig[] = "c100000000000000";

class VerbsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { EnterPrivateMountNamespace(); }

  // The object, or the only one of the array, that a verb prints.
  google::protobuf::Map<std::string, google::protobuf::Value> Json(
      std::vector<std::string> words) {
    words.insert(words.end(), {"-o", "json"});
    const CliResult result = node_.Run(words);
    EXPECT_EQ(result.err, "");
    const google::protobuf::Value value = ParseAnyJson(result.out);
    if (value.has_struct_value()) return value.struct_value().fields();
    EXPECT_EQ(value.list_value().values_size(), 1) << result.out;
    if (value.list_value().values_size() != 1) return {};
    return value.list_value().values(0).struct_value().fields();
  }

  bool Exists(const std::string& path) {
    struct stat info;
    return lstat(path.c_str(), &info) == 0;
  }

  LeakCheck leak_check_;
  TestNode node_;
};

TEST_F(VerbsTest, ListsAgentsVolumesAndTenants) {
  node_.MakeHealthy();
  const CliResult agents = node_.Run({"agents"});
  EXPECT_EQ(agents.code, kExitFine);
  EXPECT_THAT(agents.out, StartsWith("ID                VERSION"));
  EXPECT_THAT(agents.out, HasSubstr("a100000000000000  1.301.0  ready"));
  EXPECT_EQ(Json({"agents"})["leases"].number_value(), 1);
  EXPECT_EQ(Json({"agents"})["files"].number_value(), 2);

  const CliResult volumes = node_.Run({"volumes"});
  EXPECT_EQ(volumes.code, kExitFine);
  EXPECT_THAT(volumes.out, HasSubstr("csi-1   shop       web  prod"));
  EXPECT_EQ(Json({"volumes"})["state"].string_value(), "mounted");
  EXPECT_EQ(Json({"volumes"})["version"].string_value(), "1.301.0");

  const CliResult tenants = node_.Run({"tenants"});
  EXPECT_EQ(tenants.code, kExitFine);
  EXPECT_EQ(Json({"tenants"})["currentAgentId"].string_value(), kAgent);
}

TEST_F(VerbsTest, SayWhatIsOldOfTheTenants) {
  node_.MakeHealthy();
  EXPECT_THAT(node_.Run({"tenants"}).out, Not(HasSubstr("as last known")));
  ASSERT_OK(node_.index().SetSourceTrouble("no\x1b answer; since 10:00"));
  EXPECT_THAT(node_.Run({"tenants"}).out,
              HasSubstr("\nas last known, DynaKubes cannot be listed: "
                        "no\\x1b answer; since 10:00\n"));
  ASSERT_OK(node_.index().SetSourceTrouble("nothing is collected while x"));
  EXPECT_THAT(node_.Run({"tenants"}).out,
              HasSubstr("\nnothing is collected while x\n"));
  ASSERT_OK(node_.index().SetSourceTrouble("no answer; since 10:00"));
  EXPECT_THAT(Json({"tenants"})["sourceTrouble"].string_value(),
              HasSubstr("since 10:00"));
}

TEST_F(VerbsTest, WorkWhenTheDaemonsDoNotRun) {
  node_.MakeHealthy();
  node_.CloseIndex();
  EXPECT_EQ(node_.Run({"agents"}).code, kExitFine);
  EXPECT_EQ(node_.Run({"volumes"}).code, kExitFine);
}

TEST_F(VerbsTest, WithoutAnIndexSaySoInOneLine) {
  node_.CloseIndex();
  ASSERT_EQ(unlink(node_.layout().IndexFile().c_str()), 0);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"agents"},
        {"volumes"},
        {"tenants"},
        {"show", "x"},
        {"du"},
        {"gc", "--dry-run"},
        {"gc", "--now"}}) {
    const CliResult result = node_.Run(words);
    EXPECT_EQ(result.code, kExitFinding) << words[0];
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, StartsWith("oneagent-csi " + words[0] + ": "));
    EXPECT_THAT(result.err, HasSubstr("no index in"));
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1);
  }
  EXPECT_FALSE(Exists(node_.layout().IndexFile()));
}

TEST_F(VerbsTest, ADamagedIndexIsReportedNotReplaced) {
  node_.CloseIndex();
  node_.dir().WriteFile("data/index.db", std::string(8192, 'x'));
  const CliResult result = node_.Run({"agents"});
  EXPECT_EQ(result.code, kExitFinding);
  EXPECT_THAT(result.err, HasSubstr("when it is restarted"));
  EXPECT_EQ(ReadTestFile(node_.layout().IndexFile()), std::string(8192, 'x'));
}

TEST_F(VerbsTest, WrongUsageExitsWithTwo) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"gc"},
                                                {"frobnicate"},
                                                {"show"},
                                                {"agents", "--now"}}) {
    const CliResult result = node_.Run(words);
    EXPECT_EQ(result.code, kExitUsage) << words[0];
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, EndsWith("(see oneagent-csi --help)\n"));
  }
}

TEST_F(VerbsTest, HelpAndVersionAreFine) {
  EXPECT_EQ(node_.Run({"gc", "--help"}).code, kExitFine);
  EXPECT_THAT(node_.Run({"gc", "--help"}).out, HasSubstr("--dry-run"));
  EXPECT_THAT(node_.Run({"--version"}).out, StartsWith("oneagent-csi "));
}

TEST_F(VerbsTest, ShowTellsEverythingAboutOneThing) {
  node_.MakeHealthy();
  const CliResult agent = node_.Run({"show", "a1"});
  EXPECT_EQ(agent.code, kExitFine);
  EXPECT_THAT(agent.out, HasSubstr("volumes:      csi-1\n"));
  EXPECT_EQ(Json({"show", "a1"})["type"].string_value(), "agent");
  EXPECT_EQ(
      Json({"show", "c1"})["dynakubes"].list_value().values(0).string_value(),
      "prod");
  EXPECT_EQ(Json({"show", "csi-1"})["podUid"].string_value(), "uid-csi-1");
  EXPECT_EQ(Json({"show", "prod"})["currentConfigId"].string_value(), kConfig);
  const CliResult unknown = node_.Run({"show", "nope"});
  EXPECT_EQ(unknown.code, kExitFinding);
  EXPECT_THAT(unknown.err, HasSubstr("nope: no agent, config, volume"));
}

TEST_F(VerbsTest, VerifyFindsIntactTreesIntactEvenWithoutAnIndex) {
  node_.MakeHealthy();
  node_.CloseIndex();
  ASSERT_EQ(unlink(node_.layout().IndexFile().c_str()), 0);
  const CliResult result = node_.Run({"verify"});
  EXPECT_EQ(result.code, kExitFine) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("agent   a100000000000000  1.301.0  "
                                    "intact\n"));
  EXPECT_THAT(result.out, HasSubstr("config  c100000000000000"));
}

TEST_F(VerbsTest, VerifyNamesEachDifference) {
  node_.MakeHealthy();
  node_.dir().WriteFile("data/agents/a100000000000000/planted", "x");
  node_.dir().WriteFile(
      "data/agents/a100000000000000/agent/lib64/liboneagentproc.so", "1.3O1.0");
  const CliResult result = node_.Run({"verify"});
  EXPECT_EQ(result.code, kExitFinding);
  EXPECT_THAT(result.out, HasSubstr("2 differences\n"));
  EXPECT_THAT(result.out, HasSubstr("agent a100000000000000: "));
  EXPECT_THAT(result.out, HasSubstr("agent/lib64/liboneagentproc.so"));
  EXPECT_THAT(result.out, HasSubstr("planted"));
  EXPECT_THAT(result.out, HasSubstr("c100000000000000  -        intact\n"));
  EXPECT_EQ(node_.Run({"verify", kConfig}).code, kExitFine);
  EXPECT_EQ(node_.Run({"verify", kAgent}).code, kExitFinding);
  EXPECT_FALSE(Json({"verify", kAgent})["intact"].bool_value());
  EXPECT_EQ(Json({"verify", kAgent})["differences"].list_value().values_size(),
            2);
}

TEST_F(VerbsTest, VerifyOfTheUnknownFails) {
  node_.MakeHealthy();
  const CliResult result = node_.Run({"verify", "nope"});
  EXPECT_EQ(result.code, kExitFinding);
  EXPECT_THAT(result.err, HasSubstr("nope: no manifest"));
}

TEST_F(VerbsTest, DuTellsSharedFromPrivate) {
  node_.MakeHealthy();
  const AgentRow agent = *node_.index().GetAgent(kAgent).value();
  const double config_bytes = Json({"show", kConfig})["bytes"].number_value();
  node_.AddVolume("csi-2", "prod");
  node_.dir().WriteFile("data/volumes/csi-2/upper/log",
                        std::string(1000000, 'x'));
  auto usage = Json({"du"});
  const double shared = static_cast<double>(agent.bytes) + config_bytes;
  EXPECT_EQ(usage["sharedBytes"].number_value(), shared);
  const double own = usage["privateBytes"].number_value();
  EXPECT_GE(own, 1000000);
  EXPECT_EQ(usage["copiedBytes"].number_value(), 2 * shared + own);
  EXPECT_EQ(usage["savedBytes"].number_value(), shared);
  EXPECT_EQ(usage["volumes"].list_value().values_size(), 2);
  const CliResult table = node_.Run({"du"});
  EXPECT_EQ(table.code, kExitFine);
  EXPECT_THAT(table.out, HasSubstr("a copy per pod would take:  "));
}

TEST_F(VerbsTest, GcDryRunSaysWhatWouldGoAndChangesNothing) {
  node_.MakeHealthy();
  node_.AddAgent("a200000000000000", "1.300.0");
  node_.clock().Advance(absl::Hours(1));
  const CliResult result =
      node_.Run({"gc", "--dry-run", "--keep-versions", "0"});
  EXPECT_EQ(result.code, kExitFine) << result.err;
  EXPECT_THAT(result.out, HasSubstr("agent         a200000000000000\n"));
  EXPECT_THAT(result.out, Not(HasSubstr(kAgent)));
  EXPECT_TRUE(Exists(node_.layout().AgentTree("a200000000000000")));
  auto report = Json({"gc", "--dry-run", "--keep-versions", "0"});
  EXPECT_TRUE(report["dryRun"].bool_value());
  EXPECT_EQ(report["agents"].list_value().values(0).string_value(),
            "a200000000000000");
  EXPECT_GT(report["bytes"].number_value(), 0);
  // The newest unused one is kept by default.
  EXPECT_THAT(node_.Run({"gc", "--dry-run"}).out,
              HasSubstr("nothing to collect"));
}

TEST_F(VerbsTest, GcNowRemovesWhatIsUnusedAndSparesWhatIsLeased) {
  node_.MakeHealthy();
  node_.AddAgent("a200000000000000", "1.300.0");
  node_.clock().Advance(absl::Hours(1));
  const CliResult result = node_.Run({"gc", "--now", "--keep-versions", "0"});
  EXPECT_EQ(result.code, kExitFine) << result.err;
  EXPECT_THAT(result.out, HasSubstr("a200000000000000"));
  EXPECT_FALSE(Exists(node_.layout().AgentTree("a200000000000000")));
  EXPECT_FALSE(Exists(node_.layout().AgentManifest("a200000000000000")));
  EXPECT_TRUE(Exists(node_.layout().AgentTree(kAgent)));
}

TEST_F(VerbsTest, GcSaysClearlyThatTheIndexIsNotReconciled) {
  node_.MakeHealthy();
  node_.AddAgent("a200000000000000", "1.300.0");
  ASSERT_OK(node_.index().SetReconciled("an-earlier-boot"));
  node_.clock().Advance(absl::Hours(1));
  const CliResult now = node_.Run({"gc", "--now", "--keep-versions", "0"});
  EXPECT_EQ(now.code, kExitFinding);
  EXPECT_THAT(now.err, HasSubstr("has not reconciled"));
  EXPECT_TRUE(Exists(node_.layout().AgentTree("a200000000000000")));
  const CliResult dry = node_.Run({"gc", "--dry-run", "--keep-versions", "0"});
  EXPECT_EQ(dry.code, kExitFine);
  EXPECT_THAT(dry.out, HasSubstr("has not reconciled"));
}

TEST_F(VerbsTest, GcNowWantsRoot) {
  node_.MakeHealthy();
  ASSERT_EQ(seteuid(65534), 0);
  const CliResult result = node_.Run({"gc", "--now"});
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(result.code, kExitFinding);
  EXPECT_THAT(result.err, HasSubstr("wants root"));
}

// As on a full disk, or into a pipe that nobody reads.
TEST_F(VerbsTest, WhatCannotBeWrittenIsAFailure) {
  node_.MakeHealthy();
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"agents"},
                                             {"volumes", "-o", "json"},
                                             {"tenants"},
                                             {"show", kAgent},
                                             {"verify"},
                                             {"du"},
                                             {"gc", "--dry-run"},
                                             {"doctor"},
                                             {"--help"},
                                             {"--version"}}) {
    std::ofstream full("/dev/full");
    const CliResult result = node_.RunInto(full, words);
    EXPECT_EQ(result.code, kExitFinding) << words[0];
    EXPECT_THAT(result.err, StartsWith("oneagent-csi: standard output: "))
        << words[0];
  }
}

TEST_F(VerbsTest, AnEndpointThatIsNoSocketIsWrongUsage) {
  const CliResult result = node_.Run({"probe", "--endpoint", "tcp://h:1"});
  EXPECT_EQ(result.code, kExitUsage);
  EXPECT_THAT(result.err, StartsWith("oneagent-csi: --endpoint=tcp://h:1: "));
}

}  // namespace
}  // namespace oneagent
