#include "csi/mount_status.h"

#include <utility>

#include "absl/status/statusor.h"
#include "base/durable_file.h"

namespace oneagent {

MountStatus::MountStatus(Layout layout, std::string boot_id, Parts parts)
    : layout_(std::move(layout)), parts_(parts) {
  MutexLock lock(mu_);
  known_.boot_id = std::move(boot_id);
}

void MountStatus::OnWay(const MountWay& way) {
  const absl::Status works = way.AsStatus();
  parts_.metrics.OnMountWay(way);
  parts_.readiness.Set("overlay", works);
  if (!works.ok()) {
    parts_.log.Error("no overlay can be mounted",
                     {{"error", AnswersText(way.refused)}});
  } else {
    parts_.log.Info(
        "overlays can be mounted",
        {{"mount_api", Name(way.api)}, {"refused", AnswersText(way.refused)}});
  }
  {
    MutexLock lock(mu_);
    known_.mount_api = Name(way.api);
    known_.works = way.works;
    known_.refused.clear();
    for (const WayAnswer& answer : way.refused) {
      known_.refused.emplace_back(Name(answer.api), answer.status.message());
    }
    is_written_ = false;
  }
  RunOnce();
}

void MountStatus::OnDiskError(const DiskError& error) {
  parts_.metrics.OnDiskError(error);
  const LogFields fields = {{"data_dir", layout_.data_dir()},
                            {"error", std::string(error.error.message())}};
  if (error.cleared) {
    parts_.log.Warning("write error of the data disk", fields);
  } else {
    parts_.log.Warning("volume mounted without volatile", fields);
  }
  {
    MutexLock lock(mu_);
    const std::string text(error.error.message());
    is_written_ &=
        known_.disk_error == text && known_.disk_error_cleared == error.cleared;
    known_.disk_error = text;
    known_.disk_error_cleared = error.cleared;
  }
  RunOnce();
}

void MountStatus::RunOnce() {
  MutexLock lock(mu_);
  // Under the lock: two writers must not leave the older of two states. It is
  // a small file that is not synced. Somebody may have deleted it.
  const absl::StatusOr<bool> exists = PathExists(layout_.MounterRecord());
  if (is_written_ && (!exists.ok() || *exists)) return;
  is_written_ = WriteMounterRecord(layout_, known_).ok();
}

}  // namespace oneagent
