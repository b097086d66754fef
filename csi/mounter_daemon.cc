// Sequence "start":
//   1  directories, with their modes; when the disk does not allow that now,
//      or somebody deletes them, again each second, while serving
//   2  the lock that keeps a second mounter off this data directory (an old
//      one may still be draining, with its socket already gone); then the dead
//      registration socket that a killed one left goes away, before kubelet
//      has tried it often
//   3  boot id; whether the kernel can do what nothing stands in for; by which
//      way it mounts overlays, found by mounting some
//   4  privileges down to what mounting and copy-up need
//   5  the index. One that cannot be used now (disk full, I/O error) does not
//      stop the start: a mounter that does not answer would block pods for
//      good, whereas one without index fails open. Only an index of a newer
//      program does.
//   6  kubelet's directory
//   7  /healthz, /readyz and /metrics, if asked for
//   8  reconcile; when that fails it is tried again each second, while serving
//   9  the socket, serving
//   10 the registration socket, as soon as the first one answers: at once, or
//      in a later second
//   11 housekeeping
// Nothing of it is undone when a later step fails: each is found again, or
// replaced, by the next start.
#include "csi/mounter_daemon.h"

#include <linux/capability.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <utility>
#include <vector>

#include "base/boot_id.h"
#include "base/http_listener.h"
#include "base/memory.h"
#include "base/privilege.h"
#include "base/status_macros.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/index/reference_layout.h"
#include "csi/data_directory.h"
#include "csi/health.h"
#include "csi/housekeeping.h"
#include "csi/identity_service.h"
#include "csi/listening_socket.h"
#include "csi/mount_status.h"
#include "csi/mounted_volumes.h"
#include "csi/mounter_gauges.h"
#include "csi/mounter_metrics.h"
#include "csi/node_service.h"
#include "csi/periodic_task.h"
#include "csi/publisher.h"
#include "csi/queue_guard.h"
#include "csi/registration.h"
#include "csi/server.h"
#include "csi/socket_keeper.h"
#include "csi/unpublisher.h"
#include "csi/volume_book.h"
#include "csi/volume_collector.h"
#include "csi/volume_context.h"
#include "csi/volume_reconciler.h"
#include "csi/volume_stats.h"
#include "csi/work_queue.h"
#include "overlay/kernel_features.h"
#include "overlay/mount_probe.h"
#include "overlay/probed_mounter.h"
#include "overlay/target_resolver.h"

namespace oneagent {
namespace {

// Enough that one slow disk does not stop the stats of the others.
constexpr int kStatsWorkers = 2;
// How long housekeeping waits for a volume that is being published.
constexpr absl::Duration kGuardPatience = absl::Seconds(30);
// How long the mounter may be deaf because somebody removed its socket.
constexpr absl::Duration kSocketInterval = absl::Seconds(1);
// How long pods wait for an index that another process keeps locked, and how
// long they are answered without it before the next one waits. For each other
// they wait as long as their callers do.
constexpr absl::Duration kIndexPatience = absl::Milliseconds(250);
constexpr absl::Duration kIndexPause = absl::Seconds(1);
// What the allocator may keep between two bursts.
constexpr size_t kSpareMemory = 8 << 20;
// Host storage and trash are measured soon after the start, then seldom: it
// takes a walk over all their files.
constexpr absl::Duration kFirstMeasure = absl::Seconds(3);
constexpr absl::Duration kMeasureInterval = absl::Minutes(5);
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

absl::StatusOr<MountWay> ProbeNode(const Layout& layout) {
  return ProbeMounts(layout.ProbeDir(), layout.SkeletonDir(),
                     layout.VolumesDir());
}

// The logs of the components.
struct ComponentLogs {
  explicit ComponentLogs(const Log& log)
      : daemon(log.For("daemon")),
        identity(log.For("identity")),
        node(log.For("node")),
        volumes(log.For("volumes")),
        index(log.For("index")),
        socket(log.For("socket")),
        registration(log.For("registration")),
        http(log.For("http")) {}

  const Log daemon;
  const Log identity;
  const Log node;
  const Log volumes;
  const Log index;
  const Log socket;
  const Log registration;
  const Log http;
};

}  // namespace

namespace {

// All that volumes need, in the order of construction.
struct Volumes {
  Volumes(const MounterConfig& config, const Layout& layout,
          const std::string& boot_id, Index& index, Mounter& mounter,
          const TargetResolver& targets, const Clock& clock,
          const VolumeChangeObserver& on_change,
          const std::atomic<bool>& stopping)
      : book(layout, boot_id, index, clock),
        mounted(layout, config.kubelet_dir, boot_id),
        context{.layout = layout,
                .boot_id = boot_id,
                .index = index,
                .book = book,
                .mounter = mounter,
                .targets = targets,
                .mounted = mounted,
                .clock = clock,
                .request_reconcile = [this] { reconciler.Request(); }},
        publisher({.max_mount_attempts =
                       static_cast<int32_t>(config.max_mount_attempts),
                   .drain = config.drain,
                   .empty_volume_stub = config.empty_volume_stub,
                   .reference_data_dir = ReferenceDataDir(config.socket_path)},
                  context),
        unpublisher(context, ReferenceDataDir(config.socket_path)),
        stats({}, context),
        queue(static_cast<int>(config.max_in_flight)),
        guard(GuardByQueue(queue, kGuardPatience)),
        reconciler(context, on_change, guard),
        first_reconciler(context, on_change),
        collector({.stopped = [&stopping] { return stopping.load(); },
                   .on_change = on_change},
                  context, guard) {}

  VolumeBook book;
  const MountedVolumes mounted;
  const VolumeContext context;
  Publisher publisher;
  Unpublisher unpublisher;
  VolumeStats stats;
  WorkQueue queue;
  const VolumeGuard guard;
  VolumeReconciler reconciler;
  VolumeReconciler first_reconciler;  // before anything else runs
  VolumeCollector collector;
};

}  // namespace

// In the order of construction; destroyed the other way round.
struct MounterDaemon::Parts {
  Parts(std::unique_ptr<const ComponentLogs> component_logs,
        std::unique_ptr<MounterMetrics> counters, const MounterConfig& config,
        std::string boot_id, MountWay way, std::unique_ptr<Index> opened_index,
        std::unique_ptr<TargetResolver> opened_targets, const Clock& clock);

  ~Parts() { stopping = true; }

  absl::Status ServeHttp(const MounterConfig& config);
  absl::Status Serve(const MounterConfig& config);
  absl::Status Register(const MounterConfig& config, const Clock& clock);
  void EachSecond();
  // Ends the process when its data directory cannot be kept.
  void KeepData();

  std::unique_ptr<DataDirectory> data;  // given up last
  bool is_ending = false;               // of EachSecond
  const std::unique_ptr<const ComponentLogs> logs;
  const std::unique_ptr<MounterMetrics> metrics;
  std::atomic<bool> stopping = false;
  const Layout layout;
  const std::string boot_id;
  MounterHealth health;
  MountStatus mount_status;
  ProbedMounter mounter;
  const std::unique_ptr<Index> index;
  const std::unique_ptr<TargetResolver> targets;
  Volumes volumes;
  WorkQueue stats_queue;
  MounterGauges gauges;
  Housekeeping housekeeping;
  std::unique_ptr<Server> server;
  std::unique_ptr<SocketKeeper> keeper;
  std::unique_ptr<Registration> registration;  // null: not our business
  MemoryTrim trim{kSpareMemory};
  std::unique_ptr<PeriodicTask> keeping;
  std::unique_ptr<HttpListener> health_listener;
  std::unique_ptr<HttpListener> metrics_listener;
  std::unique_ptr<PeriodicTask> measuring;
};

MounterDaemon::Parts::Parts(std::unique_ptr<const ComponentLogs> component_logs,
                            std::unique_ptr<MounterMetrics> counters,
                            const MounterConfig& config, std::string boot,
                            MountWay way, std::unique_ptr<Index> opened_index,
                            std::unique_ptr<TargetResolver> opened_targets,
                            const Clock& clock)
    : logs(std::move(component_logs)),
      metrics(std::move(counters)),
      layout(config.data_dir),
      boot_id(std::move(boot)),
      health(config.socket_path, config.probe_timeout),
      mount_status(layout, boot_id,
                   {.log = logs->daemon,
                    .metrics = *metrics,
                    .readiness = health.readiness()}),
      mounter(
          std::move(way),
          {.probe = [this] { return ProbeNode(layout); },
           .on_way = [this](const MountWay& it) { mount_status.OnWay(it); },
           .on_disk_error =
               [this](const DiskError& it) { mount_status.OnDiskError(it); }}),
      index(std::move(opened_index)),
      targets(std::move(opened_targets)),
      volumes(
          config, layout, boot_id, *index, mounter, *targets, clock,
          [this](const std::string& id, VolumeChange change) {
            LogVolumeChange(logs->volumes, id, change);
          },
          stopping),
      stats_queue(kStatsWorkers),
      gauges(layout, {.book = volumes.book,
                      .stats = volumes.stats,
                      .volume_queue = volumes.queue,
                      .metrics = metrics->metrics()}),
      housekeeping({.book = volumes.book,
                    .reconciler = volumes.reconciler,
                    .collector = volumes.collector,
                    .stats = volumes.stats,
                    .guard = volumes.guard,
                    .log = logs->volumes,
                    .clock = clock,
                    .observers = {&health, metrics.get()}}) {}

absl::Status MounterDaemon::Parts::ServeHttp(const MounterConfig& config) {
  ASSIGN_OR_RETURN(health_listener,
                   ListenForFlag("health-address", config.health_address,
                                 health.Pages(), logs->http));
  ASSIGN_OR_RETURN(metrics_listener,
                   ListenForFlag("metrics-address", config.metrics_address,
                                 gauges.Pages(), logs->http));
  if (metrics_listener != nullptr) {
    measuring = std::make_unique<PeriodicTask>(
        kFirstMeasure, kMeasureInterval, [this] { gauges.MeasureOnce(); });
  }
  return absl::OkStatus();
}

absl::Status MounterDaemon::Parts::Serve(const MounterConfig& config) {
  std::vector<GrpcService> services;
  services.push_back(NewIdentityService(logs->identity));
  services.push_back(NewNodeService({.node_id = config.node_id,
                                     .publisher = volumes.publisher,
                                     .unpublisher = volumes.unpublisher,
                                     .book = volumes.book,
                                     .stats = volumes.stats,
                                     .volume_queue = volumes.queue,
                                     .stats_queue = stats_queue,
                                     .log = logs->node,
                                     .metrics = *metrics}));
  server = std::make_unique<Server>(std::move(services));
  RETURN_IF_ERROR(server->Start());
  keeper = std::make_unique<SocketKeeper>(
      SocketKeeper::Options{.path = config.socket_path}, *server, logs->socket);
  RETURN_IF_ERROR(keeper->Open());
  health.readiness().Set("socket", absl::OkStatus());
  return absl::OkStatus();
}

absl::Status MounterDaemon::Parts::Register(const MounterConfig& config,
                                            const Clock& clock) {
  if (!config.registration_dir.empty()) {
    registration = std::make_unique<Registration>(
        Registration::Options{
            .directory = config.registration_dir,
            .socket_path = config.socket_path,
            .kubelet_socket_path = config.kubelet_socket_path},
        *server, logs->registration, clock);
    RETURN_IF_ERROR(registration->Start());
    health.readiness().Set("registration", registration->CheckRegistered());
  }
  keeping = std::make_unique<PeriodicTask>(
      absl::ZeroDuration(), kSocketInterval, [this] { EachSecond(); });
  return absl::OkStatus();
}

void MounterDaemon::Parts::EachSecond() {
  keeper->RunOnce();
  health.readiness().Set("socket", server->CheckReachable());
  if (registration != nullptr) {
    registration->RunOnce();
    health.readiness().Set("registration", registration->CheckRegistered());
  }
  KeepData();
  mounter.RunOnce(absl::Now());
  mount_status.RunOnce();
  trim.RunOnce();
}

void MounterDaemon::Parts::KeepData() {
  const absl::Status kept = data->RunOnce(logs->daemon);
  if (kept.ok() || std::exchange(is_ending, true)) return;
  logs->daemon.Error("data directory lost, ending",
                     {{"error", std::string(kept.message())}});
  // As whoever stops us would: what was asked is answered. Not raise(), which
  // asks this thread alone.
  kill(getpid(), SIGTERM);
}

namespace {

absl::StatusOr<std::unique_ptr<Index>> OpenIndex(const MounterConfig& config,
                                                 const Log& log,
                                                 MounterMetrics& metrics) {
  return Index::Open(
      {.data_dir = config.data_dir,
       .open_unusable = true,
       .busy_timeout = kIndexPatience,
       .busy_pause = kIndexPause,
       .on_rebuilt = [&log, &metrics](absl::string_view set_aside,
                                      absl::string_view cause) {
         metrics.OnIndexRebuilt();
         log.Warning("index rebuilt", {{"cause", std::string(cause)},
                                       {"set_aside", std::string(set_aside)}});
       }});
}

}  // namespace

absl::StatusOr<std::unique_ptr<MounterDaemon>> MounterDaemon::Start(
    const MounterConfig& config, const Log& log, const Clock& clock) {
  const Layout layout(config.data_dir);
  auto logs = std::make_unique<const ComponentLogs>(log);
  const Log& daemon_log = logs->daemon;
  auto data = std::make_unique<DataDirectory>(layout);
  RETURN_IF_ERROR(data->Open(daemon_log));  // 1, 2
  if (!config.registration_dir.empty()) {
    ListeningSocket::RemoveDead(RegistrationSocket(config.registration_dir));
  }
  ASSIGN_OR_RETURN(std::string boot_id, ReadBootId());  // 3
  RETURN_IF_ERROR(CheckKernel());
  ASSIGN_OR_RETURN(MountWay way, ProbeNode(layout));
  RETURN_IF_ERROR(DropPrivilegesExcept(KeptCapabilities()));  // 4
  ASSIGN_OR_RETURN(auto metrics, MounterMetrics::Create());
  ASSIGN_OR_RETURN(auto index, OpenIndex(config, logs->index, *metrics));  // 5
  ASSIGN_OR_RETURN(auto targets, TargetResolver::Open(                     // 6
                                     config.kubelet_dir, config.target_check));
  auto parts = std::make_unique<Parts>(
      std::move(logs), std::move(metrics), config, std::move(boot_id), way,
      std::move(index), std::move(targets), clock);
  parts->data = std::move(data);
  parts->mount_status.OnWay(way);
  RETURN_IF_ERROR(parts->ServeHttp(config));                              // 7
  parts->housekeeping.ReconcileAtStart(parts->volumes.first_reconciler);  // 8
  RETURN_IF_ERROR(parts->Serve(config));                                  // 9
  RETURN_IF_ERROR(parts->Register(config, clock));                        // 10
  parts->housekeeping.Start();                                            // 11
  daemon_log.Info("serving", {{"socket", config.socket_path},
                              {"node", config.node_id},
                              {"mount_api", Name(way.api)},
                              {"version", ONEAGENT_VERSION}});
  return std::unique_ptr<MounterDaemon>(new MounterDaemon(std::move(parts)));
}

MounterDaemon::MounterDaemon(std::unique_ptr<Parts> parts)
    : parts_(std::move(parts)) {}

MounterDaemon::~MounterDaemon() = default;

void MounterDaemon::Drain() {
  // The trash may hold millions of files: whoever waits for our end must not
  // wait for them. What is left is deleted by the next run.
  parts_->stopping = true;
  parts_->keeping.reset();
  // First: kubelet must not be sent to a socket that is gone.
  if (parts_->registration != nullptr) parts_->registration->Withdraw();
  parts_->server->StopAccepting();
  parts_->volumes.queue.Drain();
  parts_->stats_queue.Drain();
  parts_->server->Shutdown(kShutdownGrace);
}

}  // namespace oneagent
