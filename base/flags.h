// Command-line flags over getopt_long(3): a table, its parser and its help.
//
//   const std::vector<Flag> flags = {
//       StringFlag("data-dir", "DIR", "where the cache lives", &dir),
//       IntFlag("max-in-flight", "N", "…", &n, /*least=*/1, /*most=*/10000),
//   };
//   auto rest = ParseFlags(flags, argc, argv);   // words after the flags
//
// Long flags take "--name value" and "--name=value". Pure but for the targets
// that a parse fills.
#ifndef BASE_FLAGS_H_
#define BASE_FLAGS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

struct Flag {
  std::string name;        // without dashes
  std::string value_name;  // "" for a switch that takes no value
  std::string help;
  std::function<absl::Status(absl::string_view)> set;
  char short_name = 0;  // 0: none
};

Flag StringFlag(std::string name, std::string value_name, std::string help,
                std::string* target);
Flag IntFlag(std::string name, std::string value_name, std::string help,
             int64_t* target, int64_t least, int64_t most);
// Go duration syntax.
Flag DurationFlag(std::string name, std::string help, absl::Duration* target);
Flag SwitchFlag(std::string name, std::string help, bool* target);
// A value that `parse` reads: an enum, say.
template <typename T>
Flag ParsedFlag(absl::string_view name, absl::string_view value_name,
                absl::string_view help,
                absl::StatusOr<T> (*parse)(absl::string_view), T* target) {
  return {.name = std::string(name),
          .value_name = std::string(value_name),
          .help = std::string(help),
          .set = [parse, target](absl::string_view text) -> absl::Status {
            const absl::StatusOr<T> value = parse(text);
            if (value.ok()) *target = *value;
            return value.status();
          }};
}

// Returns the words that are no flags, in order; flags may stand after words.
// InvalidArgument, "--name=value: cause", for an unknown flag, a missing or
// superfluous value, or one that `set` refuses.
absl::StatusOr<std::vector<std::string>> ParseFlags(
    const std::vector<Flag>& flags, int argc, char* const* argv);

// One aligned line per flag, for --help.
std::string FlagHelp(const std::vector<Flag>& flags);

}  // namespace oneagent

#endif  // BASE_FLAGS_H_
