// An error's text begins at one of a few functions (kMakers). Functions that
// hand a parameter on to one of them (a file's own Refuse, Damaged, Missing)
// are found, and the texts are then those of their callers.
#include "tests/unit/docs/error_texts.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "tests/support/source_text.h"

namespace oneagent {
namespace {

constexpr SourceToken::Kind kWord = SourceToken::Kind::kWord;

struct Maker {
  size_t argument;  // that becomes the text
  const char* after = "";
};

// Beside absl::…Error(text).
const std::map<std::string, Maker>& Makers() {
  static const auto* const kMakers = new std::map<std::string, Maker>{
      {"PosixStatus", {0, ": <>"}},   // object, errno
      {"SqliteStatus", {1, ": <>"}},  // database, object
      {"Annotate", {1, ": <>"}},      // status, object
      {"AddProblem", {1}},            // ManifestReader: place, cause
      {"AddBroken", {1}},             // the same
      {"NotSetUp", {1}},              // DynaKube, cause
  };
  return *kMakers;
}

// Members and variables whose texts people read as a cause.
const std::set<std::string>& CauseNames() {
  static const auto* const kNames =
      new std::set<std::string>{"cause", "reason", "skipped"};
  return *kNames;
}

// Functions whose results are texts; their bodies are read for them.
const std::set<std::string>& TextFunctions() {
  static const auto* const kNames = new std::set<std::string>{
      "NotSetUp", "FieldCause", "WhyNot", "NoSuchDynaKube"};
  return *kNames;
}

const std::vector<SourceFile>& Sources() {
  static const auto* const kFiles = new std::vector<SourceFile>(
      ReadSources({"base", "overlay", "csi", "cache"}));
  return *kFiles;
}

// What `return` gives in the functions of that kind, in all files.
const KnownTexts& ReturnedTexts() {
  static const auto* const kTexts = [] {
    auto* const texts = new KnownTexts();
    for (const SourceFile& file : Sources()) {
      const KnownTexts constants = TextConstants(file.tokens);
      for (const SourceFunction& function : FindFunctions(file.tokens)) {
        if (!TextFunctions().contains(function.name)) continue;
        for (size_t i = 0; i < function.body.size(); ++i) {
          if (!function.body[i].IsWord("return")) continue;
          (*texts)[function.name].merge(
              TextsOf(ExpressionAt(function.body.subspan(i + 1)), constants));
        }
      }
    }
    return texts;
  }();
  return *kTexts;
}

class FileTexts {
 public:
  explicit FileTexts(const SourceFile& file)
      : tokens_(file.tokens), known_(TextConstants(tokens_)) {
    for (const auto& [name, texts] : ReturnedTexts()) known_[name] = texts;
    FindForwarders();
  }

  std::set<std::string> All() {
    for (size_t i = 0; i + 2 < tokens_.size(); ++i) {
      AddMade(i);
      AddForwarded(i);
      AddAssigned(i);
    }
    for (const std::string& name : TextFunctions()) {
      const bool is_here = std::any_of(
          functions_.begin(), functions_.end(),
          [&](const auto& function) { return function.name == name; });
      if (!is_here) continue;
      for (const std::string& text : known_[name]) Add(text);
    }
    return std::move(texts_);
  }

 private:
  // A function whose parameters end in texts: Hole(n) stands for its nth.
  struct Forwarder {
    size_t parameters = 0;
    std::set<std::string> texts;
  };
  static std::string Hole(size_t parameter) {
    return {'\x01', static_cast<char>('0' + parameter)};
  }

  // The text expression of a call at `i`; empty: it is none.
  SourceTokens Made(size_t i, std::string* after) const {
    const SourceToken& token = tokens_[i];
    if (token.kind != kWord || i + 1 >= tokens_.size() ||
        !tokens_[i + 1].IsSign("(")) {
      return {};
    }
    const bool is_absl =
        i >= 2 && tokens_[i - 1].IsSign("::") && tokens_[i - 2].IsWord("absl");
    Maker maker = {0};
    if (is_absl && token.text == "Status") {
      maker = {1};
    } else if (!is_absl || !absl::EndsWith(token.text, "Error")) {
      const auto known = Makers().find(token.text);
      if (known == Makers().end()) return {};
      maker = known->second;
    }
    const std::vector<SourceTokens> arguments = ArgumentsAt(tokens_, i + 1);
    // Neither a declaration nor a definition.
    if (arguments.size() <= maker.argument || IsParameter(arguments[0])) {
      return {};
    }
    *after = maker.after;
    return arguments[maker.argument];
  }

  // "const T& name", "absl::string_view name".
  static bool IsParameter(SourceTokens argument) {
    return argument.size() >= 2 && argument.back().kind == kWord &&
           (argument[argument.size() - 2].kind == kWord ||
            argument[argument.size() - 2].IsSign("&"));
  }

  void FindForwarders() {
    functions_ = FindFunctions(tokens_);
    for (const SourceFunction& function : functions_) {
      KnownTexts known = known_;
      for (size_t p = 0; p < function.parameters.size(); ++p) {
        known[function.parameters[p]] = {Hole(p)};
      }
      const size_t begin =
          static_cast<size_t>(function.body.data() - tokens_.data());
      for (size_t i = begin; i < begin + function.body.size(); ++i) {
        std::string after;
        const SourceTokens made = Made(i, &after);
        if (made.empty()) continue;
        for (const std::string& text : TextsOf(made, known)) {
          if (!absl::StrContains(text, "\x01")) continue;
          Forwarder& forwarder = forwarders_[function.name];
          forwarder.parameters = function.parameters.size();
          forwarder.texts.insert(text + after);
        }
      }
    }
  }

  void AddMade(size_t i) {
    std::string after;
    const SourceTokens made = Made(i, &after);
    if (made.empty()) return;
    for (const std::string& text : TextsOf(made, known_)) Add(text + after);
  }

  void AddForwarded(size_t i) {
    const auto found = forwarders_.find(tokens_[i].text);
    if (found == forwarders_.end() || !tokens_[i + 1].IsSign("(")) return;
    const std::vector<SourceTokens> arguments = ArgumentsAt(tokens_, i + 1);
    if (arguments.size() != found->second.parameters ||
        IsParameter(arguments[0])) {
      return;
    }
    std::set<std::string> texts = found->second.texts;
    for (size_t p = 0; p < arguments.size(); ++p) {
      std::set<std::string> filled;
      for (const std::string& said : TextsOf(arguments[p], known_)) {
        for (const std::string& text : texts) {
          filled.insert(absl::StrReplaceAll(text, {{Hole(p), said}}));
        }
      }
      texts = std::move(filled);
    }
    for (const std::string& text : texts) Add(text);
  }

  // cause = …;  .cause = …,  row.reason = …;
  void AddAssigned(size_t i) {
    if (tokens_[i].kind != kWord || !CauseNames().contains(tokens_[i].text) ||
        !tokens_[i + 1].IsSign("=") || tokens_[i + 2].IsSign("=")) {
      return;
    }
    const SourceTokens rest = SourceTokens(tokens_).subspan(i + 2);
    for (const std::string& text : TextsOf(ExpressionAt(rest), known_)) {
      Add(text);
    }
  }

  void Add(std::string text) {
    while (absl::StrReplaceAll({{"<><>", "<>"}}, &text) > 0) {
    }
    // More than what somebody else says?
    const bool says_something =
        std::any_of(text.begin(), text.end(), [](char c) {
          return absl::ascii_isalpha(static_cast<unsigned char>(c));
        });
    if (says_something) texts_.insert(std::move(text));
  }

  const SourceTokens tokens_;
  KnownTexts known_;
  std::vector<SourceFunction> functions_;
  std::map<std::string, Forwarder> forwarders_;
  std::set<std::string> texts_;
};

}  // namespace

std::map<std::string, std::set<std::string>> FindErrorTexts() {
  std::map<std::string, std::set<std::string>> found;
  for (const SourceFile& file : Sources()) {
    for (const std::string& text : FileTexts(file).All()) {
      found[text].insert(file.path);
    }
  }
  return found;
}

std::set<std::string> FindDoctorChecks() {
  std::set<std::string> checks;
  for (const SourceFile& file : Sources()) {
    if (!absl::StartsWith(file.path, "cache/inspect/diagnose")) continue;
    const SourceTokens tokens = file.tokens;
    const KnownTexts known = TextConstants(tokens);
    const auto add = [&](SourceTokens expression) {
      for (const std::string& text : TextsOf(expression, known)) {
        if (text != "<>") checks.insert(text);
      }
    };
    for (const SourceCall& call : FindCalls(tokens, {"Add", "CheckPatience"})) {
      add(call.arguments.at(0));
    }
    for (const SourceCall& call : FindCalls(tokens, {"push_back"})) {
      if (!call.arguments.empty() && call.arguments[0][0].IsSign("{")) {
        add(ArgumentsAt(call.arguments[0], 0).at(0));
      }
    }
  }
  return checks;
}

}  // namespace oneagent
