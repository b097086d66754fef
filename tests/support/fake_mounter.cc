#include "tests/support/fake_mounter.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

const char* Name(FakeMounter::Verb verb) {
  switch (verb) {
    case FakeMounter::Verb::kMountOverlay:
      return "MountOverlay";
    case FakeMounter::Verb::kMountEmpty:
      return "MountEmpty";
    case FakeMounter::Verb::kBindStorage:
      return "BindStorage";
    case FakeMounter::Verb::kIsMounted:
      return "IsMounted";
    case FakeMounter::Verb::kUnmount:
      return "Unmount";
  }
  return "?";
}

MountEntry Entry(const std::string& path, const FakeMounter::Mount& mount) {
  MountEntry entry{.root = "/",
                   .mount_point = path,
                   .options = mount.read_only ? "ro" : "rw",
                   .fs_type = "ext4",
                   .source = "/dev/vda",
                   .super_options = mount.read_only ? "ro" : "rw"};
  switch (mount.kind) {
    case FakeMounter::Kind::kOverlay:
      entry.fs_type = "overlay";
      entry.source = kMountSource;
      for (const std::string& layer : mount.plan.lower) {
        absl::StrAppend(&entry.super_options, ",lowerdir+=", layer);
      }
      if (!mount.plan.upper.empty()) {
        absl::StrAppend(&entry.super_options, ",upperdir=", mount.plan.upper,
                        ",workdir=", mount.plan.work);
      }
      break;
    case FakeMounter::Kind::kEmpty:
      entry.fs_type = "tmpfs";
      entry.source = kMountSource;
      break;
    case FakeMounter::Kind::kStorage:
      entry.root = mount.storage;
      break;
    case FakeMounter::Kind::kForeign:
      break;
  }
  return entry;
}

}  // namespace

absl::Status FakeMounter::Begin(Verb verb, const MountTarget& target) {
  std::function<void(const MountTarget&)> hook;
  {
    MutexLock lock(mu_);
    if (verb != Verb::kIsMounted) {
      calls_.push_back(absl::StrCat(Name(verb), " ", target.path));
    }
    const auto found = hooks_.find(verb);
    if (found != hooks_.end()) hook = found->second;
  }
  if (hook) hook(target);
  MutexLock lock(mu_);
  const auto script = scripts_.find(verb);
  if (script == scripts_.end()) return absl::OkStatus();
  if (script->second.always) return script->second.error;
  if (script->second.left == 0) return absl::OkStatus();
  --script->second.left;
  return script->second.error;
}

absl::Status FakeMounter::Attach(Verb verb, Mount mount,
                                 const MountTarget& target) {
  RETURN_IF_ERROR(Begin(verb, target));
  MutexLock lock(mu_);
  std::vector<Mount>& stack = table_[target.path];
  if (!stack.empty()) {
    return absl::AlreadyExistsError(
        absl::StrCat(target.path, ": something is mounted there already"));
  }
  stack.push_back(std::move(mount));
  return absl::OkStatus();
}

absl::Status FakeMounter::MountOverlay(const OverlayPlan& plan,
                                       const MountTarget& target) {
  return Attach(Verb::kMountOverlay,
                Mount{.kind = Kind::kOverlay,
                      .plan = plan,
                      .empty = {},
                      .storage = "",
                      .read_only = plan.read_only},
                target);
}

absl::Status FakeMounter::MountEmpty(const EmptyVolume& volume,
                                     const MountTarget& target) {
  return Attach(Verb::kMountEmpty,
                Mount{.kind = Kind::kEmpty,
                      .plan = {},
                      .empty = volume,
                      .storage = "",
                      .read_only = volume.read_only},
                target);
}

absl::Status FakeMounter::BindStorage(const std::string& storage,
                                      bool read_only,
                                      const MountTarget& target) {
  return Attach(Verb::kBindStorage,
                Mount{.kind = Kind::kStorage,
                      .plan = {},
                      .empty = {},
                      .storage = storage,
                      .read_only = read_only},
                target);
}

absl::StatusOr<bool> FakeMounter::IsMounted(const MountTarget& target) {
  RETURN_IF_ERROR(Begin(Verb::kIsMounted, target));
  MutexLock lock(mu_);
  const auto found = table_.find(target.path);
  return found != table_.end() && !found->second.empty();
}

absl::Status FakeMounter::Unmount(const MountTarget& target) {
  RETURN_IF_ERROR(Begin(Verb::kUnmount, target));
  MutexLock lock(mu_);
  const auto found = table_.find(target.path);
  if (found == table_.end() || found->second.empty()) return absl::OkStatus();
  if (busy_.count(target.path) > 0) {
    return absl::UnavailableError(
        absl::StrCat("unmount ", target.path, ": Device or resource busy"));
  }
  table_.erase(found);
  return absl::OkStatus();
}

std::vector<MountEntry> FakeMounter::Table() const {
  MutexLock lock(mu_);
  std::vector<MountEntry> entries;
  for (const auto& [path, stack] : table_) {
    for (const Mount& mount : stack) entries.push_back(Entry(path, mount));
  }
  return entries;
}

void FakeMounter::FailNext(Verb verb, const absl::Status& error, int times) {
  MutexLock lock(mu_);
  scripts_[verb] = Script{.error = error, .left = times, .always = false};
}

void FakeMounter::FailAlways(Verb verb, const absl::Status& error) {
  MutexLock lock(mu_);
  scripts_[verb] = Script{.error = error, .left = 0, .always = true};
}

void FakeMounter::Heal() {
  MutexLock lock(mu_);
  scripts_.clear();
}

void FakeMounter::OnCall(Verb verb,
                         std::function<void(const MountTarget&)> hook) {
  MutexLock lock(mu_);
  hooks_[verb] = std::move(hook);
}

void FakeMounter::SetBusy(const std::string& target_path, bool busy) {
  MutexLock lock(mu_);
  if (busy) {
    busy_.insert(target_path);
  } else {
    busy_.erase(target_path);
  }
}

void FakeMounter::AddForeignMount(const std::string& target_path) {
  MutexLock lock(mu_);
  table_[target_path].push_back(Mount{.kind = Kind::kForeign,
                                      .plan = {},
                                      .empty = {},
                                      .storage = "",
                                      .read_only = false});
}

void FakeMounter::LoseMounts() {
  MutexLock lock(mu_);
  table_.clear();
}

std::vector<FakeMounter::Mount> FakeMounter::MountsAt(
    const std::string& target_path) const {
  MutexLock lock(mu_);
  const auto found = table_.find(target_path);
  return found == table_.end() ? std::vector<Mount>() : found->second;
}

std::vector<std::string> FakeMounter::MountedPaths() const {
  MutexLock lock(mu_);
  std::vector<std::string> paths;
  for (const auto& [path, stack] : table_) {
    if (!stack.empty()) paths.push_back(path);
  }
  return paths;
}

std::vector<std::string> FakeMounter::Calls() const {
  MutexLock lock(mu_);
  return calls_;
}

void FakeMounter::ClearCalls() {
  MutexLock lock(mu_);
  calls_.clear();
}

}  // namespace oneagent
