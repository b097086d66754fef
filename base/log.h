// Structured log of the two daemons: one line per RPC or reconcile, on stderr.
//
//   const Log log({.component = "mounter", .level = levels}, clock);
//   const Log volumes = log.For("volumes");
//   volumes.Info("volume recovered", {{"volume", id}});
//
// text: 2026-11-22T10:00:00.000Z INFO mounter/volumes volume recovered volume=…
// json:
// {"time":"…","level":"info","component":"mounter/volumes","message":"…",…}
//
// Every message and every key is in docs/logging.md, which a test keeps
// complete. Libraries do not log; they return Status. Values are escaped; a
// line is written by one write(2) of at most PIPE_BUF bytes (longer values are
// cut), so lines never mix. Nobody ever waits for a reader of the log: a line
// that cannot be written at once is dropped, and the next one that can says how
// many were (field dropped_lines). Never pass a token: there is no filter that
// would save you. Thread-safe.
#ifndef BASE_LOG_H_
#define BASE_LOG_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/clock.h"

namespace oneagent {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// What of a log is written: from a level on, and from other levels on for
// components of their own. Regular value.
class LogLevels {
 public:
  using ByComponent = std::map<std::string, LogLevel, std::less<>>;
  // NOLINTNEXTLINE(google-explicit-constructor): a level is levels
  LogLevels(LogLevel rest = LogLevel::kInfo, ByComponent own = {})
      : rest_(rest), own_(std::move(own)) {}

  LogLevel Of(absl::string_view component) const;
  // Of lines that have no component of their own.
  LogLevel rest() const { return rest_; }

  bool operator==(const LogLevels&) const = default;

 private:
  LogLevel rest_;
  ByComponent own_;
};

// "debug", "info", "warning", "error"; or a list "info,volumes=debug" of at
// most one such level, for all the rest (info where none is given), and levels
// of `components`. InvalidArgument otherwise, with what could have stood there.
absl::StatusOr<LogLevels> ParseLogLevels(
    absl::string_view text, absl::Span<const absl::string_view> components);
inline constexpr char kLogLevelHelp[] =
    "debug, info (default), warning, error; or a list: info,COMPONENT=debug";
// For --help: what `components` there are.
std::string LogLevelsHelp(absl::Span<const absl::string_view> components);

// "text", "json". InvalidArgument otherwise.
absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view text);

using LogFields = std::vector<std::pair<std::string, std::string>>;

// A literal, so that people find each message by its text, in the sources and
// in docs/logging.md. What varies belongs into fields.
class LogMessage {
 public:
  template <size_t kSize>
  // NOLINTNEXTLINE(google-explicit-constructor): stands where a literal does
  consteval LogMessage(const char (&text)[kSize]) : text_(text, kSize - 1) {}

  absl::string_view text() const { return text_; }
  bool operator==(const LogMessage&) const = default;

 private:
  absl::string_view text_;
};

class Log {
 public:
  struct Options {
    std::string component;  // "mounter", "provisioner"
    LogLevels level = {};
    LogFormat format = LogFormat::kText;
    int fd = 2;  // borrowed
  };
  // `clock` is borrowed and must outlive the log.
  Log(Options options, const Clock& clock);
  ~Log();
  Log(Log&&) noexcept;
  Log& operator=(Log&&) = delete;

  // The log of one component, at its level. It writes where this one does and
  // counts dropped lines with it; this one must outlive it.
  Log For(absl::string_view component) const;

  void Debug(LogMessage message, const LogFields& fields = {}) const;
  void Info(LogMessage message, const LogFields& fields = {}) const;
  void Warning(LogMessage message, const LogFields& fields = {}) const;
  void Error(LogMessage message, const LogFields& fields = {}) const;

 private:
  class Sink;
  Log(std::string component, LogLevel level, Sink& sink);

  void Write(LogLevel level, LogMessage message, const LogFields& fields) const;

  const std::string component_;
  const LogLevel level_;
  std::unique_ptr<Sink> own_sink_;  // of the log that was not made by For
  Sink* sink_;
};

}  // namespace oneagent

#endif  // BASE_LOG_H_
