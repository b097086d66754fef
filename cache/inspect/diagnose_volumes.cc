// Volumes: index against records against mount table, and host storage.
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "cache/inspect/diagnose.h"
#include "cache/inspect/table.h"
#include "csi/volume_verdict.h"

namespace oneagent {
namespace {

constexpr char kRestartMounter[] =
    "restart the mounter: it sets this right when it starts";
constexpr char kRestartPod[] =
    "restart the pod once the cause is put right: a running pod keeps what it "
    "was started with";

// The mount table by mount point.
struct Mounted {
  int all = 0;
  int ours = 0;
};

class VolumeDiagnosis {
 public:
  VolumeDiagnosis(const NodeFacts& facts, const DiagnoseLimits& limits,
                  std::vector<Finding>* findings)
      : facts_(facts), limits_(limits), findings_(findings) {
    for (const MountFact& mount : facts.mounts.mounts) {
      Mounted& counted = mounted_[mount.mount_point];
      ++counted.all;
      counted.ours += mount.ours ? 1 : 0;
    }
  }

  void Run() {
    std::set<std::string> with_row;
    for (const VolumeRow& row : facts_.index.volumes) {
      with_row.insert(row.id);
      known_targets_.insert(Resolved(row.target));
      CheckRow(row);
    }
    for (const auto& [id, record] : facts_.disk.volumes) {
      if (record.ok()) known_targets_.insert(Resolved(record->target));
      CheckRecord(id, record, with_row.count(id) != 0);
    }
    CheckMounts();
    CheckHostStorage();
  }

 private:
  void Add(std::string check, const VolumeRow& row, absl::string_view problem,
           std::string advice) {
    findings_->push_back(
        {std::move(check), "volumes/" + row.id,
         absl::StrCat("pod ", row.namespace_name, "/", row.pod, ": ", problem),
         std::move(advice)});
  }

  std::string Resolved(const std::string& target) const {
    const auto it = facts_.mounts.resolved.find(target);
    return it == facts_.mounts.resolved.end() ? target : it->second;
  }

  void CheckRow(const VolumeRow& row) {
    const auto found = facts_.disk.volumes.find(row.id);
    if (row.state != VolumeState::kWaiting &&
        found == facts_.disk.volumes.end()) {
      Add("volume-without-record", row, "there is no volume.json of it",
          kRestartMounter);
    } else if (found != facts_.disk.volumes.end() && found->second.ok()) {
      CompareWithRecord(row, *found->second);
    }
    if (row.boot_id != facts_.boot_id) {
      Add("volume-of-earlier-boot", row,
          "its mount went with the reboot, its row did not", kRestartMounter);
      return;
    }
    const Verdict verdict = VerdictOn(row, found);
    switch (verdict.fate) {
      case Fate::kWaiting:
        CheckPatience("volume-waiting", row, row.first_failure_at);
        return;
      case Fate::kUnfinished:
        CheckPatience("volume-mounting", row, row.since);
        return;
      case Fate::kEmpty:
        Add("volume-empty", row,
            "started without an agent: " + verdict.volume.reason, kRestartPod);
        break;
      case Fate::kLost:
        AddNotMounted("volume-not-mounted", row, "nothing is mounted at ");
        break;
      case Fate::kMounted:
      case Fate::kForeign:
        if (MountedAt(row).ours == 0) {
          AddNotMounted("volume-foreign-mount", row,
                        "something that is not ours is mounted at ");
        }
        break;
      case Fate::kNothing:
      case Fate::kOfEarlierBoot:
      case Fate::kInDoubt:
        break;
    }
    CheckBelow(row);
    const Mounted mounted = MountedAt(row);
    if (mounted.ours > 1) {
      Add("volume-stacked", row,
          absl::StrCat("mounted ", mounted.ours, " times at ", row.target),
          "delete the pod: unpublish unmounts all of them");
    }
  }

  Mounted MountedAt(const VolumeRow& row) const {
    const auto it = mounted_.find(Resolved(row.target));
    return it == mounted_.end() ? Mounted() : it->second;
  }

  using Records = std::map<std::string, absl::StatusOr<VolumeRow>>;
  Verdict VerdictOn(const VolumeRow& row, Records::const_iterator record) {
    Evidence evidence{.row = row};
    if (record != facts_.disk.volumes.end() && record->second.ok()) {
      evidence.record = *record->second;
    }
    const Mounted mounted = MountedAt(row);
    evidence.target = !facts_.mounts.status.ok() ? TargetView::kUnknown
                      : mounted.ours > 0         ? TargetView::kMount
                      : mounted.all > 0          ? TargetView::kForeign
                                                 : TargetView::kDirectory;
    return Judge(evidence, facts_.boot_id);
  }

  void AddNotMounted(std::string check, const VolumeRow& row,
                     absl::string_view what) {
    Add(std::move(check), row, absl::StrCat(what, row.target),
        "run doctor where the kubelet's mounts are visible; if it stays, "
        "delete the pod");
  }

  void CheckPatience(const std::string& check, const VolumeRow& row,
                     absl::Time since) {
    if (facts_.now - since <= limits_.patience) return;
    Add(check, row,
        absl::StrCat(
            Name(row.state), " since ", HumanAge(since, facts_.now), ", ",
            row.attempts,
            row.attempts == 1 ? " attempt: " : " attempts: ", row.reason),
        "put right what the reason names; kubelet tries again by itself");
  }

  void CheckBelow(const VolumeRow& row) {
    const auto below = facts_.mounts.below.find(Resolved(row.target));
    if (below == facts_.mounts.below.end()) return;
    for (const std::string& mount_point : below->second) {
      Add("mount-below-volume", row,
          absl::StrCat("something is mounted below it, at ", mount_point,
                       ": the pod cannot end before that is unmounted"),
          "find out who mounted it, and umount it");
    }
  }

  void CompareWithRecord(const VolumeRow& row, const VolumeRow& record) {
    std::vector<std::string> fields;
    if (record.target != row.target) fields.emplace_back("target");
    if (record.agent_id != row.agent_id) fields.emplace_back("agent");
    if (record.config_id != row.config_id) fields.emplace_back("config");
    if (record.dynakube != row.dynakube) fields.emplace_back("dynakube");
    // `mounting` in a record only says that the mount was begun.
    if (record.state != row.state && record.state != VolumeState::kMounting) {
      fields.emplace_back("state");
    }
    if (fields.empty()) return;
    Add("volume-record-differs", row,
        absl::StrCat("volume.json and index differ in ",
                     absl::StrJoin(fields, ", ")),
        kRestartMounter);
  }

  void CheckRecord(const std::string& id,
                   const absl::StatusOr<VolumeRow>& record, bool has_row) {
    if (!record.ok()) {
      findings_->push_back({"volume-record-damaged", "volumes/" + id,
                            std::string(record.status().message()),
                            kRestartMounter});
    } else if (!has_row) {
      Add("volume-without-row", *record,
          "there is a volume.json, but the index does not know it",
          kRestartMounter);
    }
  }

  void CheckMounts() {
    for (const auto& [mount_point, mounted] : mounted_) {
      if (mounted.ours > 0 && known_targets_.count(mount_point) == 0) {
        findings_->push_back(
            {"mount-without-record", mount_point,
             "a mount of ours that neither index nor records know",
             "restart the mounter; if it stays and no pod uses it, umount"});
      }
    }
  }

  void CheckHostStorage() {
    for (const auto& [name, fact] : facts_.disk.host_storage) {
      if (fact.storage == fact.record) continue;
      findings_->push_back(
          {fact.storage ? "host-storage-without-record"
                        : "host-record-without-storage",
           "host/" + name,
           fact.storage ? "nothing says whose storage this is"
                        : "the storage that this record describes is gone",
           kRestartMounter});
    }
    for (const VolumeRow& row : facts_.index.volumes) {
      const auto it = facts_.disk.host_storage.find(row.host_storage);
      if (row.mode == VolumeMode::kHost && row.state == VolumeState::kMounted &&
          (it == facts_.disk.host_storage.end() || !it->second.storage)) {
        Add("volume-without-storage", row,
            absl::StrCat("its storage host/", row.host_storage, " is gone"),
            kRestartPod);
      }
    }
  }

  const NodeFacts& facts_;
  const DiagnoseLimits& limits_;
  std::vector<Finding>* const findings_;
  std::map<std::string, Mounted> mounted_;
  std::set<std::string> known_targets_;
};

}  // namespace

void DiagnoseVolumes(const NodeFacts& facts, const DiagnoseLimits& limits,
                     std::vector<Finding>* findings) {
  VolumeDiagnosis(facts, limits, findings).Run();
}

}  // namespace oneagent
