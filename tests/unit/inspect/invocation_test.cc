#include "cache/inspect/invocation.h"

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

absl::StatusOr<Invocation> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "oneagent-csi");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return ParseInvocation("/data", "/here", static_cast<int>(argv.size()),
                         argv.data());
}

TEST(InvocationTest, GlobalFlagsStandBeforeOrAfterTheVerb) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--data-dir", "/x", "-o", "json", "agents"},
        {"agents", "--data-dir=/x", "--output=json"},
        {"-ojson", "agents", "--data-dir", "/x"}}) {
    ASSERT_OK_AND_ASSIGN(const Invocation it, Parse(words));
    EXPECT_EQ(it.verb, "agents");
    EXPECT_EQ(it.data_dir, "/x");
    EXPECT_EQ(it.output, Output::kJson);
  }
}

TEST(InvocationTest, DefaultsAreThoseOfTheContainers) {
  ASSERT_OK_AND_ASSIGN(const Invocation it, Parse({"doctor"}));
  EXPECT_EQ(it.data_dir, "/data");
  EXPECT_EQ(it.output, Output::kTable);
  EXPECT_EQ(it.socket_path, "/csi/csi.sock");
}

TEST(InvocationTest, AnEndpointIsASocketsPathInOneOfThreeSpellings) {
  for (const char* const verb : {"doctor", "probe"}) {
    for (const char* const endpoint : {"unix:///p/s", "unix:/p/s", "/p/s"}) {
      ASSERT_OK_AND_ASSIGN(const Invocation it,
                           Parse({verb, "--endpoint", endpoint}));
      EXPECT_EQ(it.socket_path, "/p/s") << endpoint;
    }
    for (const std::string& endpoint :
         {std::string("tcp://1.2.3.4:1"), std::string("p/s"), std::string(""),
          std::string("unix://host/s"), "/" + std::string(107, 'x')}) {
      EXPECT_THAT(Parse({verb, "--endpoint", endpoint}),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr(absl::StrCat("--endpoint=", endpoint))));
    }
  }
}

TEST(InvocationTest, ARelativeDataDirectoryIsBelowTheWorkingDirectory) {
  ASSERT_OK_AND_ASSIGN(const Invocation it,
                       Parse({"agents", "--data-dir", "x/y"}));
  EXPECT_EQ(it.data_dir, "/here/x/y");
}

TEST(InvocationTest, PublishTakesWhatKubeletWouldSend) {
  ASSERT_OK_AND_ASSIGN(const Invocation it, Parse({"publish",
                                                   "--volume-id",
                                                   "v",
                                                   "--target",
                                                   "/t",
                                                   "--pod",
                                                   "p",
                                                   "--namespace",
                                                   "n",
                                                   "--pod-uid",
                                                   "u",
                                                   "--dynakube",
                                                   "d",
                                                   "--mode",
                                                   "host",
                                                   "--read-only",
                                                   "--retry-timeout",
                                                   "5m",
                                                   "--attribute",
                                                   "a=b=c",
                                                   "--attribute",
                                                   "e="}));
  EXPECT_EQ(it.publish.volume_id, "v");
  EXPECT_EQ(it.publish.target, "/t");
  EXPECT_EQ(it.publish.pod, "p");
  EXPECT_EQ(it.publish.namespace_name, "n");
  EXPECT_EQ(it.publish.pod_uid, "u");
  EXPECT_EQ(it.publish.dynakube, "d");
  EXPECT_EQ(it.publish.mode, "host");
  EXPECT_TRUE(it.publish.read_only);
  EXPECT_EQ(it.publish.retry_timeout, "5m");
  EXPECT_THAT(it.publish.attributes,
              UnorderedElementsAre(Pair("a", "b=c"), Pair("e", "")));
}

struct UsageCase {
  std::vector<std::string> words;
  std::string want;
};

TEST(InvocationTest, WrongUsageIsNamed) {
  const std::vector<UsageCase> cases = {
      {{}, "no verb given"},
      {{"frobnicate"}, "frobnicate: unknown verb"},
      {{"agents", "x"}, "agents: superfluous argument x"},
      {{"agents", "--bogus"}, "--bogus: unknown flag"},
      {{"agents", "--now"}, "--now: not a flag of agents"},
      {{"doctor", "--target", "/t"}, "--target: not a flag of doctor"},
      {{"agents", "-o", "yaml"}, "not table or json"},
      {{"agents", "--data-dir"}, "needs a value"},
      {{"agents", "--data-dir="}, "--data-dir=: is empty"},
      {{"show"}, "show: wants ID"},
      {{"show", "a", "b"}, "show: superfluous argument b"},
      {{"gc"}, "gc: wants either --dry-run"},
      {{"gc", "--now", "--dry-run"}, "gc: wants either --dry-run"},
      {{"gc", "--now", "--keep-versions", "-1"}, "not a whole number"},
      {{"gc", "--now", "--grace-period", "soon"}, "grace-period"},
      {{"publish", "--volume-id", "v"}, "wants --volume-id and --target"},
      {{"unpublish", "--target", "/t"}, "wants --volume-id and --target"},
      {{"publish", "--attribute", "=x"}, "not KEY=VALUE"},
      {{"help", "frobnicate"}, "frobnicate: unknown verb"},
  };
  for (const UsageCase& it : cases) {
    EXPECT_THAT(Parse(it.words), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr(it.want)))
        << absl::StrJoin(it.words, " ");
  }
}

TEST(InvocationTest, HelpNeedsNothingElse) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"gc", "--help"},
        {"-h", "gc"},
        {"help", "gc"}}) {
    ASSERT_OK_AND_ASSIGN(const Invocation it, Parse(words));
    EXPECT_TRUE(it.help);
    EXPECT_EQ(it.verb, "gc");
  }
  ASSERT_OK_AND_ASSIGN(const Invocation it, Parse({"--help"}));
  EXPECT_TRUE(it.help);
  EXPECT_THAT(it.verb, IsEmpty());
}

TEST(HelpTextTest, TheProgramsHelpNamesEveryVerb) {
  const std::string help = HelpText("");
  for (const VerbInfo& verb : VerbInfos()) {
    EXPECT_THAT(help, HasSubstr("  " + verb.name));
  }
  EXPECT_THAT(help, HasSubstr("Exit codes: 0 fine"));
  EXPECT_THAT(help, Not(HasSubstr("--target")));
}

TEST(HelpTextTest, EveryVerbHasExamplesAndItsOwnFlags) {
  for (const VerbInfo& verb : VerbInfos()) {
    const std::string help = HelpText(verb.name);
    EXPECT_THAT(help, HasSubstr("Examples:\n  oneagent-csi "));
    EXPECT_THAT(help, HasSubstr("--data-dir DIR"));
    for (const std::string& flag : verb.flags) {
      EXPECT_THAT(help, HasSubstr("--" + flag)) << verb.name;
    }
  }
}

}  // namespace
}  // namespace oneagent
