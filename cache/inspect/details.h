// What show prints: everything about one thing. Pure.
#ifndef CACHE_INSPECT_DETAILS_H_
#define CACHE_INSPECT_DETAILS_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"
#include "cache/inspect/table.h"
#include "proto/inspect.pb.h"

namespace oneagent {

struct Rows {
  std::vector<AgentRow> agents;
  std::vector<ConfigRow> configs;
  std::vector<VolumeRow> volumes;
  std::vector<TenantRow> tenants;
};

using Shown = std::variant<AgentRow, ConfigRow, VolumeRow, TenantRow>;

// What `name` means: "type/id", an id or name, or the only beginning of one.
// NotFound when nothing does, InvalidArgument naming the candidates when
// several things do.
absl::StatusOr<Shown> FindShown(const Rows& rows, absl::string_view name);

v1::AgentDetail DetailOf(const AgentRow& agent, const Rows& rows,
                         const Layout& layout);
v1::ConfigDetail DetailOf(const ConfigRow& config, const Rows& rows,
                          const Layout& layout);
v1::VolumeDetail DetailOf(const VolumeRow& volume, const Rows& rows,
                          const Layout& layout);
v1::TenantDetail DetailOf(const TenantRow& tenant, const Rows& rows,
                          const Layout& layout);

// A detail for eyes: one line per key of its JSON, in that order, lists joined
// by blanks, bytes also in human units.
std::vector<Field> FieldsOf(const google::protobuf::Message& detail);

}  // namespace oneagent

#endif  // CACHE_INSPECT_DETAILS_H_
