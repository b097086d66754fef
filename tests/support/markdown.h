// Reads the documents of the source tree far enough to find what they refer
// to: links, anchors, names in code. For tests that compare them with the tree.
#ifndef TESTS_SUPPORT_MARKDOWN_H_
#define TESTS_SUPPORT_MARKDOWN_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace oneagent {

// Paths of all *.md files below the source root, in a stable order; neither
// what is built nor what stands in directories with a dot-name.
std::vector<std::string> MarkdownFiles();

// Something that a document says, and the line on which it does.
struct DocumentWord {
  std::string text;
  int line = 0;
};

// Targets of [text](target), ![text](target), [label]: target, src="target"
// and srcset="target", outside of code.
std::vector<DocumentWord> LinksIn(absl::string_view markdown);

// What stands between backticks on one line, outside of blocks of code.
std::vector<DocumentWord> CodeSpansIn(absl::string_view markdown);

// Of its headings, as GitHub makes them: "## On disk" has the anchor
// "on-disk", a second heading of that name "on-disk-1".
std::set<std::string> AnchorsIn(absl::string_view markdown);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_MARKDOWN_H_
