#include "cache/inspect/views.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace oneagent {
namespace {

Tone ToneOf(TreeState state) {
  switch (state) {
    case TreeState::kReady:
      return Tone::kGood;
    case TreeState::kMissing:
      return Tone::kBad;
  }
  return Tone::kPlain;
}

Tone ToneOf(TenantState state) {
  switch (state) {
    case TenantState::kReady:
      return Tone::kGood;
    case TenantState::kWaiting:
      return Tone::kWaiting;
    case TenantState::kFailed:
      return Tone::kBad;
  }
  return Tone::kPlain;
}

Tone ToneOf(VolumeState state) {
  switch (state) {
    case VolumeState::kMounted:
      return Tone::kGood;
    case VolumeState::kWaiting:
    case VolumeState::kMounting:
      return Tone::kWaiting;
    case VolumeState::kEmpty:
      return Tone::kBad;
  }
  return Tone::kPlain;
}

bool IsDeleted(const TenantRow& tenant) {
  return tenant.deleted_at != absl::InfinitePast();
}

// A deleted DynaKube is only kept while something refers to it.
std::string ReasonOf(const TenantRow& tenant) {
  if (!IsDeleted(tenant)) return tenant.reason;
  return absl::StrCat("DynaKube deleted at ", Rfc3339(tenant.deleted_at),
                      tenant.reason.empty() ? "" : "; ", tenant.reason);
}

bool IsDigit(char c) {
  return absl::ascii_isdigit(static_cast<unsigned char>(c));
}

// The digits at the start of `text`, without leading zeros; consumed.
absl::string_view TakeNumber(absl::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), IsDigit);
  absl::string_view digits =
      text.substr(0, static_cast<size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  while (!digits.empty() && digits[0] == '0') digits.remove_prefix(1);
  return digits;
}

bool IsOlder(absl::string_view a, absl::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (IsDigit(a[0]) && IsDigit(b[0])) {
      const absl::string_view left = TakeNumber(a);
      const absl::string_view right = TakeNumber(b);
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
    } else {
      if (a[0] != b[0]) return a[0] < b[0];
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  return a.size() < b.size();
}

// "https://host:1/path" -> "host:1"; what is no URL stays as it is.
std::string HostOf(absl::string_view source) {
  const size_t scheme = source.find("://");
  if (scheme == absl::string_view::npos) return std::string(source);
  source.remove_prefix(scheme + 3);
  return std::string(source.substr(0, source.find('/')));
}

}  // namespace

v1::AgentView ViewOf(const AgentRow& agent) {
  v1::AgentView view;
  view.set_id(ValidUtf8(agent.id));
  view.set_version(ValidUtf8(agent.version));
  view.set_source(ValidUtf8(agent.source));
  view.set_state(Name(agent.state));
  view.set_bytes(static_cast<double>(agent.bytes));
  view.set_files(static_cast<double>(agent.files));
  view.set_installed_at(Rfc3339(agent.installed_at));
  view.set_leases(static_cast<double>(agent.leases));
  return view;
}

v1::TenantView ViewOf(const TenantRow& tenant) {
  v1::TenantView view;
  view.set_dynakube(ValidUtf8(tenant.dynakube));
  view.set_tenant(ValidUtf8(tenant.tenant_uuid));
  view.set_current_agent_id(ValidUtf8(tenant.agent_id));
  view.set_version(ValidUtf8(tenant.version));
  view.set_state(Name(tenant.state));
  view.set_reason(ValidUtf8(ReasonOf(tenant)));
  view.set_updated_at(Rfc3339(tenant.updated_at));
  return view;
}

v1::VolumeView ViewOf(const VolumeRow& volume,
                      const std::vector<AgentRow>& agents) {
  v1::VolumeView view;
  view.set_volume_id(ValidUtf8(volume.id));
  view.set_pod(ValidUtf8(volume.pod));
  view.set_namespace_(ValidUtf8(volume.namespace_name));
  view.set_dynakube(ValidUtf8(volume.dynakube));
  view.set_mode(Name(volume.mode));
  view.set_state(Name(volume.state));
  view.set_agent_id(ValidUtf8(volume.agent_id));
  view.set_version(ValidUtf8(VersionOf(agents, volume.agent_id)));
  view.set_attempts(volume.attempts);
  view.set_target(ValidUtf8(volume.target));
  view.set_since(Rfc3339(volume.since));
  view.set_reason(ValidUtf8(volume.reason));
  return view;
}

std::string VersionOf(const std::vector<AgentRow>& agents,
                      const std::string& id) {
  for (const AgentRow& agent : agents) {
    if (agent.id == id) return agent.version;
  }
  return "";
}

std::vector<AgentRow> ByVersion(std::vector<AgentRow> agents) {
  std::stable_sort(agents.begin(), agents.end(),
                   [](const AgentRow& a, const AgentRow& b) {
                     return IsOlder(a.version, b.version);
                   });
  return agents;
}

Table AgentsTable(const std::vector<AgentRow>& agents, absl::Time now) {
  Table table({{"ID"},
               {"VERSION"},
               {"STATE"},
               {"SIZE", Align::kRight},
               {"FILES", Align::kRight},
               {"LEASES", Align::kRight},
               {"CURRENT"},
               {"AGE", Align::kRight},
               {"SOURCE"}});
  for (const AgentRow& agent : agents) {
    table.AddRow({{agent.id},
                  {agent.version},
                  {Name(agent.state), ToneOf(agent.state)},
                  {HumanBytes(agent.bytes)},
                  {absl::StrCat(agent.files)},
                  {absl::StrCat(agent.leases)},
                  {agent.is_current ? "yes" : "no"},
                  {HumanAge(agent.installed_at, now)},
                  {HostOf(agent.source)}});
  }
  return table;
}

Table VolumesTable(const std::vector<VolumeRow>& volumes,
                   const std::vector<AgentRow>& agents, absl::Time now) {
  Table table({{"VOLUME"},
               {"NAMESPACE"},
               {"POD"},
               {"DYNAKUBE"},
               {"MODE"},
               {"STATE"},
               {"VERSION"},
               {"ATTEMPTS", Align::kRight},
               {"AGE", Align::kRight},
               {"REASON"}});
  for (const VolumeRow& volume : volumes) {
    table.AddRow({{volume.id},
                  {volume.namespace_name},
                  {volume.pod},
                  {volume.dynakube},
                  {Name(volume.mode)},
                  {Name(volume.state), ToneOf(volume.state)},
                  {VersionOf(agents, volume.agent_id)},
                  {absl::StrCat(volume.attempts)},
                  {HumanAge(volume.since, now)},
                  {volume.reason}});
  }
  return table;
}

Table TenantsTable(const std::vector<TenantRow>& tenants, absl::Time now) {
  Table table({{"DYNAKUBE"},
               {"TENANT"},
               {"AGENT"},
               {"VERSION"},
               {"STATE"},
               {"AGE", Align::kRight},
               {"REASON"}});
  for (const TenantRow& tenant : tenants) {
    table.AddRow({{tenant.dynakube},
                  {tenant.tenant_uuid},
                  {tenant.agent_id},
                  {tenant.version},
                  {IsDeleted(tenant) ? "deleted" : Name(tenant.state),
                   IsDeleted(tenant) ? Tone::kWaiting : ToneOf(tenant.state)},
                  {HumanAge(tenant.updated_at, now)},
                  {ReasonOf(tenant)}});
  }
  return table;
}

}  // namespace oneagent
