// Text that came from outside (a request, a file, an API), made fit for
// messages, logs and terminals. Pure.
#ifndef BASE_TEXT_H_
#define BASE_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

// Length of the well-formed UTF-8 sequence at the start of `text`, which is
// not empty (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF);
// 0 when there is none.
size_t Utf8SequenceLength(absl::string_view text);

// Whether a sequence of Utf8SequenceLength is one that terminals obey instead
// of showing it: C0, DEL, C1 (U+009B is "ESC ["), the line and paragraph
// separators, and what turns the direction of writing round.
bool IsControlSequence(absl::string_view sequence);

// The first `most` bytes, fewer where that would split a character, and "..."
// where some are missing.
std::string CutText(absl::string_view text, size_t most);

// One line of printable ASCII: C escapes for everything else, cut before that.
std::string ShownText(absl::string_view text, size_t most = 100);

}  // namespace oneagent

#endif  // BASE_TEXT_H_
