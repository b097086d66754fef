// du: shared against private bytes.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/status_macros.h"
#include "cache/index/layout.h"
#include "cache/inspect/json_output.h"
#include "cache/inspect/measure.h"
#include "cache/inspect/verbs.h"
#include "cache/inspect/views.h"
#include "proto/inspect.pb.h"

namespace oneagent {
namespace {

void AddAgents(const std::vector<AgentRow>& agents, v1::DiskUsage* usage) {
  for (const AgentRow& agent : agents) {
    v1::DiskUsageAgent& it = *usage->add_agents();
    // A missing tree takes nothing, but its volumes' copies would.
    const auto bytes = static_cast<double>(agent.bytes);
    const double kept = agent.state == TreeState::kReady ? bytes : 0;
    it.set_id(ValidUtf8(agent.id));
    it.set_version(ValidUtf8(agent.version));
    it.set_bytes(kept);
    it.set_leases(static_cast<double>(agent.leases));
    it.set_copied_bytes(bytes * static_cast<double>(agent.leases));
    usage->set_shared_bytes(usage->shared_bytes() + kept);
    usage->set_copied_bytes(usage->copied_bytes() + it.copied_bytes());
  }
}

void AddVolumes(const std::vector<VolumeRow>& volumes, const Layout& layout,
                v1::DiskUsage* usage) {
  for (const VolumeRow& volume : volumes) {
    if (volume.mode == VolumeMode::kHost) continue;  // see host storage
    const MeasuredTree upper = MeasureTree(layout.VolumeUpper(volume.id));
    const MeasuredTree pod = MeasureTree(layout.VolumePodLayer(volume.id));
    v1::DiskUsageVolume& it = *usage->add_volumes();
    it.set_volume_id(ValidUtf8(volume.id));
    it.set_pod(ValidUtf8(volume.pod));
    it.set_namespace_(ValidUtf8(volume.namespace_name));
    it.set_agent_id(ValidUtf8(volume.agent_id));
    it.set_private_bytes(static_cast<double>(upper.bytes + pod.bytes));
    it.set_complete(upper.complete && pod.complete);
    usage->set_private_bytes(usage->private_bytes() + it.private_bytes());
  }
}

void AddHostStorage(const Layout& layout, v1::DiskUsage* usage) {
  const absl::StatusOr<std::vector<std::string>> names =
      ListDirectory(layout.HostDir());
  // No mounter has run yet, or we may not look: then there is nothing to say.
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (absl::StartsWith(name, ".") || absl::EndsWith(name, ".json")) continue;
    const MeasuredTree tree = MeasureTree(layout.HostStorage(name));
    v1::DiskUsageHost& it = *usage->add_host_storage();
    it.set_name(ValidUtf8(name));
    it.set_bytes(static_cast<double>(tree.bytes));
    it.set_complete(tree.complete);
    usage->set_host_bytes(usage->host_bytes() + it.bytes());
  }
}

absl::StatusOr<v1::DiskUsage> Measure(Index& index, const Layout& layout) {
  v1::DiskUsage usage;
  ASSIGN_OR_RETURN(const std::vector<AgentRow> agents, index.ListAgents());
  ASSIGN_OR_RETURN(const std::vector<ConfigRow> configs, index.ListConfigs());
  ASSIGN_OR_RETURN(const std::vector<VolumeRow> volumes, index.ListVolumes());
  AddAgents(agents, &usage);
  for (const ConfigRow& config : configs) {
    const auto bytes = static_cast<double>(config.bytes);
    usage.set_shared_bytes(usage.shared_bytes() + bytes);
    usage.set_copied_bytes(usage.copied_bytes() +
                           bytes * static_cast<double>(config.leases));
  }
  AddVolumes(volumes, layout, &usage);
  AddHostStorage(layout, &usage);
  usage.set_staging_bytes(
      static_cast<double>(MeasureTree(layout.StagingDir()).bytes));
  usage.set_trash_bytes(
      static_cast<double>(MeasureTree(layout.TrashAgents()).bytes +
                          MeasureTree(layout.TrashVolumes()).bytes));
  usage.set_copied_bytes(usage.copied_bytes() + usage.private_bytes());
  usage.set_saved_bytes(usage.copied_bytes() - usage.shared_bytes() -
                        usage.private_bytes());
  return usage;
}

std::string Human(double bytes) {
  return bytes < 0 ? absl::StrCat("-", HumanBytes(static_cast<int64_t>(-bytes)))
                   : HumanBytes(static_cast<int64_t>(bytes));
}

std::string Human(double bytes, bool complete) {
  return complete ? Human(bytes) : absl::StrCat("at least ", Human(bytes));
}

void PrintTables(const v1::DiskUsage& usage, const Console& console) {
  Table agents({{"AGENT"},
                {"VERSION"},
                {"SHARED", Align::kRight},
                {"LEASES", Align::kRight},
                {"AS COPIES", Align::kRight}});
  for (const v1::DiskUsageAgent& it : usage.agents()) {
    agents.AddRow({{it.id()},
                   {it.version()},
                   {Human(it.bytes())},
                   {absl::StrCat(it.leases())},
                   {Human(it.copied_bytes())}});
  }
  Table volumes({{"VOLUME"},
                 {"NAMESPACE"},
                 {"POD"},
                 {"AGENT"},
                 {"PRIVATE", Align::kRight}});
  for (const v1::DiskUsageVolume& it : usage.volumes()) {
    volumes.AddRow({{it.volume_id()},
                    {it.namespace_()},
                    {it.pod()},
                    {it.agent_id()},
                    {Human(it.private_bytes(), it.complete())}});
  }
  Table host({{"HOST STORAGE"}, {"SIZE", Align::kRight}});
  for (const v1::DiskUsageHost& it : usage.host_storage()) {
    host.AddRow({{it.name()}, {Human(it.bytes(), it.complete())}});
  }
  console.out << agents.Format(console.paint) << "\n"
              << volumes.Format(console.paint) << "\n";
  if (usage.host_storage_size() > 0) {
    console.out << host.Format(console.paint) << "\n";
  }
  console.out << FormatFields(
      {{"shared by all pods", Human(usage.shared_bytes())},
       {"private to pods", Human(usage.private_bytes())},
       {"host storage", Human(usage.host_bytes())},
       {"staging", Human(usage.staging_bytes())},
       {"trash", Human(usage.trash_bytes())},
       {"a copy per pod would take", Human(usage.copied_bytes())},
       {"saved", Human(usage.saved_bytes())}});
}

}  // namespace

VerbResult RunDu(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Index> index,
                   OpenForReading(it.data_dir));
  ASSIGN_OR_RETURN(const v1::DiskUsage usage,
                   Measure(*index, Layout(it.data_dir)));
  if (it.output == Output::kJson) {
    console.out << JsonObject(usage) << "\n";
  } else {
    PrintTables(usage, console);
  }
  return kExitFine;
}

}  // namespace oneagent
