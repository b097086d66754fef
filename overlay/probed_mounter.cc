#include "overlay/probed_mounter.h"

#include <utility>

#include "base/status_macros.h"

namespace oneagent {
namespace {

// Whether another way may do better: not where a layer, the target or the disk
// is at fault.
bool MayBeOfTheWay(const absl::Status& status) {
  return !status.ok() && !absl::IsNotFound(status) &&
         !absl::IsAlreadyExists(status) &&
         !absl::IsFailedPrecondition(status) &&
         !absl::IsResourceExhausted(status) && !absl::IsUnavailable(status);
}

// Whether `b` says nothing that `a` did not: where a way works, what the others
// answered is not worth another line.
bool IsOldNews(const MountWay& a, const MountWay& b) {
  return a.api == b.api && a.works == b.works &&
         (a.works || AnswersText(a.refused) == AnswersText(b.refused));
}

}  // namespace

ProbedMounter::ProbedMounter(MountWay way, Options options)
    : options_(std::move(options)),
      ways_{KernelMounter(kMountApis[0], options_.on_disk_error),
            KernelMounter(kMountApis[1], options_.on_disk_error),
            KernelMounter(kMountApis[2], options_.on_disk_error)},
      way_(std::move(way)) {}

MountWay ProbedMounter::way() const {
  MutexLock lock(mu_);
  return way_;
}

void ProbedMounter::Take(const MountWay& way) {
  {
    MutexLock lock(mu_);
    const bool is_old = IsOldNews(way_, way);
    way_ = way;
    if (is_old) return;
  }
  if (options_.on_way) options_.on_way(way);
}

void ProbedMounter::RunOnce(absl::Time now) {
  {
    MutexLock lock(mu_);
    if (way_.works && !probe_wanted_) return;
    // A clock that was set back puts nothing off.
    const bool is_soon =
        now < next_probe_ && next_probe_ <= now + options_.pause;
    if (!probe_wanted_ && is_soon) return;
    probe_wanted_ = false;
    next_probe_ = now + options_.pause;
  }
  const absl::StatusOr<MountWay> probed = options_.probe();
  if (!probed.ok()) return;
  {
    MutexLock lock(mu_);
    if (distrusted_.contains(probed->api)) return;
  }
  Take(*probed);
}

absl::StatusOr<MountWay> ProbedMounter::TryOthers(MountApi first,
                                                  const absl::Status& refused,
                                                  const MountBy& mount) {
  MountWay other{.works = true, .refused = {{.api = first, .status = refused}}};
  for (const MountApi api : kMountApis) {
    if (api <= first) continue;
    const absl::Status tried = mount(By(api));
    if (tried.ok()) {
      other.api = api;
      return other;
    }
    other.refused.push_back({.api = api, .status = tried});
  }
  return refused;
}

absl::Status ProbedMounter::MountOverlay(const OverlayPlan& plan,
                                         const MountTarget& target) {
  const MountApi taken = way().api;
  const absl::Status refused = By(taken).MountOverlay(plan, target);
  if (refused.ok()) {
    // The probe found no way, and here is one: not what is said any longer.
    MutexLock lock(mu_);
    probe_wanted_ = probe_wanted_ || !way_.works;
  }
  if (!MayBeOfTheWay(refused)) return refused;
  const absl::StatusOr<MountWay> other =
      TryOthers(taken, refused, [&](KernelMounter& mounter) {
        // What a try that failed late may have left.
        if (plan.is_volatile) RETURN_IF_ERROR(ClearVolatileMarker(plan.work));
        return mounter.MountOverlay(plan, target);
      });
  if (!other.ok()) return refused;
  {
    MutexLock lock(mu_);
    for (const WayAnswer& answer : other->refused) {
      distrusted_.insert(answer.api);
    }
    probe_wanted_ = true;
  }
  Take(*other);
  return absl::OkStatus();
}

// An empty volume or a bind says nothing about overlays.
absl::Status ProbedMounter::MountEmpty(const EmptyVolume& volume,
                                       const MountTarget& target) {
  const MountApi taken = way().api;
  const absl::Status refused = By(taken).MountEmpty(volume, target);
  if (!MayBeOfTheWay(refused)) return refused;
  return By(MountApi::kLegacy).MountEmpty(volume, target);
}

absl::Status ProbedMounter::BindStorage(const std::string& storage,
                                        bool read_only,
                                        const MountTarget& target) {
  const MountApi taken = way().api;
  const absl::Status refused =
      By(taken).BindStorage(storage, read_only, target);
  if (!MayBeOfTheWay(refused)) return refused;
  return By(MountApi::kLegacy).BindStorage(storage, read_only, target);
}

absl::StatusOr<bool> ProbedMounter::IsMounted(const MountTarget& target) {
  return By(MountApi::kLegacy).IsMounted(target);
}

absl::Status ProbedMounter::Unmount(const MountTarget& target) {
  return By(MountApi::kLegacy).Unmount(target);
}

}  // namespace oneagent
