// Reads C++ sources far enough to find the texts that they can say: string
// literals, put together as StrCat and its like would. For tests that compare
// what the code says with what the documents say.
//
// Texts with parts that only a run knows have "<>" in their place:
//   StrCat("agent ", id, ": gone")  ->  "agent <>: gone"
#ifndef TESTS_SUPPORT_SOURCE_TEXT_H_
#define TESTS_SUPPORT_SOURCE_TEXT_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace oneagent {

struct SourceToken {
  enum class Kind { kWord, kText, kSign };  // kText: string literal, decoded
  Kind kind = Kind::kSign;
  std::string text;
  int line = 0;

  bool IsWord(absl::string_view word) const {
    return kind == Kind::kWord && text == word;
  }
  bool IsSign(absl::string_view sign) const {
    return kind == Kind::kSign && text == sign;
  }
};

using SourceTokens = absl::Span<const SourceToken>;

struct SourceFile {
  std::string path;  // relative to the source root
  std::vector<SourceToken> tokens;
};

// Comments and preprocessor lines are left out; neighbouring string literals
// are one token.
std::vector<SourceToken> Tokenize(absl::string_view source);

// The .h and .cc files below `folders` of the source tree, in a stable order.
std::vector<SourceFile> ReadSources(const std::vector<std::string>& folders);

// One call, or construction: `name(arguments)`, `name object(arguments)`.
struct SourceCall {
  size_t at = 0;  // of its name
  int line = 0;
  std::string name;
  std::vector<SourceTokens> arguments;
};

// Calls of what is called one of `names`, in the order of the file.
std::vector<SourceCall> FindCalls(SourceTokens tokens,
                                  const std::set<std::string>& names);

// The arguments of the bracket at `open` ("(" or "{").
std::vector<SourceTokens> ArgumentsAt(SourceTokens tokens, size_t open);

// What is known of names: constants, parameters, functions that return texts.
using KnownTexts = std::map<std::string, std::set<std::string>>;

// `constexpr char kName[] = "text"` of a file; more than one text when several
// functions have a constant of that name.
KnownTexts TextConstants(SourceTokens tokens);

// What an expression can be, one text for each way through its conditionals.
std::set<std::string> TextsOf(SourceTokens expression, const KnownTexts& known);

// One function, or lambda with a name.
struct SourceFunction {
  std::string name;
  std::vector<std::string> parameters = {};
  SourceTokens body = {};  // between its brackets
};
std::vector<SourceFunction> FindFunctions(SourceTokens tokens);

// `tokens` up to the end of the expression that begins there.
SourceTokens ExpressionAt(SourceTokens tokens);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_SOURCE_TEXT_H_
