#include "tests/support/source_text.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace oneagent {
namespace {

constexpr char kUnknown[] = "<>";

bool IsWordPart(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

class Tokenizer {
 public:
  explicit Tokenizer(absl::string_view source) : rest_(source) {}

  std::vector<SourceToken> Run() {
    while (!rest_.empty()) Next();
    return std::move(tokens_);
  }

 private:
  void Next() {
    const char c = rest_.front();
    if (c == '\n') {
      ++line_;
      at_line_start_ = true;
      Take(1);
    } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      Take(1);
    } else if (c == '#' && at_line_start_) {
      SkipDirective();
    } else if (rest_.substr(0, 2) == "//") {
      Take(std::min(rest_.find('\n'), rest_.size()));
    } else if (rest_.substr(0, 2) == "/*") {
      const absl::string_view comment = Take(rest_.find("*/") + 2);
      CountLines(comment);
    } else if (rest_.substr(0, 3) == "R\"(") {
      const absl::string_view raw = Take(rest_.find(")\"") + 2);
      AddText(std::string(raw.substr(3, raw.size() - 5)));
      CountLines(raw);
    } else if (c == '"') {
      AddText(Quoted());
    } else if (c == '\'') {
      Quoted();
      Add(SourceToken::Kind::kSign, "'");
    } else if (IsWordPart(c)) {
      size_t end = 0;
      // Digit separators belong to the number.
      while (end < rest_.size() &&
             (IsWordPart(rest_[end]) ||
              (rest_[end] == '\'' && std::isdigit(c) != 0))) {
        ++end;
      }
      Add(SourceToken::Kind::kWord, std::string(Take(end)));
    } else {
      const bool is_two = rest_.substr(0, 2) == "::" ||
                          rest_.substr(0, 2) == "->" ||
                          rest_.substr(0, 2) == "<<";
      Add(SourceToken::Kind::kSign, std::string(Take(is_two ? 2 : 1)));
    }
  }

  absl::string_view Take(size_t count) {
    const absl::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  void CountLines(absl::string_view text) {
    line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

  void SkipDirective() {
    absl::string_view line;
    do {
      line = Take(std::min(rest_.find('\n'), rest_.size() - 1) + 1);
      ++line_;
    } while (line.size() > 1 && line[line.size() - 2] == '\\');
  }

  // A literal in quotes; what stands between them, decoded.
  std::string Quoted() {
    const char quote = rest_.front();
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) {
      end += rest_[end] == '\\' ? size_t{2} : size_t{1};
    }
    const absl::string_view all = Take(end + 1);
    std::string decoded;
    absl::CUnescape(all.substr(1, all.size() - 2), &decoded);
    return decoded;
  }

  void Add(SourceToken::Kind kind, std::string text) {
    at_line_start_ = false;
    tokens_.push_back({kind, std::move(text), line_});
  }

  void AddText(std::string text) {
    if (!tokens_.empty() && tokens_.back().kind == SourceToken::Kind::kText) {
      tokens_.back().text += text;
    } else {
      Add(SourceToken::Kind::kText, std::move(text));
    }
  }

  absl::string_view rest_;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<SourceToken> tokens_;
};

int Depth(const SourceToken& token) {
  if (token.kind != SourceToken::Kind::kSign || token.text.size() != 1) {
    return 0;
  }
  switch (token.text[0]) {
    case '(':
    case '{':
    case '[':
      return 1;
    case ')':
    case '}':
    case ']':
      return -1;
    default:
      return 0;
  }
}

// Where `sign` stands outside of every bracket; tokens.size(): nowhere.
size_t FindAtTop(SourceTokens tokens, absl::string_view sign, size_t from = 0) {
  int depth = 0;
  for (size_t i = from; i < tokens.size(); ++i) {
    depth += Depth(tokens[i]);
    if (depth == 0 && tokens[i].IsSign(sign)) return i;
  }
  return tokens.size();
}

using Texts = std::set<std::string>;

Texts Joined(const Texts& left, const Texts& right) {
  Texts all;
  for (const std::string& a : left) {
    for (const std::string& b : right) all.insert(a + b);
  }
  return all;
}

// printf's directives are what only a run knows.
std::string FormatText(absl::string_view format) {
  std::string text;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      text += format[i];
    } else if (i + 1 < format.size() && format[i + 1] == '%') {
      text += format[++i];
    } else {
      while (i + 1 < format.size() &&
             std::isalpha(static_cast<unsigned char>(format[i + 1])) == 0) {
        ++i;
      }
      ++i;
      text += kUnknown;
    }
  }
  return text;
}

class Expression {
 public:
  explicit Expression(const KnownTexts& known) : known_(known) {}

  Texts Evaluate(SourceTokens tokens) const {
    const size_t question = FindAtTop(tokens, "?");
    if (question < tokens.size()) return Conditional(tokens, question);
    const size_t plus = FindAtTop(tokens, "+");
    if (plus > 0 && plus < tokens.size()) {
      return Joined(Evaluate(tokens.subspan(0, plus)),
                    Evaluate(tokens.subspan(plus + 1)));
    }
    if (tokens.size() == 1) return Single(tokens[0]);
    return Called(tokens);
  }

 private:
  Texts Conditional(SourceTokens tokens, size_t question) const {
    const size_t colon = FindAtTop(tokens, ":", question);
    Texts all = Evaluate(tokens.subspan(question + 1, colon - question - 1));
    all.merge(Evaluate(tokens.subspan(std::min(colon + 1, tokens.size()))));
    return all;
  }

  Texts Single(const SourceToken& token) const {
    if (token.kind == SourceToken::Kind::kText) return {token.text};
    const auto found = known_.find(token.text);
    return found == known_.end() ? Texts{kUnknown} : found->second;
  }

  // StrCat(…), StrFormat(…), std::string(…), or what is not to be known.
  Texts Called(SourceTokens tokens) const {
    const size_t open = FindOpen(tokens);
    if (open == tokens.size() || open == 0) return {kUnknown};
    const std::string& name = tokens[open - 1].text;
    const std::vector<SourceTokens> arguments = ArgumentsAt(tokens, open);
    if (name == "StrFormat" && !arguments.empty()) {
      Texts all;
      for (const std::string& format : Evaluate(arguments[0])) {
        all.insert(FormatText(format));
      }
      return all;
    }
    if (name == "string" && arguments.size() == 1) {
      return Evaluate(arguments[0]);
    }
    if (name != "StrCat") return Single(tokens[open - 1]);
    Texts all = {""};
    for (const SourceTokens argument : arguments) {
      all = Joined(all, Evaluate(argument));
    }
    return all;
  }

  // The bracket of a call that is the whole expression.
  static size_t FindOpen(SourceTokens tokens) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (Depth(tokens[i]) > 0) {
        const bool is_last =
            tokens.back().IsSign(")") || tokens.back().IsSign("}");
        return is_last ? i : tokens.size();
      }
    }
    return tokens.size();
  }

  const KnownTexts& known_;
};

// Where the bracket at `open` ends; tokens.size(): nowhere.
size_t FindClose(SourceTokens tokens, size_t open) {
  int depth = 0;
  for (size_t i = open; i < tokens.size(); ++i) {
    depth += Depth(tokens[i]);
    if (depth == 0) return i;
  }
  return tokens.size();
}

// The name of a parameter: its last word, before its default.
std::string ParameterName(SourceTokens parameter) {
  std::string name;
  for (const SourceToken& token : parameter) {
    if (token.IsSign("=")) break;
    if (token.kind == SourceToken::Kind::kWord) name = token.text;
  }
  return name;
}

}  // namespace

std::vector<SourceToken> Tokenize(absl::string_view source) {
  return Tokenizer(source).Run();
}

std::vector<SourceFile> ReadSources(const std::vector<std::string>& folders) {
  std::vector<SourceFile> files;
  const std::filesystem::path root = ONEAGENT_SOURCE_DIR;
  for (const std::string& folder : folders) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") continue;
      std::ifstream in(entry.path());
      const std::string text((std::istreambuf_iterator<char>(in)), {});
      files.push_back(
          {std::filesystem::relative(entry.path(), root), Tokenize(text)});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

std::vector<SourceTokens> ArgumentsAt(SourceTokens tokens, size_t open) {
  std::vector<SourceTokens> arguments;
  int depth = 0;
  size_t begin = open + 1;
  for (size_t i = open; i < tokens.size(); ++i) {
    depth += Depth(tokens[i]);
    const bool is_end = depth == 0;
    if ((is_end || (depth == 1 && tokens[i].IsSign(","))) && i > begin) {
      arguments.push_back(tokens.subspan(begin, i - begin));
      begin = i + 1;
    }
    if (is_end) break;
  }
  return arguments;
}

std::vector<SourceCall> FindCalls(SourceTokens tokens,
                                  const std::set<std::string>& names) {
  std::vector<SourceCall> calls;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].kind != SourceToken::Kind::kWord ||
        !names.contains(tokens[i].text)) {
      continue;
    }
    const bool has_object = tokens[i + 1].kind == SourceToken::Kind::kWord;
    const size_t open = i + (has_object ? 2 : 1);
    if (open >= tokens.size()) break;
    if (!tokens[open].IsSign("(") && !tokens[open].IsSign("{")) continue;
    calls.push_back(
        {i, tokens[i].line, tokens[i].text, ArgumentsAt(tokens, open)});
  }
  return calls;
}

KnownTexts TextConstants(SourceTokens tokens) {
  KnownTexts constants;
  for (size_t i = 0; i + 4 < tokens.size(); ++i) {
    if (tokens[i].kind == SourceToken::Kind::kWord &&
        tokens[i + 1].IsSign("[") && tokens[i + 2].IsSign("]") &&
        tokens[i + 3].IsSign("=") &&
        tokens[i + 4].kind == SourceToken::Kind::kText) {
      constants[tokens[i].text].insert(tokens[i + 4].text);
    }
  }
  return constants;
}

std::set<std::string> TextsOf(SourceTokens expression,
                              const KnownTexts& known) {
  std::set<std::string> texts;
  for (std::string text : Expression(known).Evaluate(expression)) {
    while (absl::StrReplaceAll({{"<><>", "<>"}}, &text) > 0) {
    }
    texts.insert(std::move(text));
  }
  return texts;
}

std::vector<SourceFunction> FindFunctions(SourceTokens tokens) {
  std::vector<SourceFunction> functions;
  for (size_t i = 1; i + 1 < tokens.size(); ++i) {
    // `name(…) {`, or the lambda `name = [&](…) {`.
    size_t open = i + 1;
    if (tokens[i].kind != SourceToken::Kind::kWord) continue;
    if (tokens[i + 1].IsSign("=") && i + 2 < tokens.size() &&
        tokens[i + 2].IsSign("[")) {
      open = FindClose(tokens, i + 2) + 1;
    }
    if (open >= tokens.size() || !tokens[open].IsSign("(")) continue;
    size_t brace = FindClose(tokens, open) + 1;
    if (brace < tokens.size() && tokens[brace].IsWord("const")) ++brace;
    if (brace >= tokens.size() || !tokens[brace].IsSign("{")) continue;
    SourceFunction function = {.name = tokens[i].text};
    for (const SourceTokens parameter : ArgumentsAt(tokens, open)) {
      function.parameters.push_back(ParameterName(parameter));
    }
    function.body =
        tokens.subspan(brace + 1, FindClose(tokens, brace) - brace - 1);
    functions.push_back(std::move(function));
  }
  return functions;
}

SourceTokens ExpressionAt(SourceTokens tokens) {
  int depth = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    depth += Depth(tokens[i]);
    if (depth < 0 ||
        (depth == 0 && (tokens[i].IsSign(";") || tokens[i].IsSign(",")))) {
      return tokens.subspan(0, i);
    }
  }
  return tokens;
}

}  // namespace oneagent
