#include "base/flags.h"

#include <getopt.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/duration.h"
#include "base/posix_status.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

// getopt_long's tables for `flags`. The strings live in `flags`.
struct GetoptTables {
  std::vector<struct option> longs;
  std::string shorts = ":";  // a missing value is told from an unknown flag
};

constexpr int kFirstLong = 256;

GetoptTables TablesFor(const std::vector<Flag>& flags) {
  GetoptTables tables;
  for (size_t i = 0; i < flags.size(); ++i) {
    const bool takes_value = !flags[i].value_name.empty();
    tables.longs.push_back({flags[i].name.c_str(),
                            takes_value ? required_argument : no_argument,
                            nullptr, kFirstLong + static_cast<int>(i)});
    if (flags[i].short_name != 0) {
      tables.shorts += flags[i].short_name;
      if (takes_value) tables.shorts += ':';
    }
  }
  tables.longs.push_back({nullptr, 0, nullptr, 0});
  return tables;
}

const Flag* FindFlag(const std::vector<Flag>& flags, int code) {
  for (size_t i = 0; i < flags.size(); ++i) {
    if (code == kFirstLong + static_cast<int>(i) ||
        (flags[i].short_name != 0 && code == flags[i].short_name)) {
      return &flags[i];
    }
  }
  return nullptr;
}

}  // namespace

Flag StringFlag(std::string name, std::string value_name, std::string help,
                std::string* target) {
  return {std::move(name), std::move(value_name), std::move(help),
          [target](absl::string_view value) {
            *target = std::string(value);
            return absl::OkStatus();
          }};
}

Flag IntFlag(std::string name, std::string value_name, std::string help,
             int64_t* target, int64_t least, int64_t most) {
  return {std::move(name), std::move(value_name), std::move(help),
          [target, least, most](absl::string_view value) {
            int64_t number = 0;
            if (!absl::SimpleAtoi(value, &number) || number < least ||
                number > most) {
              return absl::InvalidArgumentError(absl::StrCat(
                  "not a whole number from ", least, " to ", most));
            }
            *target = number;
            return absl::OkStatus();
          }};
}

Flag DurationFlag(std::string name, std::string help, absl::Duration* target) {
  return {std::move(name), "DURATION", std::move(help),
          [target](absl::string_view value) -> absl::Status {
            ASSIGN_OR_RETURN(*target, ParseGoDuration(value));
            return absl::OkStatus();
          }};
}

Flag SwitchFlag(std::string name, std::string help, bool* target) {
  return {std::move(name), "", std::move(help), [target](absl::string_view) {
            *target = true;
            return absl::OkStatus();
          }};
}

absl::StatusOr<std::vector<std::string>> ParseFlags(
    const std::vector<Flag>& flags, int argc, char* const* argv) {
  const GetoptTables tables = TablesFor(flags);
  // getopt permutes its argument vector: work on a copy.
  std::vector<char*> words(argv, argv + argc);
  words.push_back(nullptr);
  optind = 0;  // glibc: start over
  opterr = 0;
  while (true) {
    const int at = std::max(optind, 1);
    const int code = getopt_long(argc, words.data(), tables.shorts.c_str(),
                                 tables.longs.data(), nullptr);
    if (code == -1) break;
    const std::string word = words[static_cast<size_t>(
        code == '?' || code == ':' ? optind - 1 : at)];
    if (code == ':') {
      return absl::InvalidArgumentError(absl::StrCat(word, ": needs a value"));
    }
    const Flag* const flag = FindFlag(flags, code);
    if (flag == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          word, optopt >= kFirstLong ? ": takes no value" : ": unknown flag"));
    }
    const absl::string_view value = optarg == nullptr ? "" : optarg;
    RETURN_IF_ERROR(
        Annotate(flag->set(value), absl::StrCat("--", flag->name, "=", value)));
  }
  std::vector<std::string> rest;
  for (int i = optind; i < argc; ++i) {
    rest.emplace_back(words[static_cast<size_t>(i)]);
  }
  return rest;
}

std::string FlagHelp(const std::vector<Flag>& flags) {
  std::vector<std::string> left;
  size_t width = 0;
  for (const Flag& flag : flags) {
    std::string text =
        flag.short_name == 0
            ? "      "
            : absl::StrCat("  -", std::string(1, flag.short_name), ", ");
    absl::StrAppend(&text, "--", flag.name);
    if (!flag.value_name.empty()) absl::StrAppend(&text, " ", flag.value_name);
    width = std::max(width, text.size());
    left.push_back(std::move(text));
  }
  std::string help;
  for (size_t i = 0; i < flags.size(); ++i) {
    absl::StrAppend(&help, left[i],
                    std::string(width - left[i].size() + 2, ' '), flags[i].help,
                    "\n");
  }
  return help;
}

}  // namespace oneagent
