#include "tests/support/kubelet_sim.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/durable_file.h"

namespace oneagent {
namespace {

constexpr absl::Duration kHousekeeping = absl::Seconds(2);
constexpr absl::Duration kPatience = absl::Seconds(30);
// Real time that a leap takes at least: what the driver does by itself has to
// come about as well.
constexpr absl::Duration kLeap = absl::Milliseconds(2);
// An answer wakes us; this is for what a test's condition looks at.
constexpr absl::Duration kLook = absl::Milliseconds(10);

}  // namespace

KubeletSim::KubeletSim(Options options)
    : options_(std::move(options)), begin_(absl::Now()) {
  Start();
}

KubeletSim::~KubeletSim() { Stop(); }

// ---- The API server

void KubeletSim::CreatePod(const SimPod& pod) { api_[pod.pod.uid] = {pod}; }

void KubeletSim::DeletePod(const std::string& uid) {
  const auto found = api_.find(uid);
  if (found != api_.end()) found->second.deleted = true;
}

void KubeletSim::ForceDeletePod(const std::string& uid) { api_.erase(uid); }

// ---- The process

void KubeletSim::Stop() {
  running_ = false;
  AbandonCalls();
  for (auto& [unused, thread] : threads_) thread.join();
  threads_.clear();
  MutexLock lock(mu_);
  results_.clear();
}

// More than once: an operation may be about to make its next call.
void KubeletSim::AbandonCalls() {
  for (;;) {
    options_.driver.cancel_all();
    MutexLock lock(mu_);
    if (results_.size() == threads_.size()) return;
    answered_.WaitFor(mu_, kLook);
  }
}

void KubeletSim::Start() {
  running_ = true;
  knows_all_pods_ = false;
  next_housekeeping_ = absl::InfinitePast();
  actual_.clear();
  operations_.clear();
  Reconstruct();
}

void KubeletSim::Restart() {
  Stop();
  Start();
}

// What has no readable vol_data.json is not reconstructed. kubelet tries once
// to clean up after it, by the same file: the driver hears nothing of it.
void KubeletSim::Reconstruct() {
  for (const KubeletVolumeKey& key : ListVolumesOnDisk(options_.kubelet_dir)) {
    const absl::StatusOr<VolumeData> data =
        LoadVolumeData(KubeletVolumeDir(options_.kubelet_dir, key));
    if (!data.ok() || data->driver_name != kKubeletDriverName) continue;
    actual_[key] = {.uncertain = true,
                    .reconstructed = true,
                    .volume_id = data->volume_handle};
  }
}

// ---- Operations

const SimVolume* KubeletSim::FindWanted(const KubeletVolumeKey& key) const {
  const auto pod = api_.find(key.pod_uid);
  if (pod == api_.end() || pod->second.deleted) return nullptr;
  for (const SimVolume& volume : pod->second.pod.volumes) {
    if (volume.name == key.name) return &volume;
  }
  return nullptr;
}

bool KubeletSim::MayBegin(const KubeletVolumeKey& key, Call::Kind kind) const {
  const auto found = operations_.find(key);
  if (found == operations_.end()) return true;
  if (found->second.pending) return false;
  return found->second.kind != kind || found->second.backoff.MayTry(Now());
}

void KubeletSim::Begin(const KubeletVolumeKey& key, Call::Kind kind,
                       std::function<KubeletOutcome()> work) {
  Operation& operation = operations_[key];
  if (operation.kind != kind) operation = {.kind = kind};
  operation.pending = true;
  const int id = next_thread_++;
  threads_[id] = std::thread([this, id, key, kind, work = std::move(work)] {
    Result result{.thread = id, .key = key, .kind = kind, .outcome = work()};
    MutexLock lock(mu_);
    results_.push_back(std::move(result));
    answered_.NotifyAll();
  });
}

void KubeletSim::BeginMounts() {
  for (const auto& [uid, api_pod] : api_) {
    if (api_pod.deleted) continue;
    for (const SimVolume& volume : api_pod.pod.volumes) {
      const KubeletVolumeKey key = {.pod_uid = uid, .name = volume.name};
      const auto actual = actual_.find(key);
      if (actual != actual_.end() && !actual->second.uncertain) continue;
      if (!MayBegin(key, Call::Kind::kPublish)) continue;
      MakePodDirs(options_.kubelet_dir, uid);
      CsiPublishCall call =
          KubeletPublishCall(options_.kubelet_dir, api_pod.pod.pod, volume.name,
                             volume.attributes);
      call.read_only = volume.read_only;
      Begin(key, Call::Kind::kPublish,
            [this, call, name = volume.name, registered = is_registered_()] {
              return registered ? SetUpVolume(options_.driver, call, name,
                                              options_.node_name)
                                : DriverUnknown();
            });
    }
  }
}

void KubeletSim::BeginUnmounts() {
  for (const auto& [key, unused] : actual_) {
    if (FindWanted(key) != nullptr) continue;
    if (!MayBegin(key, Call::Kind::kUnpublish)) continue;
    const std::string target =
        absl::StrCat(KubeletVolumeDir(options_.kubelet_dir, key), "/mount");
    Begin(key, Call::Kind::kUnpublish,
          [this, target, registered = is_registered_()] {
            return registered ? TearDownVolume(options_.driver, target)
                              : DriverUnknown();
          });
  }
}

// ---- Results

void KubeletSim::ReadResults() {
  std::vector<Result> results;
  {
    MutexLock lock(mu_);
    results.swap(results_);
  }
  for (const Result& result : results) {
    const auto thread = threads_.find(result.thread);
    thread->second.join();
    threads_.erase(thread);
    Apply(result);
  }
}

void KubeletSim::Apply(const Result& result) {
  const KubeletOutcome& outcome = result.outcome;
  if (outcome.called) {
    calls_.push_back({.kind = result.kind,
                      .volume = result.key,
                      .answer = outcome.status,
                      .at = Elapsed()});
  }
  if (!outcome.status.ok()) errors_[result.key.pod_uid] = outcome.status;
  switch (result.kind) {
    case Call::Kind::kPublish:
      ApplyMount(result.key, outcome);
      break;
    case Call::Kind::kUnpublish:
      if (outcome.verdict == CallVerdict::kDone) {
        actual_.erase(result.key);
      } else {
        actual_[result.key].uncertain = true;
      }
      break;
  }
  if (outcome.verdict == CallVerdict::kDone) {
    operations_.erase(result.key);
    return;
  }
  Operation& operation = operations_[result.key];
  operation.pending = false;
  operation.backoff.Fail(Now());
}

void KubeletSim::ApplyMount(const KubeletVolumeKey& key,
                            const KubeletOutcome& outcome) {
  const auto actual = actual_.find(key);
  switch (outcome.verdict) {
    case CallVerdict::kDone:
      actual_[key] = {.volume_id = KubeletVolumeId(key.pod_uid, key.name)};
      break;
    case CallVerdict::kTransient:
      break;
    case CallVerdict::kUncertain:
      if (actual == actual_.end()) {
        actual_[key] = {.uncertain = true,
                        .volume_id = KubeletVolumeId(key.pod_uid, key.name)};
      }
      break;
    case CallVerdict::kFinal:
      if (actual != actual_.end() && !actual->second.reconstructed) {
        actual_.erase(actual);
      }
      break;
  }
}

// ---- Pods that go

bool KubeletSim::HasVolumes(const std::string& uid) const {
  if (IsAtWork(uid)) return true;
  for (const auto& [key, unused] : actual_) {
    if (key.pod_uid == uid) return true;
  }
  return HasMountedVolumes(options_.kubelet_dir, uid);
}

void KubeletSim::LetDeletedPodsGo() {
  for (auto pod = api_.begin(); pod != api_.end();) {
    const bool goes = pod->second.deleted && !HasVolumes(pod->first);
    pod = goes ? api_.erase(pod) : std::next(pod);
  }
}

void KubeletSim::CleanUpOrphans() {
  for (const std::string& uid : ListPodsOnDisk(options_.kubelet_dir)) {
    if (api_.count(uid) > 0) continue;
    orphan_errors_[uid] =
        HasVolumes(uid)
            ? absl::FailedPreconditionError(absl::StrCat(
                  "orphaned pod ", uid, ": volumes are not cleaned up"))
            : CleanUpOrphanedPodDir(options_.kubelet_dir, uid);
  }
}

// ---- Time

void KubeletSim::RunOnce() {
  if (!running_) return;
  ReadResults();
  if (knows_all_pods_) BeginUnmounts();
  BeginMounts();
  LetDeletedPodsGo();
  if (knows_all_pods_ && Now() >= next_housekeeping_) {
    CleanUpOrphans();
    next_housekeeping_ = Now() + kHousekeeping;
  }
  knows_all_pods_ = true;
}

absl::Time KubeletSim::NextDue() const {
  absl::Time due = next_housekeeping_;
  for (const auto& [key, operation] : operations_) {
    const bool wanted = FindWanted(key) != nullptr;
    const bool goes_on = operation.kind == Call::Kind::kPublish
                             ? wanted
                             : !wanted && actual_.count(key) > 0;
    if (goes_on) due = std::min(due, operation.backoff.next_try());
  }
  return due;
}

void KubeletSim::Await() {
  const bool idle = threads_.empty();
  {
    MutexLock lock(mu_);
    if (results_.empty()) answered_.WaitFor(mu_, idle ? kLeap : kLook);
  }
  if (!idle) return;
  // Waits are over after the moment, not at it.
  const absl::Duration left = NextDue() - Now() + absl::Nanoseconds(1);
  leapt_ += std::max(left, absl::ZeroDuration());
}

bool KubeletSim::RunUntil(const std::function<bool()>& done) {
  const absl::Time limit = absl::Now() + kPatience;
  for (;;) {
    RunOnce();
    if (done()) return true;
    if (absl::Now() > limit) return false;
    Await();
  }
}

bool KubeletSim::IsSettled() const {
  for (const auto& [uid, pod] : api_) {
    if (pod.deleted || !IsMounted(uid)) return false;
  }
  for (const auto& [key, unused] : actual_) {
    if (FindWanted(key) == nullptr) return false;
  }
  const std::vector<std::string> on_disk = ListPodsOnDisk(options_.kubelet_dir);
  return threads_.empty() &&
         std::all_of(on_disk.begin(), on_disk.end(),
                     [this](const auto& uid) { return api_.count(uid) > 0; });
}

bool KubeletSim::RunUntilSettled() {
  return RunUntil([this] { return IsSettled(); });
}

absl::Duration KubeletSim::Elapsed() const { return Now() - begin_; }

// ---- What can be seen

bool KubeletSim::IsMounted(const std::string& uid) const {
  const auto pod = api_.find(uid);
  if (pod == api_.end()) return false;
  for (const SimVolume& volume : pod->second.pod.volumes) {
    const auto actual = actual_.find({.pod_uid = uid, .name = volume.name});
    if (actual == actual_.end() || actual->second.uncertain) return false;
  }
  return true;
}

bool KubeletSim::IsKnownToApi(const std::string& uid) const {
  return api_.count(uid) > 0;
}

bool KubeletSim::IsGone(const std::string& uid) const {
  return !IsKnownToApi(uid) &&
         !PathExists(KubeletPodDir(options_.kubelet_dir, uid)).value_or(true);
}

bool KubeletSim::IsAtWork(const std::string& uid) const {
  for (const auto& [key, operation] : operations_) {
    if (key.pod_uid == uid && operation.pending) return true;
  }
  return false;
}

std::string KubeletSim::Target(const std::string& uid,
                               const std::string& name) const {
  return KubeletTarget(options_.kubelet_dir, {.name = "", .uid = uid}, name);
}

int KubeletSim::CountCalls(Call::Kind kind) const {
  return static_cast<int>(
      std::count_if(calls_.begin(), calls_.end(),
                    [kind](const Call& call) { return call.kind == kind; }));
}

absl::Status KubeletSim::LastError(const std::string& uid) const {
  const auto found = errors_.find(uid);
  return found == errors_.end() ? absl::OkStatus() : found->second;
}

absl::Status KubeletSim::OrphanError(const std::string& uid) const {
  const auto found = orphan_errors_.find(uid);
  return found == orphan_errors_.end() ? absl::OkStatus() : found->second;
}

std::vector<absl::StatusOr<CsiVolumeStats>> KubeletSim::CollectStats() const {
  std::vector<absl::StatusOr<CsiVolumeStats>> all;
  for (const auto& [key, actual] : actual_) {
    if (actual.uncertain) continue;
    const absl::Status asked = options_.driver.get_capabilities();
    all.push_back(asked.ok()
                      ? options_.driver.get_stats(actual.volume_id,
                                                  Target(key.pod_uid, key.name))
                      : asked);
  }
  return all;
}

}  // namespace oneagent
