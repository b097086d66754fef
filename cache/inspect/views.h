// Rows of the index as the CLI shows them: messages for JSON, tables for eyes.
// Pure, thread-safe. Strings of the messages are valid UTF-8.
#ifndef CACHE_INSPECT_VIEWS_H_
#define CACHE_INSPECT_VIEWS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/index/rows.h"
#include "cache/inspect/table.h"
#include "proto/inspect.pb.h"

namespace oneagent {

v1::AgentView ViewOf(const AgentRow& agent);
v1::TenantView ViewOf(const TenantRow& tenant);
// `agents`: where the version of the leased agent is looked up.
v1::VolumeView ViewOf(const VolumeRow& volume,
                      const std::vector<AgentRow>& agents);

// Version of an agent; "" when the id is empty or unknown.
std::string VersionOf(const std::vector<AgentRow>& agents,
                      const std::string& id);

// Oldest version first: parts of digits count as numbers (1.9 before 1.10), all
// else as text. Agents of one version keep their order.
std::vector<AgentRow> ByVersion(std::vector<AgentRow> agents);

// SOURCE is the host alone; JSON and `show` have all of it.
Table AgentsTable(const std::vector<AgentRow>& agents, absl::Time now);
Table VolumesTable(const std::vector<VolumeRow>& volumes,
                   const std::vector<AgentRow>& agents, absl::Time now);
Table TenantsTable(const std::vector<TenantRow>& tenants, absl::Time now);

}  // namespace oneagent

#endif  // CACHE_INSPECT_VIEWS_H_
