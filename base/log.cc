#include "base/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"

namespace oneagent {
namespace {

const char* Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  abort();
}

// Of a well-formed sequence of at most three bytes.
uint32_t CodePoint(absl::string_view sequence) {
  constexpr uint32_t kLeadBits[] = {0, 0x7F, 0x1F, 0x0F};
  uint32_t code =
      static_cast<uint8_t>(sequence[0]) & kLeadBits[sequence.size()];
  for (const char c : sequence.substr(1)) {
    code = code << 6 | (static_cast<uint8_t>(c) & 0x3F);
  }
  return code;
}

// JSON string escaping; also what makes a value safe on one text line and on a
// terminal. The result is UTF-8 whatever the value is.
std::string Escaped(absl::string_view value) {
  std::string out;
  while (!value.empty()) {
    const size_t length = Utf8SequenceLength(value);
    const absl::string_view sequence =
        value.substr(0, std::max<size_t>(length, 1));
    value.remove_prefix(sequence.size());
    if (length == 0) {
      out += "\\ufffd";
    } else if (sequence == "\"" || sequence == "\\") {
      absl::StrAppend(&out, "\\", sequence);
    } else if (sequence == "\n") {
      out += "\\n";
    } else if (sequence == "\t") {
      out += "\\t";
    } else if (IsControlSequence(sequence)) {
      absl::StrAppendFormat(&out, "\\u%04x", CodePoint(sequence));
    } else {
      absl::StrAppend(&out, sequence);
    }
  }
  return out;
}

std::string TextValue(absl::string_view value) {
  bool plain = !value.empty();
  for (const char c : value) {
    plain = plain && absl::ascii_isgraph(static_cast<unsigned char>(c)) &&
            c != '"' && c != '=' && c != '\\';
  }
  return plain ? std::string(value) : absl::StrCat("\"", Escaped(value), "\"");
}

// Whether PIPE_BUF bytes can be written without waiting: a pipe is ready when
// it has room for a page. (Non-blocking mode is not ours to set: the open file
// is shared with whoever started us.)
bool HasRoom(int fd) {
  pollfd room = {.fd = fd, .events = POLLOUT, .revents = 0};
  return poll(&room, 1, /*timeout=*/0) == 1 && (room.revents & POLLOUT) != 0;
}

}  // namespace

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text) {
  for (const LogLevel level : {LogLevel::kDebug, LogLevel::kInfo,
                               LogLevel::kWarning, LogLevel::kError}) {
    if (text == Name(level)) return level;
  }
  return absl::InvalidArgumentError("not one of debug, info, warning, error");
}

absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view text) {
  if (text == "text") return LogFormat::kText;
  if (text == "json") return LogFormat::kJson;
  return absl::InvalidArgumentError("not one of text, json");
}

Log::Log(Options options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

void Log::Debug(absl::string_view message, const LogFields& fields) const {
  Write(LogLevel::kDebug, message, fields);
}
void Log::Info(absl::string_view message, const LogFields& fields) const {
  Write(LogLevel::kInfo, message, fields);
}
void Log::Warning(absl::string_view message, const LogFields& fields) const {
  Write(LogLevel::kWarning, message, fields);
}
void Log::Error(absl::string_view message, const LogFields& fields) const {
  Write(LogLevel::kError, message, fields);
}

std::string Log::Line(LogLevel level, absl::string_view message,
                      const LogFields& fields, size_t value_limit) const {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ",
                                            clock_.Now(), absl::UTCTimeZone());
  const std::string text = Escaped(CutText(message, value_limit));
  std::string line;
  if (options_.format == LogFormat::kJson) {
    absl::StrAppend(&line, "{\"time\":\"", time, "\",\"level\":\"", Name(level),
                    "\",\"component\":\"", options_.component,
                    "\",\"message\":\"", text, "\"");
    for (const auto& [key, value] : fields) {
      absl::StrAppend(&line, ",\"", Escaped(key), "\":\"",
                      Escaped(CutText(value, value_limit)), "\"");
    }
    line += "}\n";
  } else {
    absl::StrAppend(&line, time, " ",
                    absl::AsciiStrToUpper(absl::string_view(Name(level))), " ",
                    options_.component, " ", text);
    for (const auto& [key, value] : fields) {
      absl::StrAppend(&line, " ", key, "=",
                      TextValue(CutText(value, value_limit)));
    }
    line += "\n";
  }
  return line;
}

std::string Log::FittingLine(LogLevel level, absl::string_view message,
                             const LogFields& fields) const {
  size_t limit = PIPE_BUF;
  std::string line = Line(level, message, fields, limit);
  while (line.size() > PIPE_BUF && limit > 0) {
    limit /= 2;
    line = Line(level, message, fields, limit);
  }
  return line;
}

void Log::Write(LogLevel level, absl::string_view message,
                const LogFields& fields) const {
  if (level < options_.level) return;
  MutexLock lock(mu_);
  if (!HasRoom(options_.fd)) {
    ++dropped_;
    return;
  }
  std::string line;
  if (dropped_ == 0) {
    line = FittingLine(level, message, fields);
  } else {
    LogFields more = fields;
    more.emplace_back("dropped_lines", absl::StrCat(dropped_));
    line = FittingLine(level, message, more);
  }
  // A log that cannot be written must not stop a pod.
  if (write(options_.fd, line.data(), line.size()) < 0) {
    ++dropped_;
  } else {
    dropped_ = 0;
  }
}

}  // namespace oneagent
