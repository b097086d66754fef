#include "cache/store/identity.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"

namespace oneagent {

std::string AgentId(const AgentIdentity& identity) {
  // NUL, which none of the parts can hold, keeps "1" + "23" from "12" + "3".
  const std::string nul(1, '\0');
  return Sha256Hex(absl::StrCat(identity.kind, nul, identity.version, nul,
                                identity.arch, nul, identity.flavor))
      .substr(0, 16);
}

bool IsTreeId(absl::string_view name) {
  if (name.size() != 16) return false;
  for (const char c : name) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)) &&
        !(c >= 'a' && c <= 'f')) {
      return false;
    }
  }
  return true;
}

}  // namespace oneagent
