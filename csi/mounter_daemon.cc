// Sequence "start":
//   1  directories, with their modes
//   2  the lock that keeps a second mounter off this data directory (an old
//      one may still be draining, with its socket already gone)
//   3  boot id; the kernel's mount API, found by trying
//   4  privileges down to what mounting and copy-up need
//   5  the index. One that cannot be used now (disk full, I/O error) does not
//      stop the start: a mounter that does not answer would block pods for
//      good, whereas one without index fails open. Only an index of a newer
//      program does.
//   6  kubelet's directory
//   7  reconcile; when that fails it is tried again each second, while serving
//   8  the socket, serving
//   9  housekeeping
// Nothing of it is undone when a later step fails: each is found again, or
// replaced, by the next start.
#include "csi/mounter_daemon.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/file.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/boot_id.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/privilege.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "csi/housekeeping.h"
#include "csi/identity_service.h"
#include "csi/listening_socket.h"
#include "csi/node_service.h"
#include "csi/publisher.h"
#include "csi/queue_guard.h"
#include "csi/server.h"
#include "csi/volume_collector.h"
#include "csi/volume_reconciler.h"
#include "csi/volume_stats.h"
#include "csi/work_queue.h"
#include "overlay/kernel_mounter.h"
#include "overlay/target_resolver.h"

namespace oneagent {
namespace {

// Enough that one slow disk does not stop the stats of the others.
constexpr int kStatsWorkers = 2;
// How long housekeeping waits for a volume that is being published.
constexpr absl::Duration kGuardPatience = absl::Seconds(30);
// For calls that are answered but not yet read by their caller.
constexpr absl::Duration kShutdownGrace = absl::Milliseconds(500);

// The kernel uses the mounter's credentials for every copy-up in a volume:
// without CHOWN, FOWNER or DAC_OVERRIDE a pod's write of another uid's file
// fails.
const std::vector<int>& KeptCapabilities() {
  static const auto& kept = *new std::vector<int>{
      CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER};
  return kept;
}

absl::StatusOr<UniqueFd> LockVolumes(const Layout& layout) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(layout.VolumesDir()));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return PosixStatus(layout.VolumesDir(), errno);
  return absl::AlreadyExistsError(absl::StrCat(
      layout.data_dir(), ": another mounter works on this data directory"));
}

}  // namespace

// In the order of construction; destroyed the other way round.
struct MounterDaemon::Parts {
  Parts(const MounterConfig& config, std::string boot_id, MountApi api,
        std::unique_ptr<Index> opened_index,
        std::unique_ptr<TargetResolver> opened_targets, const Log& log,
        const Clock& clock);

  void ReconcileAtStart(const Log& log, const Clock& clock);
  absl::Status Serve(const MounterConfig& config, const Log& log);

  VolumeReconciler::Options ReconcilerOptions() const {
    return {.boot_id = boot_id, .kubelet_dir = kubelet_dir};
  }

  UniqueFd data_lock;  // given up last
  const Layout layout;
  const std::string boot_id;
  const std::string kubelet_dir;
  KernelMounter mounter;
  const std::unique_ptr<Index> index;
  const std::unique_ptr<TargetResolver> targets;
  Publisher publisher;
  VolumeStats stats;
  WorkQueue volume_queue;
  WorkQueue stats_queue;
  VolumeReconciler reconciler;
  VolumeCollector collector;
  Housekeeping housekeeping;
  std::unique_ptr<Server> server;
};

MounterDaemon::Parts::Parts(const MounterConfig& config, std::string boot,
                            MountApi api, std::unique_ptr<Index> opened_index,
                            std::unique_ptr<TargetResolver> opened_targets,
                            const Log& log, const Clock& clock)
    : layout(config.data_dir),
      boot_id(std::move(boot)),
      kubelet_dir(config.kubelet_dir),
      mounter(api),
      index(std::move(opened_index)),
      targets(std::move(opened_targets)),
      publisher({.boot_id = boot_id,
                 .max_mount_attempts =
                     static_cast<int32_t>(config.max_mount_attempts)},
                layout, *index, mounter, *targets, clock),
      stats({}, layout, *index, mounter, *targets, clock),
      volume_queue(static_cast<int>(config.max_in_flight)),
      stats_queue(kStatsWorkers),
      reconciler(ReconcilerOptions(), layout, *index, mounter, *targets,
                 GuardByQueue(volume_queue, kGuardPatience)),
      collector({.boot_id = boot_id}, layout, *index, mounter, *targets,
                GuardByQueue(volume_queue, kGuardPatience)),
      housekeeping(reconciler, collector, stats, log, clock) {}

void MounterDaemon::Parts::ReconcileAtStart(const Log& log,
                                            const Clock& clock) {
  const absl::Time begin = clock.Now();
  // Nothing else runs yet, so this first one needs no guard.
  VolumeReconciler first(ReconcilerOptions(), layout, *index, mounter,
                         *targets);
  const absl::StatusOr<ReconcileResult> result = first.RunOnce(begin);
  if (result.ok()) {
    LogReconcile(log, *result, clock.Now() - begin);
  } else {
    log.Warning("reconcile failed",
                {{"error", std::string(result.status().message())}});
  }
}

absl::Status MounterDaemon::Parts::Serve(const MounterConfig& config,
                                         const Log& log) {
  ASSIGN_OR_RETURN(auto socket, ListeningSocket::Open(config.socket_path));
  std::vector<GrpcService> services;
  services.push_back(NewIdentityService(log));
  services.push_back(NewNodeService({.node_id = config.node_id,
                                     .publisher = publisher,
                                     .stats = stats,
                                     .volume_queue = volume_queue,
                                     .stats_queue = stats_queue,
                                     .log = log}));
  server = std::make_unique<Server>(std::move(services));
  RETURN_IF_ERROR(server->Start());
  server->Listen(std::move(socket));
  return absl::OkStatus();
}

namespace {

absl::StatusOr<std::unique_ptr<Index>> OpenIndex(const MounterConfig& config,
                                                 const Log& log) {
  return Index::Open({.data_dir = config.data_dir,
                      .open_unusable = true,
                      .on_rebuilt = [&log](absl::string_view set_aside,
                                           absl::string_view cause) {
                        log.Warning("index rebuilt",
                                    {{"cause", std::string(cause)},
                                     {"set_aside", std::string(set_aside)}});
                      }});
}

}  // namespace

absl::StatusOr<std::unique_ptr<MounterDaemon>> MounterDaemon::Start(
    const MounterConfig& config, const Log& log, const Clock& clock) {
  const Layout layout(config.data_dir);
  RETURN_IF_ERROR(layout.Prepare(Owner::kMounter));           // 1
  ASSIGN_OR_RETURN(UniqueFd data_lock, LockVolumes(layout));  // 2
  ASSIGN_OR_RETURN(std::string boot_id, ReadBootId());        // 3
  ASSIGN_OR_RETURN(const MountApi api, KernelMounter::Probe(layout.EmptyDir()));
  RETURN_IF_ERROR(DropPrivilegesExcept(KeptCapabilities()));  // 4
  ASSIGN_OR_RETURN(auto index, OpenIndex(config, log));       // 5
  ASSIGN_OR_RETURN(auto targets, TargetResolver::Open(        // 6
                                     config.kubelet_dir, config.target_check));
  auto parts =
      std::make_unique<Parts>(config, std::move(boot_id), api, std::move(index),
                              std::move(targets), log, clock);
  parts->data_lock = std::move(data_lock);
  parts->ReconcileAtStart(log, clock);         // 7
  RETURN_IF_ERROR(parts->Serve(config, log));  // 8
  parts->housekeeping.Start();                 // 9
  log.Info("serving", {{"socket", config.socket_path},
                       {"node", config.node_id},
                       {"mount_api", Name(api)},
                       {"version", ONEAGENT_VERSION}});
  return std::unique_ptr<MounterDaemon>(new MounterDaemon(std::move(parts)));
}

MounterDaemon::MounterDaemon(std::unique_ptr<Parts> parts)
    : parts_(std::move(parts)) {}

MounterDaemon::~MounterDaemon() = default;

void MounterDaemon::Drain() {
  parts_->server->StopAccepting();
  parts_->volume_queue.Drain();
  parts_->stats_queue.Drain();
  parts_->server->Shutdown(kShutdownGrace);
}

}  // namespace oneagent
