// docs/logging.md says every message and every field that the daemons can log,
// and nothing that they cannot. Found by reading the sources: messages are
// literals by construction (LogMessage).
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/provisioner/config.h"
#include "csi/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/document.h"
#include "tests/support/source_text.h"

namespace oneagent {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

constexpr SourceToken::Kind kText = SourceToken::Kind::kText;
constexpr SourceToken::Kind kWord = SourceToken::Kind::kWord;

const std::vector<SourceFile>& Sources() {
  static const auto* const kFiles = new std::vector<SourceFile>(
      ReadSources({"base", "overlay", "csi", "cache"}));
  return *kFiles;
}

bool IsLogItself(const SourceFile& file) {
  return absl::StartsWith(file.path, "base/log.");
}

// Who takes a LogMessage: functions by name, and structs that have one.
std::set<std::string> MessageTakers() {
  std::set<std::string> takers;
  for (const SourceFile& file : Sources()) {
    if (IsLogItself(file)) continue;
    const SourceTokens tokens = file.tokens;
    std::string last_struct;
    for (size_t i = 2; i < tokens.size(); ++i) {
      if (tokens[i - 1].IsWord("struct")) last_struct = tokens[i].text;
      if (!tokens[i].IsWord("LogMessage")) continue;
      if (tokens[i - 1].IsSign("(")) takers.insert(tokens[i - 2].text);
      if (tokens[i - 1].IsSign("{")) takers.insert(last_struct);
    }
  }
  return takers;
}

// Literals among the arguments of a call of `names`, or of `Name object = {`.
std::set<std::string> LiteralsFor(const SourceFile& file,
                                  const std::set<std::string>& names) {
  std::set<std::string> texts;
  const auto add = [&](const std::vector<SourceTokens>& arguments) {
    for (const SourceTokens argument : arguments) {
      if (argument.size() == 1 && argument[0].kind == kText) {
        texts.insert(argument[0].text);
      }
    }
  };
  for (const SourceCall& call : FindCalls(file.tokens, names)) {
    if (!call.arguments.empty()) add({call.arguments[0]});
  }
  const SourceTokens tokens = file.tokens;
  for (size_t i = 0; i + 3 < tokens.size(); ++i) {
    if (tokens[i].kind == kWord && names.contains(tokens[i].text) &&
        tokens[i + 2].IsSign("=") && tokens[i + 3].IsSign("{")) {
      add(ArgumentsAt(tokens, i + 3));
    }
  }
  return texts;
}

std::set<std::string> MessagesInSources() {
  std::set<std::string> names = MessageTakers();
  std::set<std::string> messages;
  names.insert({"Debug", "Info", "Warning", "Error"});
  for (const SourceFile& file : Sources()) {
    if (!IsLogItself(file)) messages.merge(LiteralsFor(file, names));
  }
  return messages;
}

bool UsesLog(SourceTokens tokens) {
  for (const SourceToken& token : tokens) {
    if (token.IsWord("LogFields") || token.IsWord("Log")) return true;
  }
  return false;
}

// `{"key", …` within the tokens.
void AddPairKeys(SourceTokens tokens, std::set<std::string>* keys) {
  for (size_t i = 2; i < tokens.size(); ++i) {
    if (tokens[i - 2].IsSign("{") && tokens[i - 1].kind == kText &&
        tokens[i].IsSign(",")) {
      keys->insert(tokens[i - 1].text);
    }
  }
}

std::set<std::string> KeysInSources() {
  std::set<std::string> keys;
  for (const SourceFile& file : Sources()) {
    if (IsLogItself(file) || !UsesLog(file.tokens)) continue;
    const SourceTokens tokens = file.tokens;
    for (const SourceCall& call : FindCalls(
             tokens, {"Debug", "Info", "Warning", "Error", "push_back"})) {
      for (const SourceTokens argument : call.arguments) {
        AddPairKeys(argument, &keys);
      }
    }
    for (const SourceCall& call : FindCalls(tokens, {"emplace_back", "Add"})) {
      if (call.arguments.size() == 2 && call.arguments[0].size() == 1 &&
          call.arguments[0][0].kind == kText) {
        keys.insert(call.arguments[0][0].text);
      }
    }
    // LogFields fields = {…};  and  return {…};  of a function that has some.
    for (size_t i = 0; i + 3 < tokens.size(); ++i) {
      if (!tokens[i].IsWord("LogFields")) continue;
      size_t end = i;
      while (end < tokens.size() && !tokens[end].IsSign(";")) ++end;
      AddPairKeys(tokens.subspan(i, end - i), &keys);
    }
  }
  return keys;
}

// base/log.cc's own.
std::set<std::string> WithDroppedLines(std::set<std::string> keys) {
  keys.insert("dropped_lines");
  return keys;
}

TEST(LoggingDocTest, SaysEveryMessageAndNoOther) {
  const std::set<std::string> in_sources = MessagesInSources();
  EXPECT_THAT(in_sources, SizeIs(testing::Gt(30)));
  std::set<std::string> in_document;
  for (const auto& [key, unused] : ReadLogDocument().messages) {
    in_document.insert(key.second);
  }
  EXPECT_THAT(in_document, UnorderedElementsAreArray(in_sources));
}

TEST(LoggingDocTest, SaysEveryFieldAndNoOther) {
  const LogDocument document = ReadLogDocument();
  std::set<std::string> explained;
  for (const auto& [key, unused] : document.fields) explained.insert(key);
  const std::set<std::string> in_sources = WithDroppedLines(KeysInSources());
  EXPECT_THAT(explained, UnorderedElementsAreArray(in_sources));
  std::set<std::string> used;
  for (const auto& [unused, message] : document.messages) {
    used.insert(message.fields.begin(), message.fields.end());
  }
  EXPECT_THAT(WithDroppedLines(used), UnorderedElementsAreArray(in_sources));
}

TEST(LoggingDocTest, ComponentsAreThoseOfTheFlagsAndOfTheCode) {
  std::set<std::string> of_flags;
  for (const absl::string_view name : kMounterLogComponents) {
    of_flags.insert(absl::StrCat("mounter/", name));
  }
  for (const absl::string_view name : kProvisionerLogComponents) {
    of_flags.insert(absl::StrCat("provisioner/", name));
  }
  EXPECT_THAT(ReadLogDocument().components,
              UnorderedElementsAreArray(of_flags));
  std::set<std::string> of_code;
  for (const SourceFile& file : Sources()) {
    const std::string daemon =
        absl::StartsWith(file.path, "csi/") ? "mounter/" : "provisioner/";
    if (IsLogItself(file)) continue;
    for (const std::string& name : LiteralsFor(file, {"For"})) {
      of_code.insert(daemon + name);
    }
  }
  EXPECT_THAT(of_code, UnorderedElementsAreArray(of_flags));
}

TEST(LoggingDocTest, SchemaHasTheDocumentsFields) {
  std::set<std::string> want = {"time", "level", "component", "message"};
  for (const auto& [key, unused] : ReadLogDocument().fields) want.insert(key);
  EXPECT_THAT(LogSchemaProperties(), UnorderedElementsAreArray(want));
}

TEST(LoggingDocTest, LinesAreCheckedAgainstTheDocument) {
  const LogDocument document = ReadLogDocument();
  const std::string good =
      R"({"time":"2026-11-22T10:00:00.000Z","level":"info",)"
      R"("component":"mounter/daemon","message":"stopped"})";
  EXPECT_THAT(CheckLogLine(good, document), IsEmpty());
  for (const auto& [from, to] : std::map<std::string, std::string>{
           {"stopped", "stopped it"},
           {"info", "error"},
           {"mounter/daemon", "mounter/node"},
           {"10:00:00.000Z", "10:00"},
           {"stopped\"", "stopped\",\"x\":\"y\""}}) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_THAT(CheckLogLine(bad, document), testing::Not(IsEmpty())) << bad;
  }
}

}  // namespace
}  // namespace oneagent
