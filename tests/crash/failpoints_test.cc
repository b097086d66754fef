// Nothing is forgotten: every failpoint is one that tests die at, or one that
// some test names.
#include "tests/support/failpoints.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/source_text.h"

namespace oneagent {
namespace {

// What `FailpointsOf("…")` and other literals of the tests name.
struct Played {
  std::set<std::string> sequences;
  std::set<std::string> names;
};

Played WhatTestsPlay() {
  Played played;
  for (const SourceFile& file : ReadSources({"tests"})) {
    for (const SourceCall& call : FindCalls(file.tokens, {"FailpointsOf"})) {
      played.sequences.merge(TextsOf(call.arguments.at(0), {}));
    }
    for (const SourceToken& token : file.tokens) {
      if (token.kind == SourceToken::Kind::kText) {
        played.names.insert(token.text);
      }
    }
  }
  return played;
}

TEST(FailpointsTest, AreNamedBySequenceAndStep) {
  for (const std::string& name : AllFailpoints()) {
    EXPECT_THAT(name, testing::MatchesRegex("[a-z-]+:[a-z0-9]+"));
  }
}

TEST(FailpointsTest, EachIsPlayed) {
  const Played played = WhatTestsPlay();
  ASSERT_FALSE(AllFailpoints().empty());
  for (const std::string& name : AllFailpoints()) {
    const std::vector<std::string> parts = absl::StrSplit(name, ':');
    EXPECT_TRUE(played.sequences.contains(parts[0]) ||
                played.names.contains(name))
        << name << ": no test dies there; make one from FailpointsOf(\""
        << parts[0] << "\")";
  }
}

}  // namespace
}  // namespace oneagent
