#include "cache/index/records.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "proto/json.h"
#include "proto/manifest.pb.h"

namespace oneagent {
namespace {

using google::protobuf::Timestamp;

constexpr mode_t kRecordMode = 0600;
// A manifest names every file of a tree (some 2000 in an agent of today); the
// other records are a few lines.
constexpr int64_t kManifestLimit = int64_t{64} << 20;
constexpr int64_t kRecordLimit = int64_t{1} << 20;

absl::Status NotARecord(const std::string& path, absl::string_view cause) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", cause));
}

template <typename Message>
absl::StatusOr<Message> ReadMessage(const std::string& path, int64_t limit) {
  const absl::StatusOr<std::string> text = ReadWholeFile(path, limit);
  if (absl::IsResourceExhausted(text.status())) {
    return WithCode(text.status(), absl::StatusCode::kInvalidArgument);
  }
  if (!text.ok()) return text.status();
  Message message;
  RETURN_IF_ERROR(Annotate(ParseJson(*text, &message), path));
  return message;
}

absl::Status CheckName(const std::string& path, absl::string_view in_record,
                       absl::string_view expected) {
  if (in_record == expected) return absl::OkStatus();
  return NotARecord(path, absl::StrCat("is the record of '", in_record,
                                       "', not of '", expected, "'"));
}

// Ids in records become paths: nothing but a plain name, or none at all.
absl::Status CheckReference(const std::string& path, absl::string_view field,
                            absl::string_view id) {
  if (id.empty() || IsVolumeId(id)) return absl::OkStatus();
  return NotARecord(path, absl::StrCat(field, ": not a name: '", id, "'"));
}

absl::Time FromTimestamp(bool present, const Timestamp& timestamp) {
  if (!present) return absl::InfinitePast();
  return ToRowPrecision(absl::FromUnixSeconds(timestamp.seconds()) +
                        absl::Nanoseconds(timestamp.nanos()));
}

// Only for a time that is set: InfinitePast leaves the field out.
Timestamp ToTimestamp(absl::Time time) {
  const int64_t millis = absl::ToUnixMillis(time);
  const int64_t seconds = absl::ToUnixSeconds(time);
  Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>((millis - seconds * 1000) * 1000000));
  return timestamp;
}

// Length of the well-formed UTF-8 sequence `text` starts with, 0 if none.
size_t Utf8SequenceLength(absl::string_view text) {
  const auto byte = [text](size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                        : lead >= 0xe0 && lead <= 0xef ? 3
                        : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                       : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if (lead == 0xe0 && byte(1) < 0xa0) return 0;
  if (lead == 0xed && byte(1) > 0x9f) return 0;
  if (lead == 0xf0 && byte(1) < 0x90) return 0;
  if (lead == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

// Reasons quote what servers, file names and kernels said; JSON takes UTF-8
// only. Bytes above ASCII that are not part of it become '?'.
std::string ToUtf8(absl::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8SequenceLength(text.substr(i));
    if (length == 0) {
      result.push_back('?');
      ++i;
      continue;
    }
    result.append(text.data() + i, length);
    i += length;
  }
  return result;
}

absl::Status WriteMessage(const std::string& path,
                          const google::protobuf::Message& message,
                          Durability durability) {
  return WriteFileAtomically(path, PrintJson(message), kRecordMode, durability);
}

}  // namespace

absl::StatusOr<AgentRow> ReadAgentRecord(const Layout& layout,
                                         absl::string_view id) {
  const std::string path = layout.AgentManifest(id);
  ASSIGN_OR_RETURN(const v1::AgentManifest manifest,
                   ReadMessage<v1::AgentManifest>(path, kManifestLimit));
  RETURN_IF_ERROR(CheckName(path, manifest.id(), id));
  const absl::Time installed_at =
      FromTimestamp(manifest.has_installed_at(), manifest.installed_at());
  return AgentRow{.id = manifest.id(),
                  .kind = manifest.kind(),
                  .version = manifest.version(),
                  .arch = manifest.arch(),
                  .flavor = manifest.flavor(),
                  .source = manifest.source(),
                  .digest = manifest.digest(),
                  .bytes = manifest.bytes(),
                  .files = manifest.files(),
                  .installed_at = installed_at,
                  .last_used_at = installed_at};
}

absl::StatusOr<ConfigRow> ReadConfigRecord(const Layout& layout,
                                           absl::string_view id) {
  const std::string path = layout.ConfigManifest(id);
  ASSIGN_OR_RETURN(const v1::ConfigManifest manifest,
                   ReadMessage<v1::ConfigManifest>(path, kManifestLimit));
  RETURN_IF_ERROR(CheckName(path, manifest.id(), id));
  const absl::Time created_at =
      FromTimestamp(manifest.has_created_at(), manifest.created_at());
  return ConfigRow{.id = manifest.id(),
                   .dynakube = manifest.dynakube(),
                   .bytes = manifest.bytes(),
                   .files = manifest.files(),
                   .created_at = created_at,
                   .last_used_at = created_at};
}

absl::StatusOr<TenantRow> ReadTenantRecord(const Layout& layout,
                                           absl::string_view dynakube) {
  const std::string path = layout.TenantRecord(dynakube);
  ASSIGN_OR_RETURN(const v1::TenantRecord record,
                   ReadMessage<v1::TenantRecord>(path, kRecordLimit));
  RETURN_IF_ERROR(CheckName(path, record.dynakube(), dynakube));
  RETURN_IF_ERROR(CheckReference(path, "agentId", record.agent_id()));
  RETURN_IF_ERROR(CheckReference(path, "configId", record.config_id()));
  const absl::StatusOr<TenantState> state = ParseTenantState(record.state());
  if (!state.ok()) return Annotate(state.status(), path);
  return TenantRow{
      .dynakube = record.dynakube(),
      .namespace_name = record.namespace_(),
      .tenant_uuid = record.tenant_uuid(),
      .agent_id = record.agent_id(),
      .config_id = record.config_id(),
      .version = record.version(),
      .max_attempts = record.max_attempts(),
      .state = *state,
      .reason = record.reason(),
      .updated_at = FromTimestamp(record.has_updated_at(), record.updated_at()),
      .deleted_at =
          FromTimestamp(record.has_deleted_at(), record.deleted_at())};
}

absl::Status WriteTenantRecord(const Layout& layout, const TenantRow& row) {
  v1::TenantRecord record;
  record.set_dynakube(row.dynakube);
  record.set_namespace_(row.namespace_name);
  record.set_tenant_uuid(ToUtf8(row.tenant_uuid));
  record.set_agent_id(row.agent_id);
  record.set_config_id(row.config_id);
  record.set_version(ToUtf8(row.version));
  record.set_max_attempts(row.max_attempts);
  record.set_state(Name(row.state));
  record.set_reason(ToUtf8(row.reason));
  if (row.updated_at != absl::InfinitePast()) {
    *record.mutable_updated_at() = ToTimestamp(row.updated_at);
  }
  if (row.deleted_at != absl::InfinitePast()) {
    *record.mutable_deleted_at() = ToTimestamp(row.deleted_at);
  }
  return WriteMessage(layout.TenantRecord(row.dynakube), record,
                      Durability::kSync);
}

absl::StatusOr<VolumeRow> ReadVolumeRecord(const Layout& layout,
                                           absl::string_view volume_id) {
  const std::string path = layout.VolumeRecord(volume_id);
  ASSIGN_OR_RETURN(const v1::VolumeRecord record,
                   ReadMessage<v1::VolumeRecord>(path, kRecordLimit));
  RETURN_IF_ERROR(CheckName(path, record.id(), volume_id));
  RETURN_IF_ERROR(CheckReference(path, "agentId", record.agent_id()));
  RETURN_IF_ERROR(CheckReference(path, "configId", record.config_id()));
  RETURN_IF_ERROR(CheckReference(path, "hostStorage", record.host_storage()));
  const absl::StatusOr<VolumeMode> mode = ParseVolumeMode(record.mode());
  if (!mode.ok()) return Annotate(mode.status(), path);
  const absl::StatusOr<VolumeState> state = ParseVolumeState(record.state());
  if (!state.ok()) return Annotate(state.status(), path);
  return VolumeRow{
      .id = record.id(),
      .pod = record.pod(),
      .namespace_name = record.namespace_(),
      .pod_uid = record.pod_uid(),
      .dynakube = record.dynakube(),
      .mode = *mode,
      .read_only = record.read_only(),
      .target = record.target(),
      .state = *state,
      .agent_id = record.agent_id(),
      .config_id = record.config_id(),
      .host_storage = record.host_storage(),
      .boot_id = record.boot_id(),
      .since = FromTimestamp(record.has_since(), record.since()),
      .reason = record.reason(),
      .attempts = record.attempts(),
      .first_failure_at = FromTimestamp(record.has_first_failure_at(),
                                        record.first_failure_at()),
      .first_failure_uptime =
          absl::Milliseconds(record.first_failure_uptime_ms()),
      .cause = ParseCause(record.cause()).value_or(Cause::kOther),
      .covers = record.covers()};
}

absl::Status WriteVolumeRecord(const Layout& layout, const VolumeRow& row,
                               Durability durability) {
  v1::VolumeRecord record;
  record.set_id(row.id);
  record.set_pod(ToUtf8(row.pod));
  record.set_namespace_(ToUtf8(row.namespace_name));
  record.set_pod_uid(ToUtf8(row.pod_uid));
  record.set_dynakube(row.dynakube);
  record.set_mode(Name(row.mode));
  record.set_read_only(row.read_only);
  record.set_target(ToUtf8(row.target));
  record.set_state(Name(row.state));
  record.set_agent_id(row.agent_id);
  record.set_config_id(row.config_id);
  record.set_host_storage(row.host_storage);
  record.set_boot_id(row.boot_id);
  record.set_reason(ToUtf8(row.reason));
  record.set_attempts(row.attempts);
  record.set_first_failure_uptime_ms(
      absl::ToInt64Milliseconds(row.first_failure_uptime));
  record.set_cause(Name(row.cause));
  record.set_covers(row.covers);
  if (row.since != absl::InfinitePast()) {
    *record.mutable_since() = ToTimestamp(row.since);
  }
  if (row.first_failure_at != absl::InfinitePast()) {
    *record.mutable_first_failure_at() = ToTimestamp(row.first_failure_at);
  }
  return WriteMessage(layout.VolumeRecord(row.id), record, durability);
}

absl::StatusOr<MounterState> ReadMounterRecord(const Layout& layout) {
  ASSIGN_OR_RETURN(
      const v1::MounterRecord record,
      ReadMessage<v1::MounterRecord>(layout.MounterRecord(), kRecordLimit));
  MounterState state{.boot_id = record.boot_id(),
                     .mount_api = record.mount_api(),
                     .works = record.works(),
                     .disk_error = record.disk_error(),
                     .disk_error_cleared = record.disk_error_cleared()};
  for (const v1::MounterRecord::Answer& answer : record.refused()) {
    state.refused.emplace_back(answer.mount_api(), answer.error());
  }
  return state;
}

absl::Status WriteMounterRecord(const Layout& layout,
                                const MounterState& state) {
  v1::MounterRecord record;
  record.set_boot_id(state.boot_id);
  record.set_mount_api(state.mount_api);
  record.set_works(state.works);
  for (const auto& [api, error] : state.refused) {
    v1::MounterRecord::Answer* const answer = record.add_refused();
    answer->set_mount_api(api);
    answer->set_error(ToUtf8(error));
  }
  record.set_disk_error(ToUtf8(state.disk_error));
  record.set_disk_error_cleared(state.disk_error_cleared);
  return WriteMessage(layout.MounterRecord(), record, Durability::kNoSync);
}

absl::StatusOr<HostStorage> ReadHostRecord(const Layout& layout,
                                           absl::string_view name) {
  const std::string path = layout.HostRecord(name);
  ASSIGN_OR_RETURN(const v1::HostStorageRecord record,
                   ReadMessage<v1::HostStorageRecord>(path, kRecordLimit));
  RETURN_IF_ERROR(CheckName(path, record.name(), name));
  return HostStorage{.name = record.name(),
                     .dynakube = record.dynakube(),
                     .tenant_uuid = record.tenant_uuid()};
}

absl::Status WriteHostRecord(const Layout& layout, const HostStorage& storage) {
  v1::HostStorageRecord record;
  record.set_name(storage.name);
  record.set_dynakube(storage.dynakube);
  record.set_tenant_uuid(ToUtf8(storage.tenant_uuid));
  return WriteMessage(layout.HostRecord(storage.name), record,
                      Durability::kSync);
}

}  // namespace oneagent
