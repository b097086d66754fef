// What operators read: every line of a real run is what docs/logging.md says,
// and one volume can be followed by its id through both daemons' logs.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/durable_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/node.h"
#include "tests/support/document.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

using Fields = std::map<std::string, std::string>;

class LogStoryTest : public testing::Test {
 protected:
  ~LogStoryTest() override {
    const LogDocument document = ReadLogDocument();
    for (const std::string& line : Lines()) {
      EXPECT_THAT(CheckLogLine(line, document), IsEmpty()) << line;
    }
  }

  std::vector<std::string> Lines() const {
    std::vector<std::string> lines = absl::StrSplit(
        node_.MounterLog() + node_.ProvisionerLog(), '\n', absl::SkipEmpty());
    // The time is at the front of each.
    std::stable_sort(lines.begin(), lines.end());
    return lines;
  }

  // Of both daemons, in the order of time: "component: message, outcome".
  std::vector<std::string> StoryOf(const std::string& pod) const {
    std::vector<std::string> story;
    for (const Fields& fields : LinesAbout(pod)) {
      const auto outcome = fields.find("outcome");
      story.push_back(
          absl::StrCat(fields.at("component"), ": ", fields.at("message"),
                       outcome == fields.end() ? "" : ", " + outcome->second));
    }
    return story;
  }
  std::vector<Fields> LinesAbout(const std::string& pod) const {
    std::vector<Fields> found;
    for (const std::string& line : Lines()) {
      Fields fields = LogFieldsOf(line);
      if (fields["volume"] == Node::VolumeId(pod)) found.push_back(fields);
    }
    return found;
  }
  void AwaitLine(const std::string& part) {
    EXPECT_TRUE(Node::WaitUntil([&] {
      return absl::StrContains(node_.MounterLog() + node_.ProvisionerLog(),
                               part);
    })) << part;
  }

  Node node_;
  const std::vector<std::string> flags_ = {"--log-format=json",
                                           "--log-level=debug"};
};

TEST_F(LogStoryTest, OneThatWaitedAndGotItsAgent) {
  node_.StartMounter(flags_);
  node_.StartProvisioner(flags_);
  EXPECT_THAT(node_.Publish({.pod = "a"}),
              StatusIs(absl::StatusCode::kUnavailable));
  AwaitLine("\"message\":\"volume waits\"");
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  AwaitLine("\"message\":\"volume can be published\"");
  ASSERT_OK(node_.Publish({.pod = "a"}));
  ASSERT_OK(node_.Unpublish("a"));
  EXPECT_THAT(StoryOf("a"),
              ElementsAre("mounter/node: NodePublishVolume, failed",
                          "provisioner/volumes: volume waits",
                          "provisioner/volumes: volume can be published",
                          "mounter/node: NodePublishVolume, mounted",
                          "mounter/node: NodeUnpublishVolume, unpublished"));
  const std::vector<Fields> lines = LinesAbout("a");
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_THAT(lines[0], Contains(Pair("error", HasSubstr("no such DynaKube"))));
  EXPECT_THAT(lines[1], Contains(Pair("cause", HasSubstr("no such DynaKube"))));
  for (const Fields& line : lines) {
    EXPECT_THAT(line, AllOf(Contains(Pair("dynakube", "demo")),
                            Contains(Pair("pod", "a")),
                            Contains(Pair("namespace", "shop"))));
  }
  EXPECT_EQ(lines[2].at("version"), kFirstAgentVersion);
  EXPECT_EQ(lines[3].at("failures"), "1");
  EXPECT_EQ(lines[3].at("agent"), lines[2].at("agent"));
}

TEST_F(LogStoryTest, OneThatFailedOpen) {
  node_.StartMounter(flags_);
  node_.StartProvisioner(flags_);
  ASSERT_OK(node_.Publish({.pod = "a", .retry_timeout = "0s"}));
  AwaitLine("\"message\":\"volume was published without an agent\"");
  EXPECT_THAT(
      StoryOf("a"),
      ElementsAre("mounter/node: NodePublishVolume, empty",
                  "provisioner/volumes: volume was published without an "
                  "agent"));
  for (const Fields& line : LinesAbout("a")) {
    EXPECT_EQ(line.at("level"), "warning");
  }
  ASSERT_OK(node_.Unpublish("a"));
}

TEST_F(LogStoryTest, OneThatTheMounterFoundAgainAndOneWhosePodWent) {
  node_.StartMounter(flags_);
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  EXPECT_EQ(node_.ProvisionOnce(flags_), 0);
  ASSERT_OK(node_.Publish({.pod = "a"}));
  // It fails, and its pod goes without an unpublish.
  EXPECT_FALSE(node_.Publish({.pod = "b", .dynakube = "nobody"}).ok());
  node_.RemovePodDir("b");
  node_.mounter().Terminate();
  ASSERT_OK(RemoveFileIfPresent(node_.layout().IndexFile()));
  ASSERT_OK(
      RemoveFileIfPresent(node_.layout().VolumeRecord(Node::VolumeId("a"))));
  node_.StartMounter(flags_);
  EXPECT_THAT(StoryOf("a"), Contains("mounter/volumes: volume recovered from "
                                     "the mount table"));
  ASSERT_OK(node_.Unpublish("a"));
  AwaitLine("\"message\":\"volume collected\"");
  EXPECT_THAT(StoryOf("b"),
              ElementsAre("mounter/node: NodePublishVolume, failed",
                          "mounter/volumes: volume collected"));
}

TEST_F(LogStoryTest, LevelsAreByComponent) {
  node_.StartMounter({"--log-format=json", "--log-level=error,node=info"});
  node_.ApplyDynaKube({.version = kFirstAgentVersion});
  EXPECT_EQ(node_.ProvisionOnce({"--log-format=json",
                                 "--log-level=download=error,warning,"
                                 "reconcile=info"}),
            0);
  ASSERT_OK(node_.Publish({.pod = "a"}));
  ASSERT_OK(node_.Unpublish("a"));
  std::vector<std::string> story;
  for (const std::string& line : Lines()) {
    const Fields fields = LogFieldsOf(line);
    story.push_back(
        absl::StrCat(fields.at("component"), ": ", fields.at("message")));
  }
  EXPECT_THAT(story, ElementsAre("provisioner/reconcile: reconciled",
                                 "mounter/node: NodePublishVolume",
                                 "mounter/node: NodeUnpublishVolume"));
}

}  // namespace
}  // namespace oneagent
