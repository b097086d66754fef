// From the target path that kubelet names to a MountTarget, without following
// a link that a pod may have planted. Thread-safe.
#ifndef OVERLAY_TARGET_RESOLVER_H_
#define OVERLAY_TARGET_RESOLVER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "overlay/mounter.h"

namespace oneagent {

enum class TargetCheck {
  kKubelet,  // <kubelet>/pods/<uid>/volumes/kubernetes.io~csi/<name>/mount
  kAny,      // any absolute path without symlinks, for conformance tools
};

// An open parent and the target in it. Keeps the descriptor that `target()`
// borrows.
class ResolvedTarget {
 public:
  ResolvedTarget(UniqueFd parent, std::string name, std::string path);
  const MountTarget& target() const { return target_; }

 private:
  UniqueFd parent_;
  MountTarget target_;
};

class TargetResolver {
 public:
  // `kubelet_dir` may itself be a symlink; everything is resolved below a
  // descriptor of <kubelet_dir>/pods, which is opened anew when another
  // directory stands there. NotFound when there is no such directory.
  static absl::StatusOr<std::unique_ptr<TargetResolver>> Open(
      const std::string& kubelet_dir, TargetCheck check);

  // Check of a path's form. InvalidArgument naming path and rule: not absolute,
  // "." or ".." or empty components, NUL, control characters or no UTF-8,
  // longer than PATH_MAX, and with kKubelet not of kubelet's form. Empty
  // `pod_uid`: not compared. Pure for a path below <kubelet_dir>/pods; kubelet
  // may know that directory by another name, as which only the disk can tell.
  absl::Status Check(absl::string_view target_path,
                     absl::string_view pod_uid) const;

  // Opens the parent. NotFound when the parent does not exist;
  // FailedPrecondition when a component is a symlink; else PosixStatus. The
  // target itself need not exist.
  absl::StatusOr<ResolvedTarget> Resolve(absl::string_view target_path) const;

  // False when <kubelet>/pods/<pod_uid> is gone: nothing of the pod is left on
  // this node. Unavailable when it cannot be told.
  absl::StatusOr<bool> PodDirectoryExists(absl::string_view pod_uid) const;

 private:
  TargetResolver(std::string pods_dir, UniqueFd pods, TargetCheck check);
  // What of a target is below the directory of pods, by whichever name.
  absl::StatusOr<absl::string_view> BelowPods(absl::string_view path) const;
  // The directory that is at pods_dir_ now; the one held when that cannot be
  // told.
  std::shared_ptr<const UniqueFd> Pods() const;

  const std::string pods_dir_;
  const TargetCheck check_;
  mutable Mutex mu_;
  mutable std::shared_ptr<const UniqueFd> pods_ ABSL_GUARDED_BY(mu_);
};

// Makes the target directory (mode 0755) unless it is there. FailedPrecondition
// naming what is there instead: a file, a symlink, or a directory that is
// neither empty nor a mount root (nothing is deleted through a target, ever).
absl::Status MakeTarget(const MountTarget& target);

// Deletes the target with everything in it; no link is followed. AlreadyExists
// when it is mounted, FailedPrecondition when something in it is, or when it is
// no directory.
absl::Status DeleteTarget(const MountTarget& target);

// rmdir of the target; a missing one is OK. FailedPrecondition naming the
// first entry when it is not empty; Unavailable when it is still a mount.
absl::Status RemoveTarget(const MountTarget& target);

}  // namespace oneagent

#endif  // OVERLAY_TARGET_RESOLVER_H_
