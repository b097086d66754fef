// verify [ID]: works from the manifests alone, without the index.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/status_macros.h"
#include "cache/index/layout.h"
#include "cache/index/records.h"
#include "cache/inspect/json_output.h"
#include "cache/inspect/verbs.h"
#include "cache/store/store.h"
#include "proto/inspect.pb.h"

namespace oneagent {
namespace {

// Ids with a manifest in a directory; none when there is no such directory.
absl::StatusOr<std::vector<std::string>> ManifestIds(
    const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> names =
      ListDirectory(directory);
  std::vector<std::string> ids;
  if (absl::IsNotFound(names.status())) return ids;
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!absl::StartsWith(name, ".") && absl::EndsWith(name, ".json")) {
      ids.emplace_back(absl::StripSuffix(name, ".json"));
    }
  }
  return ids;
}

v1::VerifyResult ResultOf(
    const std::string& type, const std::string& id, const std::string& version,
    const absl::StatusOr<std::vector<std::string>>& differences) {
  v1::VerifyResult result;
  result.set_type(type);
  result.set_id(ValidUtf8(id));
  result.set_version(ValidUtf8(version));
  result.set_intact(differences.ok() && differences->empty());
  if (!differences.ok()) {
    result.add_differences(ValidUtf8(differences.status().message()));
  } else {
    for (const std::string& line : *differences) {
      result.add_differences(ValidUtf8(line));
    }
  }
  return result;
}

// "" matches everything; else "<id>" or "<type>/<id>".
bool Wanted(absl::string_view wanted, const std::string& type,
            const std::string& id) {
  return wanted.empty() || wanted == id ||
         wanted == absl::StrCat(type, "/", id);
}

absl::StatusOr<std::vector<v1::VerifyResult>> Verify(const Layout& layout,
                                                     absl::string_view wanted) {
  std::vector<v1::VerifyResult> results;
  ASSIGN_OR_RETURN(const std::vector<std::string> agents,
                   ManifestIds(layout.AgentsDir()));
  for (const std::string& id : agents) {
    if (!Wanted(wanted, "agent", id)) continue;
    const absl::StatusOr<AgentRow> record = ReadAgentRecord(layout, id);
    results.push_back(ResultOf("agent", id, record.ok() ? record->version : "",
                               VerifyAgent(layout, id)));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> configs,
                   ManifestIds(layout.ConfigsDir()));
  for (const std::string& id : configs) {
    if (!Wanted(wanted, "config", id)) continue;
    results.push_back(ResultOf("config", id, "", VerifyConfig(layout, id)));
  }
  return results;
}

void PrintTable(const std::vector<v1::VerifyResult>& results,
                const Console& console) {
  Table table({{"TYPE"}, {"ID"}, {"VERSION"}, {"RESULT"}});
  for (const v1::VerifyResult& result : results) {
    table.AddRow({{result.type()},
                  {result.id()},
                  {result.version()},
                  {result.intact() ? "intact"
                                   : absl::StrCat(result.differences_size(),
                                                  result.differences_size() == 1
                                                      ? " difference"
                                                      : " differences"),
                   result.intact() ? Tone::kGood : Tone::kBad}});
  }
  console.out << table.Format(console.paint);
  for (const v1::VerifyResult& result : results) {
    for (const std::string& line : result.differences()) {
      console.out << result.type() << " " << TerminalText(result.id()) << ": "
                  << TerminalText(line) << "\n";
    }
  }
}

}  // namespace

VerbResult RunVerify(const Invocation& it, const Console& console) {
  const std::string wanted = it.words.empty() ? "" : it.words.front();
  ASSIGN_OR_RETURN(const std::vector<v1::VerifyResult> results,
                   Verify(Layout(it.data_dir), wanted));
  if (results.empty() && !wanted.empty()) {
    return absl::NotFoundError(absl::StrCat(TerminalText(wanted),
                                            ": no manifest of such an agent or "
                                            "config"));
  }
  if (it.output == Output::kJson) {
    console.out << JsonArray(results);
  } else {
    PrintTable(results, console);
  }
  for (const v1::VerifyResult& result : results) {
    if (!result.intact()) return kExitFinding;
  }
  return kExitFine;
}

}  // namespace oneagent
