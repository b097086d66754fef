#include "base/log.h"

#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

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

// JSON string escaping; also what makes a value safe on one text line.
std::string Escaped(absl::string_view value) {
  std::string out;
  for (const char c : value) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned>(c));
        } else {
          out += c;
        }
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

void Log::Write(LogLevel level, absl::string_view message,
                const LogFields& fields) const {
  if (level < options_.level) return;
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ",
                                            clock_.Now(), absl::UTCTimeZone());
  std::string line;
  if (options_.format == LogFormat::kJson) {
    absl::StrAppend(&line, "{\"time\":\"", time, "\",\"level\":\"", Name(level),
                    "\",\"component\":\"", options_.component,
                    "\",\"message\":\"", Escaped(message), "\"");
    for (const auto& [key, value] : fields) {
      absl::StrAppend(&line, ",\"", Escaped(key), "\":\"", Escaped(value),
                      "\"");
    }
    line += "}\n";
  } else {
    absl::StrAppend(&line, time, " ",
                    absl::AsciiStrToUpper(absl::string_view(Name(level))), " ",
                    options_.component, " ", Escaped(message));
    for (const auto& [key, value] : fields) {
      absl::StrAppend(&line, " ", key, "=", TextValue(value));
    }
    line += "\n";
  }
  // A log that cannot be written must not stop a pod.
  (void)!write(options_.fd, line.data(), line.size());
}

}  // namespace oneagent
