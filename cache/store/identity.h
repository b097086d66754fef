// What makes an agent tree the same tree. Pure.
#ifndef CACHE_STORE_IDENTITY_H_
#define CACHE_STORE_IDENTITY_H_

#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

struct AgentIdentity {
  std::string kind;     // "zip" or "image"
  std::string version;  // agent version, or image digest sha256:<hex>
  std::string arch;     // as the deployment API names it: x86, arm, …
  std::string flavor;   // multidistro, default

  bool operator==(const AgentIdentity&) const = default;
};

// First 16 hex digits of SHA-256 over the four parts: the name of its
// directory. DynaKubes of several tenants share a version, as they should.
std::string AgentId(const AgentIdentity& identity);

// Whether `name` can be that of a tree: 16 hex digits.
bool IsTreeId(absl::string_view name);

}  // namespace oneagent

#endif  // CACHE_STORE_IDENTITY_H_
