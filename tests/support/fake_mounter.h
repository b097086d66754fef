// A Mounter with a mount table in memory: for tests of what decides about
// mounts, where real ones would only be slow. It keeps the port's promises (a
// target that is mounted is not mounted again, Unmount peels every layer) and
// fails as scripted. Mounts are known by MountTarget::path alone; nothing is
// done to the file system.
//
//   FakeMounter mounter;
//   mounter.FailNext(FakeMounter::Verb::kMountOverlay,
//                    absl::UnavailableError("no memory"));
//   …
//   EXPECT_THAT(mounter.Calls(), ElementsAre("MountOverlay /pods/…/mount"));
//
// Thread-safe. Hooks run without the lock.
#ifndef TESTS_SUPPORT_FAKE_MOUNTER_H_
#define TESTS_SUPPORT_FAKE_MOUNTER_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "overlay/mounter.h"

namespace oneagent {

class FakeMounter final : public Mounter {
 public:
  enum class Verb {
    kMountOverlay,
    kMountEmpty,
    kBindStorage,
    kIsMounted,
    kUnmount,
  };
  enum class Kind { kOverlay, kEmpty, kStorage, kForeign };
  struct Mount {
    Kind kind = Kind::kOverlay;
    OverlayPlan plan;     // kOverlay
    EmptyVolume empty;    // kEmpty
    std::string storage;  // kStorage
    bool read_only = false;
  };

  // Mounter.
  absl::Status MountOverlay(const OverlayPlan& plan,
                            const MountTarget& target) override;
  absl::Status MountEmpty(const EmptyVolume& volume,
                          const MountTarget& target) override;
  absl::Status BindStorage(const std::string& storage, bool read_only,
                           const MountTarget& target) override;
  absl::StatusOr<bool> IsMounted(const MountTarget& target) override;
  absl::Status Unmount(const MountTarget& target) override;

  // As the kernel's mount table would show them. Storage and foreign mounts
  // have a source of their own.
  std::vector<MountEntry> Table() const;

  // The next `times` calls of `verb` answer `error` and change nothing.
  void FailNext(Verb verb, const absl::Status& error, int times = 1);
  // Every call of `verb` answers `error` until Heal.
  void FailAlways(Verb verb, const absl::Status& error);
  // Forgets every scripted failure of every verb.
  void Heal();
  // Runs at the start of every call of `verb` (to race, block or look).
  void OnCall(Verb verb, std::function<void(const MountTarget&)> hook);
  // While busy, Unmount of that target answers Unavailable.
  void SetBusy(const std::string& target_path, bool busy);
  // Something that is not ours is mounted on the target, above what is there.
  void AddForeignMount(const std::string& target_path);
  // A reboot: no mount is left.
  void LoseMounts();

  // What is mounted on the target, lowest first.
  std::vector<Mount> MountsAt(const std::string& target_path) const;
  // Paths that have a mount, sorted.
  std::vector<std::string> MountedPaths() const;
  // "MountOverlay <path>", … in the order of the calls, failed ones too.
  // IsMounted changes nothing and is left out.
  std::vector<std::string> Calls() const;
  void ClearCalls();

 private:
  struct Script {
    absl::Status error;
    int left = 0;  // calls that still fail
    bool always = false;
  };

  // Logs the call, runs the hook, and answers what the script says.
  absl::Status Begin(Verb verb, const MountTarget& target);
  absl::Status Attach(Verb verb, Mount mount, const MountTarget& target);

  mutable Mutex mu_;
  std::map<std::string, std::vector<Mount>> table_ ABSL_GUARDED_BY(mu_);
  std::map<Verb, Script> scripts_ ABSL_GUARDED_BY(mu_);
  std::map<Verb, std::function<void(const MountTarget&)>> hooks_
      ABSL_GUARDED_BY(mu_);
  std::set<std::string> busy_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_FAKE_MOUNTER_H_
