// The name of a tenant (its UUID), wherever it comes from. Pure.
#ifndef CACHE_CONF_TENANT_NAME_H_
#define CACHE_CONF_TENANT_NAME_H_

#include "absl/strings/string_view.h"

namespace oneagent {

// What may stand in files, tables and log lines: 1 to 64 letters, digits, ".",
// "_" and "-", as every tenant's name is.
bool IsTenantName(absl::string_view name);

}  // namespace oneagent

#endif  // CACHE_CONF_TENANT_NAME_H_
