#include "cache/provisioner/provisioner.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/boot_id.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "cache/kube/access_config.h"
#include "cache/kube/api_source.h"
#include "cache/kube/manifest_dir.h"
#include "cache/provisioner/error_reporter.h"
#include "cache/provisioner/fresh_node.h"

namespace oneagent {
namespace {

constexpr char kUserAgent[] = "oneagent-csi/" ONEAGENT_VERSION " provisioner";
// The index is looked at this often.
constexpr absl::Duration kTick = absl::Seconds(1);
// Of --once.
constexpr int kRetriesOfOnce = 3;
constexpr absl::Duration kLongestWaitOfOnce = absl::Seconds(10);

// Two provisioners in one directory would sweep away each other's work.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(
        "another provisioner works in this directory");
  }
  return PosixStatus(absl::StrCat("flock ", path), errno);
}

// Whether the directory that is locked still stands at its path.
absl::Status CheckHeld(const UniqueFd& lock, const std::string& path) {
  struct stat held;
  struct stat found;
  if (fstat(lock.get(), &held) == 0 && lstat(path.c_str(), &found) == 0 &&
      held.st_dev == found.st_dev && held.st_ino == found.st_ino) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": was deleted or replaced"));
}

// An index that cannot be used now is waited for: ended, the process would be
// started again, more and more seldom, and say no more than this.
absl::StatusOr<std::unique_ptr<Index>> OpenIndex(
    const ProvisionerConfig& config, CacheObserver& observer,
    Shutdown& shutdown) {
  const bool may_wait = config.action == ProvisionerConfig::Action::kRun;
  ErrorReporter errors(observer);
  while (true) {
    absl::StatusOr<std::unique_ptr<Index>> index =
        Index::Open({.data_dir = config.data_dir,
                     .read_only = false,
                     .on_rebuilt = [&observer](absl::string_view set_aside,
                                               absl::string_view cause) {
                       observer.OnIndexRebuilt(set_aside, cause);
                     }});
    if (!absl::IsUnavailable(index.status()) || !may_wait) return index;
    if (shutdown.IsRequested()) return index;
    errors.Report(Chore::kLookAtIndex, index.status());
    observer.OnTurn(index.status());
    shutdown.Sleep(kTick);
  }
}

}  // namespace

absl::StatusOr<Provisioner::Opened> Provisioner::OpenParts(
    const ProvisionerConfig& config, CacheObserver& observer,
    Shutdown& shutdown) {
  const Layout layout(config.data_dir);
  const std::string flag = absl::StrCat("--data-dir=", config.data_dir);
  Opened opened;
  absl::Status prepared = layout.Prepare(Owner::kProvisioner);
  if (!prepared.ok()) return Annotate(prepared, flag);
  absl::StatusOr<UniqueFd> lock = LockDirectory(layout.StagingDir());
  if (!lock.ok()) return Annotate(lock.status(), flag);
  opened.lock = *std::move(lock);
  absl::StatusOr<std::unique_ptr<Index>> index =
      OpenIndex(config, observer, shutdown);
  if (!index.ok()) return Annotate(index.status(), flag);
  opened.index = *std::move(index);
  ASSIGN_OR_RETURN(opened.boot_id, ReadBootId());
  RETURN_IF_ERROR(OpenSource(config, opened));
  return opened;
}

absl::Status Provisioner::OpenSource(const ProvisionerConfig& config,
                                     Opened& opened) {
  if (!config.dynakube_dir.empty()) {
    ASSIGN_OR_RETURN(opened.source, ManifestDir::Open(config.dynakube_dir));
    return absl::OkStatus();
  }
  const bool in_pod = config.kubeconfig.empty();
  absl::StatusOr<ApiAccess> access =
      in_pod ? InClusterAccess(PodSurroundings::FromEnvironment())
             : KubeconfigAccess(config.kubeconfig);
  if (!access.ok()) {
    return Annotate(access.status(), in_pod ? "API server" : "--kubeconfig");
  }
  if (!config.namespace_name.empty()) {
    access->namespace_name = config.namespace_name;
  }
  const std::string namespace_name = access->namespace_name;
  ASSIGN_OR_RETURN(opened.api_client,
                   ApiClient::Open(*std::move(access), kUserAgent));
  // Jitter is for a roll-out, whose nodes have what their pods need.
  const bool is_urgent = config.action == ProvisionerConfig::Action::kRunOnce ||
                         LacksAgents(Layout(config.data_dir));
  opened.source = std::make_unique<ApiSource>(
      *opened.api_client,
      ApiSource::Options{.namespace_name = namespace_name,
                         .start_jitter = is_urgent ? absl::ZeroDuration()
                                                   : config.start_jitter});
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Provisioner>> Provisioner::Open(
    const ProvisionerConfig& config, const Clock& clock,
    CacheObserver& observer, Shutdown& shutdown) {
  ASSIGN_OR_RETURN(Opened opened, OpenParts(config, observer, shutdown));
  std::unique_ptr<Provisioner> provisioner(
      new Provisioner(config, clock, observer, shutdown, std::move(opened)));
  const absl::Status recovered = provisioner->scheduler_.Start();
  // One tree that cannot be recovered does not keep the others from pods.
  if (!recovered.ok()) observer.OnError(Chore::kRecover, "", recovered);
  return provisioner;
}

std::unique_ptr<ClusterOutlets> Provisioner::OpenOutlets(
    const ProvisionerConfig& config, const Opened& opened, const Clock& clock,
    CacheObserver& observer) {
  if (opened.api_client == nullptr) return nullptr;
  return std::make_unique<ClusterOutlets>(
      *opened.api_client, *opened.index, observer, clock,
      ClusterOutlets::Options{.node_name = config.node_name,
                              .startup_taint = config.startup_taint,
                              .boot_id = opened.boot_id});
}

Provisioner::Provisioner(const ProvisionerConfig& config, const Clock& clock,
                         CacheObserver& observer, Shutdown& shutdown,
                         Opened opened)
    : clock_(clock),
      layout_(config.data_dir),
      opened_(std::move(opened)),
      shutdown_(shutdown),
      curl_(kUserAgent, clock,
            {.url = config.proxy, .no_proxy = config.no_proxy}),
      fetcher_(curl_, shutdown_),
      api_(fetcher_),
      store_(Layout(config.data_dir), *opened_.index, clock, opened_.boot_id),
      book_(Layout(config.data_dir), *opened_.index),
      notice_log_(*opened_.index, observer),
      outlets_(OpenOutlets(config, opened_, clock, observer)),
      observer_(
          outlets_ == nullptr
              ? std::vector<CacheObserver*>{&observer}
              : std::vector<CacheObserver*>{&observer, &outlets_->observer()}),
      collector_(store_, *opened_.index, clock, opened_.boot_id,
                 {.grace_period = config.grace_period,
                  .keep_versions = config.keep_versions}),
      reconciler_({.store = store_,
                   .index = *opened_.index,
                   .api = api_,
                   .book = book_,
                   .gate = gate_,
                   .clock = clock,
                   .observer = observer_,
                   .longest_pause = config.max_retry_after}),
      scheduler_({.source = *opened_.source,
                  .reconciler = reconciler_,
                  .collector = collector_,
                  .store = store_,
                  .index = *opened_.index,
                  .book = book_,
                  .gate = gate_,
                  .notices = outlets_ == nullptr
                                 ? static_cast<NoticeOutlet&>(notice_log_)
                                 : outlets_->notices(),
                  .observer = observer_}) {
  shutdown_.SetWaker([this] { opened_.source->Interrupt(); });
}

Provisioner::~Provisioner() { shutdown_.SetWaker(nullptr); }

// What a network broke may work a moment later; nobody waits long for it.
void Provisioner::SettleOnce() {
  const auto is_ended = [this] { return shutdown_.IsRequested(); };
  for (int retries = 0;; ++retries) {
    scheduler_.WaitUntilSettled(clock_.Now(), is_ended);
    const std::optional<absl::Time> next = scheduler_.SoonestRetry();
    if (!next.has_value() || retries == kRetriesOfOnce || is_ended()) return;
    const absl::Duration wait = *next - clock_.Now();
    if (wait > kLongestWaitOfOnce) return;
    shutdown_.Sleep(wait);
  }
}

bool Provisioner::RunOnce() {
  scheduler_.ListOnce(clock_.Now());
  SettleOnce();
  if (shutdown_.IsRequested()) return false;
  scheduler_.Collect();
  if (outlets_ != nullptr) {
    outlets_->SendOnce();
    outlets_->LookAtTaint(scheduler_.IsFirstAgentReady());
  }
  if (!scheduler_.IsListComplete()) return false;
  for (const Scheduler::Standing& standing : scheduler_.Standings()) {
    if (standing.state != TenantState::kReady) return false;
  }
  return true;
}

absl::Status Provisioner::Run() {
  if (outlets_ != nullptr) outlets_->Start();
  while (!shutdown_.IsRequested()) {
    RETURN_IF_ERROR(CheckHeld(opened_.lock, layout_.StagingDir()));
    scheduler_.RunOnce(clock_.Now());
    if (outlets_ != nullptr) {
      outlets_->LookAtTaint(scheduler_.IsFirstAgentReady());
    }
    if (opened_.source->WaitForChange(kTick)) scheduler_.ListSoon();
  }
  return absl::OkStatus();
}

}  // namespace oneagent
