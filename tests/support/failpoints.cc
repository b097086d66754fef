#include "tests/support/failpoints.h"

#include <cstdlib>
#include <iostream>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/source_text.h"

namespace oneagent {

const std::vector<std::string>& AllFailpoints() {
  static const auto& all = *[] {
    std::set<std::string> names;
    for (const SourceFile& file : ReadSources({"cache", "csi", "overlay"})) {
      for (const SourceCall& call : FindCalls(file.tokens, {"Failpoint"})) {
        names.merge(TextsOf(call.arguments.at(0), {}));
      }
    }
    return new std::vector<std::string>(names.begin(), names.end());
  }();
  return all;
}

std::vector<std::string> FailpointsOf(absl::string_view sequence) {
  std::vector<std::string> found;
  for (const std::string& name : AllFailpoints()) {
    if (absl::StartsWith(name, absl::StrCat(sequence, ":"))) {
      found.push_back(name);
    }
  }
  if (found.empty()) {
    std::cerr << "no failpoint of sequence " << sequence << "\n";
    abort();
  }
  return found;
}

}  // namespace oneagent
