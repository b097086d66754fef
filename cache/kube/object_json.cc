#include "cache/kube/object_json.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace oneagent {
namespace {

// "spec.one_agent.host_group" as people write it.
std::string JsonPath(absl::string_view path) {
  std::string out;
  bool raise = false;
  for (const char c : path) {
    if (c == '_') {
      raise = true;
      continue;
    }
    out += raise ? absl::ascii_toupper(static_cast<unsigned char>(c)) : c;
    raise = false;
  }
  return out;
}

}  // namespace

bool IsDynaKubeName(absl::string_view name) {
  if (name.empty() || name.size() > 63 || name.back() == '-' ||
      !absl::ascii_islower(static_cast<unsigned char>(name[0]))) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return absl::ascii_islower(u) || absl::ascii_isdigit(u) || c == '-';
  });
}

std::string FieldCause(const absl::Status& parse_error) {
  absl::string_view message = parse_error.message();
  const size_t end = message.find("): ");
  if (!absl::ConsumePrefix(&message, "(") || end == absl::string_view::npos) {
    return "not a Kubernetes object";
  }
  return absl::StrCat(JsonPath(message.substr(0, end - 1)),
                      ": not of the expected type");
}

}  // namespace oneagent
