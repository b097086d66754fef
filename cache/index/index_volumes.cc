#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cache/index/connection.h"
#include "cache/index/index.h"
#include "cache/index/stored_rows.h"

namespace oneagent {
namespace {

constexpr int64_t kMostNotices = 1000;

References ReferencesOf(const VolumeRow& row) {
  return {.agent_id = row.agent_id, .config_id = row.config_id};
}

// Puts into `row` what is on record of earlier failures.
void KeepFailures(const std::optional<VolumeRow>& before, VolumeRow& row) {
  // Those of another boot do not count: a pod must not lose its agent because
  // it could not have one before the node was restarted.
  if (!before.has_value() || before->boot_id != row.boot_id) return;
  row.attempts = std::max(row.attempts, before->attempts);
  if (row.first_failure_at == absl::InfinitePast()) {
    row.first_failure_at = before->first_failure_at;
  } else if (before->first_failure_at != absl::InfinitePast()) {
    row.first_failure_at =
        std::min(row.first_failure_at, before->first_failure_at);
  }
  if (row.first_failure_uptime == absl::ZeroDuration()) {
    row.first_failure_uptime = before->first_failure_uptime;
  } else if (before->first_failure_uptime != absl::ZeroDuration()) {
    row.first_failure_uptime =
        std::min(row.first_failure_uptime, before->first_failure_uptime);
  }
  if (row.reason.empty()) {
    row.reason = before->reason;
    row.cause = before->cause;
  }
}

// The times that a caller's row carries, as they will be read back.
VolumeRow WithRowPrecision(VolumeRow row) {
  row.since = ToRowPrecision(row.since);
  row.first_failure_at = ToRowPrecision(row.first_failure_at);
  row.first_failure_uptime =
      absl::Floor(row.first_failure_uptime, absl::Milliseconds(1));
  return row;
}

// `row` in the place of `before`, whose lease it may let go.
absl::Status ReplaceVolume(const Statements& sql,
                           const std::optional<VolumeRow>& before,
                           const VolumeRow& row, absl::Time now) {
  RETURN_IF_ERROR(StoreVolume(sql, row));
  if (!before.has_value()) return absl::OkStatus();
  return LetGo(sql, ReferencesOf(*before), ReferencesOf(row), now);
}

// The text that users of the reference driver know, then the cause.
std::string NotSetUp(absl::string_view dynakube, absl::string_view cause) {
  return absl::StrCat(
      "version or digest is not yet set, csi-provisioner hasn't finished setup "
      "yet for ",
      dynakube, " DynaKube: ", cause);
}

// What a new volume of `dynakube` gets.
absl::StatusOr<References> PickLease(const Statements& sql,
                                     const std::string& dynakube) {
  Query query(sql.pick_lease);
  ASSIGN_OR_RETURN(const bool found, query.Text(":dynakube", dynakube).Step());
  if (!found) {
    return WithCause(
        absl::NotFoundError(NotSetUp(dynakube, "no such DynaKube")),
        Cause::kNoDynakube);
  }
  if (query.TimeAt(2) != absl::InfinitePast()) {
    return WithCause(absl::NotFoundError(NotSetUp(
                         dynakube, "deleted: no such DynaKube any more")),
                     Cause::kNoDynakube);
  }
  References picked = {.agent_id = query.TextAt(3),
                       .config_id = query.TextAt(4)};
  const std::string state = query.TextAt(0);
  const std::string reason = query.TextAt(1);
  const std::string cause =
      reason.empty() ? state : absl::StrCat(state, ": ", reason);
  const auto no_agent = [&](absl::string_view why) {
    return WithCause(absl::FailedPreconditionError(NotSetUp(dynakube, why)),
                     Cause::kNoAgent);
  };
  if (picked.agent_id.empty()) return no_agent(cause);
  const std::string missing = Name(TreeState::kMissing);
  if (query.TextAt(5) == missing) {
    return no_agent(absl::StrCat(cause, ": agent ", picked.agent_id,
                                 " is missing on disk"));
  }
  if (!picked.config_id.empty() && query.TextAt(6) == missing) {
    return no_agent(absl::StrCat(cause, ": configuration ", picked.config_id,
                                 " is missing on disk"));
  }
  return picked;
}

absl::Status StoreNotice(const Statements& sql, const VolumeRow& row,
                         absl::Time now) {
  RETURN_IF_ERROR(Query(sql.put_notice)
                      .Text(":volume_id", row.id)
                      .Text(":pod", row.pod)
                      .Text(":namespace", row.namespace_name)
                      .Text(":pod_uid", row.pod_uid)
                      .Text(":dynakube", row.dynakube)
                      .Text(":reason", row.reason)
                      .Text(":cause", Name(row.cause))
                      .Time(":at", now)
                      .Run());
  return Query(sql.trim_notices)
      .Time(":oldest", now - kOldestNotice)
      .Int(":most", kMostNotices)
      .Run();
}

}  // namespace

absl::StatusOr<Lease> Index::AcquireLease(const LeaseRequest& request) {
  Lease lease;
  RETURN_IF_ERROR(connection_->Write(
      [&](const Connection::Session& session) -> absl::Status {
        VolumeRow row = WithRowPrecision(request.volume);
        row.state = VolumeState::kMounting;
        row.since = ToRowPrecision(request.now);
        References picked;
        if (row.mode == VolumeMode::kApp) {
          ASSIGN_OR_RETURN(picked, PickLease(session.sql, row.dynakube));
        }
        row.agent_id = picked.agent_id;
        row.config_id = picked.config_id;
        ASSIGN_OR_RETURN(const std::optional<VolumeRow> before,
                         LoadVolume(session.sql, row.id));
        KeepFailures(before, row);
        lease = Lease{.agent_id = picked.agent_id,
                      .config_id = picked.config_id,
                      .row = row};
        return ReplaceVolume(session.sql, before, row, request.now);
      }));
  return lease;
}

absl::Status Index::MarkMounted(absl::string_view volume_id, absl::Time now) {
  return connection_->Write(
      [&](const Connection::Session& session) -> absl::Status {
        RETURN_IF_ERROR(Query(session.sql.mark_mounted)
                            .Text(":id", volume_id)
                            .Time(":now", now)
                            .Run());
        if (session.db.changes() > 0) return absl::OkStatus();
        return absl::NotFoundError(
            absl::StrCat("volume ", volume_id, ": not being mounted"));
      });
}

absl::Status Index::MarkEmpty(const VolumeRow& volume, absl::Time now) {
  return connection_->Write(
      [&](const Connection::Session& session) -> absl::Status {
        VolumeRow row = WithRowPrecision(volume);
        row.state = VolumeState::kEmpty;
        row.agent_id.clear();
        row.config_id.clear();
        row.since = ToRowPrecision(now);
        ASSIGN_OR_RETURN(const std::optional<VolumeRow> before,
                         LoadVolume(session.sql, row.id));
        KeepFailures(before, row);
        const bool again =
            before.has_value() && before->state == VolumeState::kEmpty;
        if (again) row.since = before->since;
        RETURN_IF_ERROR(ReplaceVolume(session.sql, before, row, now));
        if (again) return absl::OkStatus();
        return StoreNotice(session.sql, row, now);
      });
}

absl::StatusOr<VolumeRow> Index::RecordFailure(const VolumeRow& volume,
                                               absl::Time now) {
  VolumeRow row;
  RETURN_IF_ERROR(connection_->Write(
      [&](const Connection::Session& session) -> absl::Status {
        row = WithRowPrecision(volume);
        row.state = VolumeState::kWaiting;
        row.agent_id.clear();
        row.config_id.clear();
        ASSIGN_OR_RETURN(const std::optional<VolumeRow> before,
                         LoadVolume(session.sql, row.id));
        KeepFailures(before, row);
        if (row.first_failure_at == absl::InfinitePast()) {
          row.first_failure_at = ToRowPrecision(now);
        }
        // It waits since it failed first; the attempts between are no rest.
        row.since = row.first_failure_at;
        return ReplaceVolume(session.sql, before, row, now);
      }));
  return row;
}

absl::Status Index::PutVolume(const VolumeRow& volume) {
  return connection_->Write(
      [&](const Connection::Session& session) -> absl::Status {
        RETURN_IF_ERROR(StoreMissing(session.sql, ReferencesOf(volume)));
        ASSIGN_OR_RETURN(const std::optional<VolumeRow> before,
                         LoadVolume(session.sql, volume.id));
        return ReplaceVolume(session.sql, before, volume, volume.since);
      });
}

absl::Status Index::ReleaseLease(absl::string_view volume_id, absl::Time now) {
  return connection_->Write(
      [&](const Connection::Session& session) -> absl::Status {
        ASSIGN_OR_RETURN(const std::optional<VolumeRow> before,
                         LoadVolume(session.sql, volume_id));
        if (!before.has_value()) return absl::OkStatus();
        RETURN_IF_ERROR(
            Query(session.sql.delete_volume).Text(":id", volume_id).Run());
        return LetGo(session.sql, ReferencesOf(*before), {}, now);
      });
}

absl::StatusOr<std::optional<VolumeRow>> Index::GetVolume(
    absl::string_view volume_id) {
  absl::StatusOr<std::optional<VolumeRow>> volume;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    volume = LoadVolume(session.sql, volume_id);
    return volume.status();
  }));
  return volume;
}

absl::StatusOr<std::vector<VolumeRow>> Index::ListVolumes() {
  absl::StatusOr<std::vector<VolumeRow>> volumes;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    volumes = AllRows(session.sql.list_volumes, &VolumeAt);
    return volumes.status();
  }));
  return volumes;
}

absl::StatusOr<int32_t> Index::MaxAttempts(absl::string_view dynakube) {
  ASSIGN_OR_RETURN(const std::optional<TenantRow> tenant, GetTenant(dynakube));
  return tenant.has_value() ? tenant->max_attempts : 0;
}

}  // namespace oneagent
