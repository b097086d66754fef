#include "cache/inspect/details.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cache/inspect/views.h"

namespace oneagent {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

struct Candidate {
  std::string type;
  std::string id;
  Shown row;
};

std::vector<Candidate> Candidates(const Rows& rows) {
  std::vector<Candidate> all;
  for (const AgentRow& row : rows.agents) all.push_back({"agent", row.id, row});
  for (const ConfigRow& row : rows.configs) {
    all.push_back({"config", row.id, row});
  }
  for (const VolumeRow& row : rows.volumes) {
    all.push_back({"volume", row.id, row});
  }
  for (const TenantRow& row : rows.tenants) {
    all.push_back({"tenant", row.dynakube, row});
  }
  return all;
}

std::string TextOf(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) {
    std::vector<std::string> values;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      values.push_back(reflection.GetRepeatedString(message, &field, i));
    }
    return absl::StrJoin(values, " ");
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "yes" : "no";
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const auto number =
          static_cast<int64_t>(reflection.GetDouble(message, &field));
      if (field.name() != "bytes") return absl::StrCat(number);
      return absl::StrCat(number, " (", HumanBytes(number), ")");
    }
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;  // no detail has such a field
  }
  return "";
}

}  // namespace

absl::StatusOr<Shown> FindShown(const Rows& rows, absl::string_view name) {
  std::vector<Candidate> exact;
  std::vector<Candidate> beginning;
  for (Candidate& it : Candidates(rows)) {
    const std::string typed = absl::StrCat(it.type, "/", it.id);
    if (it.id == name || typed == name) {
      exact.push_back(std::move(it));
    } else if (!name.empty() && (absl::StartsWith(it.id, name) ||
                                 absl::StartsWith(typed, name))) {
      beginning.push_back(std::move(it));
    }
  }
  const std::vector<Candidate>& found = exact.empty() ? beginning : exact;
  if (found.empty()) {
    return absl::NotFoundError(
        absl::StrCat(TerminalText(name),
                     ": no agent, config, volume or tenant of that name"));
  }
  if (found.size() > 1) {
    const std::string names =
        absl::StrJoin(found, ", ", [](std::string* out, const Candidate& it) {
          absl::StrAppend(out, it.type, "/", it.id);
        });
    return absl::InvalidArgumentError(absl::StrCat(
        TerminalText(name), ": may be any of ", TerminalText(names)));
  }
  return found.front().row;
}

v1::AgentDetail DetailOf(const AgentRow& agent, const Rows& rows,
                         const Layout& layout) {
  v1::AgentDetail detail;
  detail.set_type("agent");
  detail.set_id(ValidUtf8(agent.id));
  detail.set_version(ValidUtf8(agent.version));
  detail.set_kind(ValidUtf8(agent.kind));
  detail.set_arch(ValidUtf8(agent.arch));
  detail.set_flavor(ValidUtf8(agent.flavor));
  detail.set_source(ValidUtf8(agent.source));
  detail.set_digest(ValidUtf8(agent.digest));
  detail.set_state(Name(agent.state));
  detail.set_bytes(static_cast<double>(agent.bytes));
  detail.set_files(static_cast<double>(agent.files));
  detail.set_installed_at(Rfc3339(agent.installed_at));
  detail.set_last_used_at(Rfc3339(agent.last_used_at));
  detail.set_leases(static_cast<double>(agent.leases));
  detail.set_current(agent.is_current);
  detail.set_path(ValidUtf8(layout.AgentTree(agent.id)));
  for (const VolumeRow& volume : rows.volumes) {
    if (volume.agent_id == agent.id) detail.add_volumes(ValidUtf8(volume.id));
  }
  for (const TenantRow& tenant : rows.tenants) {
    if (tenant.agent_id == agent.id) {
      detail.add_dynakubes(ValidUtf8(tenant.dynakube));
    }
  }
  return detail;
}

v1::ConfigDetail DetailOf(const ConfigRow& config, const Rows& rows,
                          const Layout& layout) {
  v1::ConfigDetail detail;
  detail.set_type("config");
  detail.set_id(ValidUtf8(config.id));
  detail.set_dynakube(ValidUtf8(config.dynakube));
  detail.set_state(Name(config.state));
  detail.set_bytes(static_cast<double>(config.bytes));
  detail.set_files(static_cast<double>(config.files));
  detail.set_created_at(Rfc3339(config.created_at));
  detail.set_last_used_at(Rfc3339(config.last_used_at));
  detail.set_leases(static_cast<double>(config.leases));
  detail.set_current(config.is_current);
  detail.set_path(ValidUtf8(layout.ConfigTree(config.id)));
  for (const VolumeRow& volume : rows.volumes) {
    if (volume.config_id == config.id) detail.add_volumes(ValidUtf8(volume.id));
  }
  for (const TenantRow& tenant : rows.tenants) {
    if (tenant.config_id == config.id) {
      detail.add_dynakubes(ValidUtf8(tenant.dynakube));
    }
  }
  return detail;
}

v1::VolumeDetail DetailOf(const VolumeRow& volume, const Rows& rows,
                          const Layout& layout) {
  v1::VolumeDetail detail;
  detail.set_type("volume");
  detail.set_volume_id(ValidUtf8(volume.id));
  detail.set_pod(ValidUtf8(volume.pod));
  detail.set_namespace_(ValidUtf8(volume.namespace_name));
  detail.set_pod_uid(ValidUtf8(volume.pod_uid));
  detail.set_dynakube(ValidUtf8(volume.dynakube));
  detail.set_mode(Name(volume.mode));
  detail.set_read_only(volume.read_only);
  detail.set_state(Name(volume.state));
  detail.set_agent_id(ValidUtf8(volume.agent_id));
  detail.set_version(ValidUtf8(VersionOf(rows.agents, volume.agent_id)));
  detail.set_config_id(ValidUtf8(volume.config_id));
  detail.set_host_storage(ValidUtf8(volume.host_storage));
  detail.set_attempts(volume.attempts);
  detail.set_first_failure_at(Rfc3339(volume.first_failure_at));
  detail.set_target(ValidUtf8(volume.target));
  detail.set_boot_id(ValidUtf8(volume.boot_id));
  detail.set_since(Rfc3339(volume.since));
  detail.set_reason(ValidUtf8(volume.reason));
  detail.set_path(ValidUtf8(layout.VolumeDir(volume.id)));
  return detail;
}

v1::TenantDetail DetailOf(const TenantRow& tenant, const Rows& rows,
                          const Layout& /*layout*/) {
  v1::TenantDetail detail;
  detail.set_type("tenant");
  detail.set_dynakube(ValidUtf8(tenant.dynakube));
  detail.set_namespace_(ValidUtf8(tenant.namespace_name));
  detail.set_tenant(ValidUtf8(tenant.tenant_uuid));
  detail.set_current_agent_id(ValidUtf8(tenant.agent_id));
  detail.set_current_config_id(ValidUtf8(tenant.config_id));
  detail.set_version(ValidUtf8(tenant.version));
  detail.set_max_attempts(tenant.max_attempts);
  detail.set_state(Name(tenant.state));
  detail.set_reason(ValidUtf8(tenant.reason));
  detail.set_updated_at(Rfc3339(tenant.updated_at));
  detail.set_deleted_at(Rfc3339(tenant.deleted_at));
  for (const VolumeRow& volume : rows.volumes) {
    if (volume.dynakube == tenant.dynakube) {
      detail.add_volumes(ValidUtf8(volume.id));
    }
  }
  return detail;
}

std::vector<Field> FieldsOf(const Message& detail) {
  std::vector<Field> fields;
  for (int i = 0; i < detail.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *detail.GetDescriptor()->field(i);
    fields.push_back({field.json_name(), TextOf(detail, field)});
  }
  return fields;
}

}  // namespace oneagent
