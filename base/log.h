// Structured log of the two daemons: one line per RPC or reconcile, on stderr.
//
//   log.Info("volume published", {{"volume", id}, {"duration", "1.2ms"}});
//
// text: 2026-11-22T10:00:00.000Z INFO mounter volume published volume=csi-1
// json: {"time":"…","level":"info","component":"mounter","message":"…",…}
//
// Libraries do not log; they return Status. Values are escaped; a line is
// written by one write(2) of at most PIPE_BUF bytes (longer values are cut), so
// lines never mix. Nobody ever waits for a reader of the log: a line that
// cannot be written at once is dropped, and the next one that can says how many
// were (field dropped_lines). Never pass a token: there is no filter that would
// save you. Thread-safe.
#ifndef BASE_LOG_H_
#define BASE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace oneagent {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// "debug", "info", "warning", "error". InvalidArgument otherwise.
absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text);
// "text", "json". InvalidArgument otherwise.
absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view text);

using LogFields = std::vector<std::pair<std::string, std::string>>;

class Log {
 public:
  struct Options {
    std::string component;  // "mounter", "provisioner"
    LogLevel level = LogLevel::kInfo;
    LogFormat format = LogFormat::kText;
    int fd = 2;  // borrowed
  };
  // `clock` is borrowed and must outlive the log.
  Log(Options options, const Clock& clock);

  void Debug(absl::string_view message, const LogFields& fields = {}) const;
  void Info(absl::string_view message, const LogFields& fields = {}) const;
  void Warning(absl::string_view message, const LogFields& fields = {}) const;
  void Error(absl::string_view message, const LogFields& fields = {}) const;

 private:
  void Write(LogLevel level, absl::string_view message,
             const LogFields& fields) const;

  std::string Line(LogLevel level, absl::string_view message,
                   const LogFields& fields, size_t value_limit) const;
  // At most PIPE_BUF bytes.
  std::string FittingLine(LogLevel level, absl::string_view message,
                          const LogFields& fields) const;

  const Options options_;
  const Clock& clock_;
  mutable Mutex mu_;  // between looking for room and filling it
  mutable int64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace oneagent

#endif  // BASE_LOG_H_
