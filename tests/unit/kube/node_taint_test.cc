#include "cache/kube/node_taint.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

TEST(NodeTaintTest, EachEffectOfTheKeyGoesFromTheLastToTheFirst) {
  const std::string node = R"({"kind": "Node", "spec": {"taints": [
      {"key": "a/b", "effect": "NoSchedule", "timeAdded": null},
      {"key": "other", "effect": "NoSchedule"},
      {"key": "a/b", "effect": "NoExecute", "value": "x"}]}})";
  EXPECT_THAT(
      TaintRemovalPatch(node, "a/b"),
      IsOkAndHolds(
          std::string(R"([{"op":"test","path":"/spec/taints/2/key","value":)")
              .append(R"("a/b"},{"op":"test","path":"/spec/taints/2/effect",)")
              .append(R"("value":"NoExecute"},)")
              .append(R"({"op":"remove","path":"/spec/taints/2"},)")
              .append(R"({"op":"test","path":"/spec/taints/0/key","value":)")
              .append(R"("a/b"},{"op":"test","path":"/spec/taints/0/effect",)")
              .append(R"("value":"NoSchedule"},)")
              .append(R"({"op":"remove","path":"/spec/taints/0"}])")));
}

TEST(NodeTaintTest, NothingToDoIsNoPatch) {
  EXPECT_THAT(TaintRemovalPatch(R"({"spec": {}})", "a"), IsOkAndHolds(""));
  EXPECT_THAT(
      TaintRemovalPatch(R"({"spec": {"taints": [{"key": "a/b"}]}})", "a"),
      IsOkAndHolds(""));
}

TEST(NodeTaintTest, WhatTheServerSentIsQuoted) {
  ASSERT_OK_AND_ASSIGN(
      const std::string patch,
      TaintRemovalPatch(
          R"({"spec": {"taints": [{"key": "a", "effect": "x\"}: \n"}]}})",
          "a"));
  EXPECT_THAT(patch, testing::HasSubstr(R"("value":"x\"}: \n"})"));
}

TEST(NodeTaintTest, WhatIsNoNodeIsAnError) {
  EXPECT_THAT(TaintRemovalPatch("<html>", "a"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::StartsWith("node: ")));
}

}  // namespace
}  // namespace oneagent
