#include "cache/inspect/diagnose.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cache/index/layout.h"
#include "cache/inspect/table.h"

namespace oneagent {
namespace {

constexpr char kRestartMounter[] =
    "restart the mounter: it sets this right when it starts";

std::string AgeText(absl::Duration age) {
  return HumanAge(absl::UnixEpoch() - age, absl::UnixEpoch());
}

void DiagnoseIndexFile(const NodeFacts& facts, std::vector<Finding>* findings) {
  const std::string file = Layout(facts.disk.data_dir).IndexFile();
  const absl::Status& status = facts.index.status;
  const std::string cause(status.message());
  if (absl::IsNotFound(status)) {
    findings->push_back({"index-missing", file, "there is no index: " + cause,
                         "start (or restart) the mounter: it fills a new one "
                         "from the records; nothing is lost"});
  } else if (absl::IsFailedPrecondition(status)) {
    findings->push_back({"index-other-version", file,
                         "the index is of another program version: " + cause,
                         "use the oneagent-csi of the daemons' image"});
  } else if (absl::IsDataLoss(status)) {
    findings->push_back({"index-damaged", file, "damaged: " + cause,
                         "restart the mounter: it sets the file aside and "
                         "fills a new one from the records"});
  } else if (!status.ok()) {
    findings->push_back({"index-unusable", file, cause,
                         "check the disk, and who holds the file open"});
  } else if (facts.index.reconciled_boot_id != facts.boot_id) {
    findings->push_back(
        {"index-not-reconciled", file,
         facts.index.reconciled_boot_id.empty()
             ? "the mounter has not reconciled this index"
             : "the mounter has not reconciled this index since the reboot",
         "start the mounter; until then nothing is collected"});
  }
  for (const std::string& path : facts.disk.set_aside) {
    findings->push_back({"index-set-aside", path,
                         "a damaged index was set aside and replaced",
                         "check the disk for errors; delete it (and its -wal "
                         "and -shm) when it is of no more interest"});
  }
}

void DiagnoseDirectory(const NodeFacts& facts, std::vector<Finding>* findings) {
  const DiskFacts& disk = facts.disk;
  if (disk.mode != 0700) {
    findings->push_back(
        {"data-dir-mode", disk.data_dir,
         absl::StrFormat("mode is %04o, not 0700: others may look in",
                         disk.mode),
         "restart a daemon (each sets it at start), or chmod 0700"});
  }
  if (!disk.owned_by_root) {
    findings->push_back({"data-dir-owner", disk.data_dir,
                         "does not belong to root", "chown it to 0:0"});
  }
  for (const std::string& message : disk.unreadable) {
    findings->push_back({"unreadable", disk.data_dir, message,
                         "run doctor as root, in the mounter's container"});
  }
  for (const std::string& view : facts.mounts.other_views) {
    findings->push_back(
        {"data-dir-seen-twice", view,
         absl::StrCat("the data directory ", disk.data_dir,
                      " is visible through this mount, too"),
         "mount it once: a host path of its own, outside of what the "
         "container mounts else"});
  }
  for (const std::string& mount : facts.mounts.inside) {
    findings->push_back(
        {"mount-in-data-dir", mount,
         "a mount inside the data directory slows down every publish and "
         "hides what is below",
         "unmount it"});
  }
}

void DiagnoseLeftovers(const NodeFacts& facts, const DiagnoseLimits& limits,
                       std::vector<Finding>* findings) {
  for (const Leftover& it : facts.disk.staging) {
    const bool part = absl::EndsWith(it.path, ".part");
    if (it.age <= (part ? limits.part_age : limits.leftover_age)) continue;
    findings->push_back({"staging-leftover", it.path,
                         absl::StrCat("untouched for ", AgeText(it.age)),
                         "restart the provisioner: it sweeps staging/"});
  }
  for (const Leftover& it : facts.disk.trash) {
    // What is of an earlier boot waits for a daemon of this one, which cannot
    // have taken longer than the boot itself.
    if (std::min(it.age, facts.uptime) <= limits.leftover_age) continue;
    findings->push_back(
        {"trash-leftover", it.path,
         it.age == absl::InfiniteDuration()
             ? "waits for its deletion since an earlier boot"
             : absl::StrCat("waits for its deletion since ", AgeText(it.age)),
         absl::StrContains(it.path, "/trash/volumes/")
             ? "look into the mounter's log: it deletes its trash"
             : "look into the provisioner's log: it deletes its trash"});
  }
}

void DiagnoseSpace(const DiskFacts& disk, const DiagnoseLimits& limits,
                   std::vector<Finding>* findings) {
  if (disk.free_percent < limits.min_free_percent) {
    findings->push_back(
        {"disk-space", disk.data_dir,
         absl::StrCat("only ", disk.free_percent, "% (",
                      HumanBytes(disk.free_bytes), ") of the disk are free"),
         "oneagent-csi du shows who uses it, gc --dry-run what could go"});
  }
  if (disk.free_inodes_percent < limits.min_free_percent) {
    findings->push_back(
        {"disk-inodes", disk.data_dir,
         absl::StrCat("only ", disk.free_inodes_percent,
                      "% of the inodes are free"),
         "oneagent-csi du shows who uses it, gc --dry-run what could go"});
  }
}

}  // namespace

std::vector<Finding> Diagnose(const NodeFacts& facts,
                              const DiagnoseLimits& limits) {
  std::vector<Finding> findings;
  DiagnoseSocket(facts.socket, &findings);
  DiagnoseReference(facts.reference, &findings);
  if (!facts.disk.status.ok()) {
    findings.push_back({"data-dir-missing", facts.disk.data_dir,
                        std::string(facts.disk.status.message()),
                        "name the right one by --data-dir, or start a daemon"});
    return findings;
  }
  DiagnoseHome(facts, limits, &findings);
  DiagnoseOverlays(facts, &findings);
  // Without rows, everything on disk would lack one.
  if (!facts.index.status.ok()) return findings;
  DiagnoseTrees(facts, &findings);
  DiagnoseTenants(facts, limits, &findings);
  DiagnoseVolumes(facts, limits, &findings);
  return findings;
}

std::string OverlayWay(const NodeFacts& facts) {
  const absl::StatusOr<MounterState>& mounter = facts.disk.mounter;
  if (!mounter.ok() || mounter->boot_id != facts.boot_id) return "";
  std::string text = mounter->works ? mounter->mount_api : "none works";
  for (const auto& [api, error] : mounter->refused) {
    absl::StrAppend(&text, "; ", api, ": ", error);
  }
  return text;
}

void DiagnoseOverlays(const NodeFacts& facts, std::vector<Finding>* findings) {
  const std::string way = OverlayWay(facts);
  if (way.empty()) return;
  const MounterState& mounter = *facts.disk.mounter;
  if (!mounter.works) {
    findings->push_back(
        {"overlay-unusable", facts.disk.data_dir,
         absl::StrCat(
             "no overlay can be mounted, pods start without an agent: ", way),
         "put right what the answers name: the kernel's overlay module, free "
         "space, a file system that can hold an upper layer (ext4, xfs with "
         "ftype=1); the mounter tries again by itself"});
  }
  if (!mounter.disk_error.empty()) {
    findings->push_back(
        {"disk-write-error", facts.disk.data_dir,
         absl::StrCat(
             "its file system reported a write error: ", mounter.disk_error,
             mounter.disk_error_cleared
                 ? ""
                 : "; volumes are mounted without volatile"),
         "look into the kernel's log and at the disk; the finding goes when "
         "the "
         "mounter is restarted"});
  }
}

void DiagnoseHome(const NodeFacts& facts, const DiagnoseLimits& limits,
                  std::vector<Finding>* findings) {
  DiagnoseDirectory(facts, findings);
  DiagnoseSpace(facts.disk, limits, findings);
  DiagnoseIndexFile(facts, findings);
  DiagnoseLeftovers(facts, limits, findings);
  if (!facts.mounts.status.ok()) {
    findings->push_back({"mount-table", "/proc/self/mountinfo",
                         std::string(facts.mounts.status.message()),
                         "run doctor where /proc is mounted"});
  }
}

void DiagnoseSocket(const SocketFacts& socket, std::vector<Finding>* findings) {
  const char* const start = "start the mounter, or name its --endpoint";
  switch (socket.state) {
    case SocketFacts::State::kMissing:
      findings->push_back({"socket-missing", socket.path,
                           "no CSI socket: " + socket.error, start});
      return;
    case SocketFacts::State::kNotSocket:
      findings->push_back({"socket-foreign", socket.path,
                           "something that is no socket stands there",
                           "remove it, then restart the mounter"});
      return;
    case SocketFacts::State::kDead:
      findings->push_back({"socket-dead", socket.path,
                           "nobody answers on the CSI socket: the mounter "
                           "is not running",
                           kRestartMounter});
      break;
    case SocketFacts::State::kUnreachable:
      findings->push_back({"socket-unreachable", socket.path, socket.error,
                           "run doctor as root, in the mounter's container"});
      break;
    case SocketFacts::State::kLive:
      break;
  }
  if (socket.mode != 0600) {
    findings->push_back(
        {"socket-mode", socket.path,
         absl::StrFormat("mode is %04o, not 0600: others may publish volumes",
                         socket.mode),
         kRestartMounter});
  }
}

void DiagnoseReference(const ReferenceFacts& reference,
                       std::vector<Finding>* findings) {
  if (reference.data_dir.empty()) return;
  findings->push_back(
      {"reference-data", reference.data_dir,
       absl::StrCat("what the reference driver kept on this node is still "
                    "there; mounted volumes of it: ",
                    reference.volumes),
       "this driver leaves it alone: delete it on the node once no pod from "
       "before runs there"});
}

std::vector<Finding> Persisting(const std::vector<Finding>& first,
                                const std::vector<Finding>& second) {
  std::vector<Finding> both;
  for (const Finding& finding : second) {
    for (const Finding& before : first) {
      if (before.check == finding.check && before.subject == finding.subject) {
        both.push_back(finding);
        break;
      }
    }
  }
  return both;
}

}  // namespace oneagent
