// ruxitagentproc.conf: [section] lines, "key value" lines (the value is the
// rest of the line), # comments, blank lines. Pure, thread-safe.
#ifndef CACHE_CONF_PROCESS_CONF_H_
#define CACHE_CONF_PROCESS_CONF_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

struct ConfProperty {
  std::string section;
  std::string key;
  std::string value;

  bool operator==(const ConfProperty&) const = default;
};

// `source` with `properties` merged in: a known key of its section is replaced
// in place; others are appended, sorted by key, at the end of the section
// (before its trailing blank lines); unknown sections, sorted by name, follow
// at the end of the file after one blank line each. Of several properties with
// the same section and key the last one counts. No property: the result is
// `source` to the byte. A section header is a whole line of the form [name]
// (blanks around it are fine); brackets in comments and values are just text.
// A key that stands several times is replaced everywhere; a section that does
// gets new keys where it stands first. Lines end as they did, new ones as the
// file's first. Merging the same properties again changes nothing. Properties
// are expected to pass CheckConfProperty. FailedPrecondition when `source` or
// the result would be larger than kMaxProcessConf. Needs little more memory
// than the result, whatever lines `source` has.
absl::StatusOr<std::string> MergeProcessConf(
    absl::string_view source, const std::vector<ConfProperty>& properties);

// Real ones have a few KiB. The mounter, which may have 20 of them in hand
// within 256 MiB, and the provisioner refuse what is larger: a configuration
// that the one took and the other did not would keep pods waiting.
inline constexpr size_t kMaxProcessConf = 1 << 20;

// All properties of a file, in order. Lines outside any section have section
// "".
std::vector<ConfProperty> ParseProcessConf(absl::string_view text);

// InvalidArgument naming the property when it cannot stand in a file:
// control characters or line breaks in any part, "]" in a section, blanks in
// a key, "#" or "[" at its start, an empty section or key. The value is not in
// the message.
absl::Status CheckConfProperty(const ConfProperty& property);

}  // namespace oneagent

#endif  // CACHE_CONF_PROCESS_CONF_H_
