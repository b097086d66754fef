#include "overlay/mount_table.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// Far above any node's table (950 KB at 4000 mounts).
constexpr int64_t kTableLimit = int64_t{256} << 20;

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// "\040" and its like; a backslash that starts no escape stands for itself,
// and so does the escape of a NUL, which no path can hold.
std::string DecodeOctal(absl::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] <= '3' &&
        IsOctal(text[i + 1]) && IsOctal(text[i + 2]) && IsOctal(text[i + 3])) {
      const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                        (text[i + 3] - '0');
      if (value != 0) {
        decoded.push_back(static_cast<char>(value));
        i += 3;
        continue;
      }
    }
    decoded.push_back(text[i]);
  }
  return decoded;
}

// Takes the fields of one line off its front. Exactly one space stands between
// two fields: an empty mount source shows as two spaces in a row.
class Fields {
 public:
  explicit Fields(absl::string_view line) : rest_(line) {}

  bool done() const { return done_; }

  absl::string_view Next() {
    const size_t space = rest_.find(' ');
    const absl::string_view field = rest_.substr(0, space);
    done_ = space == absl::string_view::npos;
    rest_ = done_ ? absl::string_view() : rest_.substr(space + 1);
    return field;
  }

  // Everything that is left, spaces included.
  absl::string_view Rest() {
    done_ = true;
    return std::exchange(rest_, absl::string_view());
  }

 private:
  absl::string_view rest_;
  bool done_ = false;
};

bool ParseNumber(absl::string_view text, int64_t* number) {
  // SimpleAtoi alone would take signs and white space.
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  return absl::SimpleAtoi(text, number);
}

bool IsDevice(absl::string_view text) {
  const size_t colon = text.find(':');
  int64_t ignored = 0;
  return colon != absl::string_view::npos &&
         ParseNumber(text.substr(0, colon), &ignored) &&
         ParseNumber(text.substr(colon + 1), &ignored);
}

// "36 35 98:0 /root /point rw,noatime [shared:1 …] - ext4 /dev/sda rw"; the
// error is what is wrong, without the line.
absl::StatusOr<MountEntry> ParseLine(absl::string_view line) {
  Fields fields(line);
  MountEntry entry;
  if (!ParseNumber(fields.Next(), &entry.id)) {
    return absl::InvalidArgumentError("mount id is not a number");
  }
  if (!ParseNumber(fields.Next(), &entry.parent_id)) {
    return absl::InvalidArgumentError("parent id is not a number");
  }
  if (!IsDevice(fields.Next())) {
    return absl::InvalidArgumentError("device is not major:minor");
  }
  entry.root = DecodeOctal(fields.Next());
  entry.mount_point = DecodeOctal(fields.Next());
  entry.options = std::string(fields.Next());
  if (entry.root.empty() || entry.mount_point.empty() ||
      entry.options.empty()) {
    return absl::InvalidArgumentError("root, mount point or options missing");
  }
  // Any number of optional fields, ended by a lone hyphen.
  while (!fields.done() && fields.Next() != "-") {
  }
  if (fields.done()) {
    return absl::InvalidArgumentError("no separator \" - \"");
  }
  entry.fs_type = DecodeOctal(fields.Next());
  if (entry.fs_type.empty() || fields.done()) {
    return absl::InvalidArgumentError("file system type or source missing");
  }
  entry.source = DecodeOctal(fields.Next());
  if (fields.done()) {
    return absl::InvalidArgumentError("super block options missing");
  }
  // Some file systems print their options with spaces in them.
  entry.super_options = std::string(fields.Rest());
  return entry;
}

}  // namespace

absl::StatusOr<std::vector<MountEntry>> ParseMountinfo(absl::string_view text) {
  std::vector<MountEntry> entries;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    absl::StatusOr<MountEntry> entry = ParseLine(text.substr(0, end));
    if (!entry.ok()) {
      return Annotate(entry.status(), absl::StrCat("mountinfo line ", number));
    }
    entries.push_back(*std::move(entry));
    text = end == absl::string_view::npos ? absl::string_view()
                                          : text.substr(end + 1);
  }
  return entries;
}

absl::StatusOr<std::vector<MountEntry>> ReadMountTable() {
  absl::StatusOr<std::string> text =
      ReadWholeFile("/proc/self/mountinfo", kTableLimit);
  if (!text.ok()) {
    return WithCode(text.status(), absl::StatusCode::kUnavailable);
  }
  absl::StatusOr<std::vector<MountEntry>> entries = ParseMountinfo(*text);
  if (!entries.ok()) {
    return WithCode(Annotate(entries.status(), "/proc/self/mountinfo"),
                    absl::StatusCode::kUnavailable);
  }
  return entries;
}

}  // namespace oneagent
