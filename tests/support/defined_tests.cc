#include "tests/support/defined_tests.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/source_text.h"

namespace oneagent {

std::set<std::string> DefinedTests() {
  std::set<std::string> tests;
  for (const SourceFile& file : ReadSources({"tests"})) {
    if (!absl::EndsWith(file.path, "_test.cc")) continue;
    for (const SourceCall& call :
         FindCalls(file.tokens, {"TEST", "TEST_F", "TEST_P"})) {
      if (call.arguments.size() != 2) continue;
      tests.insert(absl::StrCat(call.arguments[0][0].text, ".",
                                call.arguments[1][0].text));
    }
  }
  return tests;
}

}  // namespace oneagent
