#include "cache/conf/tenant_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace oneagent {
namespace {

constexpr size_t kLongest = 64;

}  // namespace

bool IsTenantName(absl::string_view name) {
  return !name.empty() && name.size() <= kLongest &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '.' || c == '_' || c == '-';
         });
}

}  // namespace oneagent
