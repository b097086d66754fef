#include "base/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/mutex.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
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

absl::StatusOr<LogLevel> ParseLevel(absl::string_view text) {
  for (const LogLevel level : {LogLevel::kDebug, LogLevel::kInfo,
                               LogLevel::kWarning, LogLevel::kError}) {
    if (text == Name(level)) return level;
  }
  return absl::InvalidArgumentError("not one of debug, info, warning, error");
}

struct LevelsInParts {
  std::optional<LogLevel> rest;
  LogLevels::ByComponent own;
};

// "debug" or "node=debug", into `levels`.
absl::Status AddLevel(absl::string_view item,
                      absl::Span<const absl::string_view> components,
                      LevelsInParts* levels) {
  const size_t equals = item.find('=');
  if (equals == absl::string_view::npos) {
    ASSIGN_OR_RETURN(const LogLevel level, ParseLevel(item));
    if (levels->rest) {
      return absl::InvalidArgumentError("a second level for all components");
    }
    levels->rest = level;
    return absl::OkStatus();
  }
  const absl::string_view component = item.substr(0, equals);
  ASSIGN_OR_RETURN(const LogLevel level, ParseLevel(item.substr(equals + 1)));
  if (std::find(components.begin(), components.end(), component) ==
      components.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no such component; ", LogLevelsHelp(components)));
  }
  if (!levels->own.emplace(component, level).second) {
    return absl::InvalidArgumentError("a second level for this component");
  }
  return absl::OkStatus();
}

}  // namespace

LogLevel LogLevels::Of(absl::string_view component) const {
  const auto own = own_.find(component);
  return own == own_.end() ? rest_ : own->second;
}

absl::StatusOr<LogLevels> ParseLogLevels(
    absl::string_view text, absl::Span<const absl::string_view> components) {
  LevelsInParts levels;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    const absl::Status added = AddLevel(item, components, &levels);
    // The flag's name stands before it: a lone item would be named twice.
    if (!added.ok() && item == text) return added;
    RETURN_IF_ERROR(Annotate(added, absl::CHexEscape(item)));
  }
  return LogLevels(levels.rest.value_or(LogLevel::kInfo),
                   std::move(levels.own));
}

std::string LogLevelsHelp(absl::Span<const absl::string_view> components) {
  return absl::StrCat("components: ", absl::StrJoin(components, ", "));
}

absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view text) {
  if (text == "text") return LogFormat::kText;
  if (text == "json") return LogFormat::kJson;
  return absl::InvalidArgumentError("not one of text, json");
}

// Where the lines of a log and of all its components go.
class Log::Sink {
 public:
  Sink(Options options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  const Options& options() const { return options_; }

  void Write(LogLevel level, absl::string_view component,
             absl::string_view message, const LogFields& fields);

 private:
  struct Parts {
    LogLevel level;
    absl::string_view component;
    absl::string_view message;
    const LogFields& fields;
  };
  std::string Line(const Parts& parts, size_t value_limit) const;
  // At most PIPE_BUF bytes.
  std::string FittingLine(const Parts& parts) const;

  const Options options_;
  const Clock& clock_;
  Mutex mu_;  // between looking for room and filling it
  int64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
};

std::string Log::Sink::Line(const Parts& parts, size_t value_limit) const {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ",
                                            clock_.Now(), absl::UTCTimeZone());
  const std::string text = Escaped(CutText(parts.message, value_limit));
  std::string line;
  if (options_.format == LogFormat::kJson) {
    absl::StrAppend(&line, "{\"time\":\"", time, "\",\"level\":\"",
                    Name(parts.level), "\",\"component\":\"", parts.component,
                    "\",\"message\":\"", text, "\"");
    for (const auto& [key, value] : parts.fields) {
      absl::StrAppend(&line, ",\"", Escaped(key), "\":\"",
                      Escaped(CutText(value, value_limit)), "\"");
    }
    line += "}\n";
  } else {
    absl::StrAppend(&line, time, " ",
                    absl::AsciiStrToUpper(absl::string_view(Name(parts.level))),
                    " ", parts.component, " ", text);
    for (const auto& [key, value] : parts.fields) {
      absl::StrAppend(&line, " ", key, "=",
                      TextValue(CutText(value, value_limit)));
    }
    line += "\n";
  }
  return line;
}

std::string Log::Sink::FittingLine(const Parts& parts) const {
  size_t limit = PIPE_BUF;
  std::string line = Line(parts, limit);
  while (line.size() > PIPE_BUF && limit > 0) {
    limit /= 2;
    line = Line(parts, limit);
  }
  return line;
}

void Log::Sink::Write(LogLevel level, absl::string_view component,
                      absl::string_view message, const LogFields& fields) {
  MutexLock lock(mu_);
  if (!HasRoom(options_.fd)) {
    ++dropped_;
    return;
  }
  std::string line;
  if (dropped_ == 0) {
    line = FittingLine({level, component, message, fields});
  } else {
    LogFields more = fields;
    more.emplace_back("dropped_lines", absl::StrCat(dropped_));
    line = FittingLine({level, component, message, more});
  }
  // A log that cannot be written must not stop a pod.
  if (write(options_.fd, line.data(), line.size()) < 0) {
    ++dropped_;
  } else {
    dropped_ = 0;
  }
}

Log::Log(Options options, const Clock& clock)
    : component_(options.component),
      level_(options.level.rest()),
      own_sink_(std::make_unique<Sink>(std::move(options), clock)),
      sink_(own_sink_.get()) {}

Log::Log(std::string component, LogLevel level, Sink& sink)
    : component_(std::move(component)), level_(level), sink_(&sink) {}

Log::~Log() = default;
Log::Log(Log&&) noexcept = default;

Log Log::For(absl::string_view component) const {
  return {absl::StrCat(component_, "/", component),
          sink_->options().level.Of(component), *sink_};
}

void Log::Debug(LogMessage message, const LogFields& fields) const {
  Write(LogLevel::kDebug, message, fields);
}
void Log::Info(LogMessage message, const LogFields& fields) const {
  Write(LogLevel::kInfo, message, fields);
}
void Log::Warning(LogMessage message, const LogFields& fields) const {
  Write(LogLevel::kWarning, message, fields);
}
void Log::Error(LogMessage message, const LogFields& fields) const {
  Write(LogLevel::kError, message, fields);
}

void Log::Write(LogLevel level, LogMessage message,
                const LogFields& fields) const {
  if (level < level_) return;
  sink_->Write(level, component_, message.text(), fields);
}

}  // namespace oneagent
