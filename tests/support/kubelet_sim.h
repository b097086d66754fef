// The kubelet of one node as a CSI driver meets it: ids, paths and files on
// disk, the order of its calls, its retries and what it forgets. A real driver
// on a real socket answers it, on real mounts.
//
//   KubeletSim kubelet({.kubelet_dir = dir, .driver = CallsTo(socket)});
//   kubelet.CreatePod({.pod = {.name = "web", .uid = "u1"},
//                      .volumes = {{.attributes = {{"mode", "app"}, …}}}});
//   ASSERT_TRUE(kubelet.RunUntil([&] { return kubelet.IsMounted("u1"); }));
//   kubelet.Restart();        // publishes every volume again, all at once
//   kubelet.DeletePod("u1");
//   ASSERT_TRUE(kubelet.RunUntil([&] { return kubelet.IsGone("u1"); }));
//
// What it does as kubelet does (sources: pkg/kubelet and pkg/volume):
// - One volume is mounted and unmounted as kubelet_driver.h says: each call has
//   a connection of its own and a deadline of two minutes.
// - Each pair of pod and volume has one operation at a time, the pairs run side
//   by side; failures are backed off, anew for another kind of operation
//   (nestedpendingoperations.go). kubelet_rules.h has the waits and the codes.
// - After a final code the target is removed and the volume forgotten: it is
//   never unpublished. After an uncertain one it is, once the pod is deleted
//   (operation_generator.go, markVolumeErrorState).
// - Any error of an unpublish is retried without end; after OK what is left is
//   removed, unless it is still mounted: then it is kept and forgotten.
// - A deleted pod stays in the API while a volume of it may be mounted, by the
//   reconciler's books or by the disk (kubelet_volumes.go, podVolumesExist).
// - A new process knows of volumes what the disk says, all of them uncertain:
//   it publishes again what pods want and unpublishes the rest, but nothing
//   before it knows all pods (reconstruct.go, reconciler.go). A final code does
//   not make it forget such a volume. Like kubelets before 1.36 it does remove
//   that volume's target, unless it is mounted.
// - Every 2 s it cleans directories of pods that nobody knows (kubelet_disk.h).
//
// Time: kubelet's time is the wall's plus leaps. While a call is under way it
// passes as it does; when all there is to do is wait, RunUntil leaps to the
// moment at which something is due. So a wait of 2 min 2 s is over at once, its
// length still counts in Elapsed(), and the driver, which lives in real time,
// notices nothing. The 100 ms of the reconciler's loop are not waited for.
//
// What it leaves out: subPaths, fsGroup, SELinux, secrets, the scheduling of
// containers (a pod that is deleted has none left).
//
// Used by one thread; calls run on threads of their own inside.
#ifndef TESTS_SUPPORT_KUBELET_SIM_H_
#define TESTS_SUPPORT_KUBELET_SIM_H_

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "tests/support/csi_client.h"
#include "tests/support/kubelet_disk.h"
#include "tests/support/kubelet_driver.h"
#include "tests/support/kubelet_rules.h"

namespace oneagent {

inline constexpr char kSimVolumeName[] = "oneagent-bin";

struct SimVolume {
  std::string name = kSimVolumeName;
  std::map<std::string, std::string> attributes;
  bool read_only = false;
};
struct SimPod {
  CsiPod pod;
  std::vector<SimVolume> volumes;
};

class KubeletSim {
 public:
  struct Options {
    std::string kubelet_dir;  // exists
    CsiDriverCalls driver;
    std::string node_name = "node-1";
  };
  // One call of the driver that changes something, and its answer.
  struct Call {
    enum class Kind { kPublish, kUnpublish };
    Kind kind = Kind::kPublish;
    KubeletVolumeKey volume;
    absl::Status answer;
    absl::Duration at;  // Elapsed() when the answer was read
  };

  // It runs from the beginning.
  explicit KubeletSim(Options options);
  ~KubeletSim();  // as Stop
  KubeletSim(const KubeletSim&) = delete;
  KubeletSim& operator=(const KubeletSim&) = delete;

  // ---- The API server, which outlives the kubelet
  void CreatePod(const SimPod& pod);
  // Graceful: the object stays until the volumes are gone.
  void DeletePod(const std::string& uid);
  // Grace period 0: the object is gone at once, the volumes are not.
  void ForceDeletePod(const std::string& uid);

  // ---- The process
  // Killed: it forgets everything, calls under way are dropped.
  void Stop();
  void Start();
  void Restart();
  // Is the driver known? One that is not gets no call. It is at first.
  void SetRegistered(bool registered) {
    is_registered_ = [registered] { return registered; };
  }
  // The same, asked each time.
  void AskRegistered(std::function<bool()> ask) {
    is_registered_ = std::move(ask);
  }

  // ---- Time
  // One pass of its loops: reads answers, begins what may begin.
  void RunOnce();
  // Passes until `done`; false when that takes more than 30 s of real time.
  bool RunUntil(const std::function<bool()>& done);
  // … until every pod is mounted or gone and nothing is left to do.
  bool RunUntilSettled();
  // Of kubelet's time, leaps and all.
  absl::Duration Elapsed() const;

  // ---- What can be seen
  bool IsMounted(const std::string& uid) const;  // all volumes of the pod
  // Neither in the API nor on disk.
  bool IsGone(const std::string& uid) const;
  bool IsKnownToApi(const std::string& uid) const;
  // An operation of the pod is under way.
  bool IsAtWork(const std::string& uid) const;
  std::string Target(const std::string& uid,
                     const std::string& name = kSimVolumeName) const;
  const std::vector<Call>& Calls() const { return calls_; }
  void ForgetCalls() { calls_.clear(); }
  int CountCalls(Call::Kind kind) const;
  // Why the last operation of the pod failed, with a call or without; OK when
  // none has failed since it was created.
  absl::Status LastError(const std::string& uid) const;
  // Why the pod's directory could not be cleaned up the last time.
  absl::Status OrphanError(const std::string& uid) const;
  // As the stats provider asks, once a minute, for each mounted volume.
  std::vector<absl::StatusOr<CsiVolumeStats>> CollectStats() const;

 private:
  struct ApiPod {
    SimPod pod;
    bool deleted = false;
  };
  // What may be mounted, as the reconciler believes.
  struct Actual {
    bool uncertain = false;
    bool reconstructed = false;
    std::string volume_id;
  };
  struct Operation {
    Call::Kind kind = Call::Kind::kPublish;
    bool pending = false;
    KubeletBackoff backoff = {};
  };
  struct Result {
    int thread = 0;
    KubeletVolumeKey key;
    Call::Kind kind = Call::Kind::kPublish;
    KubeletOutcome outcome;
  };

  absl::Time Now() const { return absl::Now() + leapt_; }
  const SimVolume* FindWanted(const KubeletVolumeKey& key) const;
  bool MayBegin(const KubeletVolumeKey& key, Call::Kind kind) const;
  void Begin(const KubeletVolumeKey& key, Call::Kind kind,
             std::function<KubeletOutcome()> work);
  void BeginMounts();
  void BeginUnmounts();
  void ReadResults();
  void Apply(const Result& result);
  void ApplyMount(const KubeletVolumeKey& key, const KubeletOutcome& outcome);
  void AbandonCalls();
  void Reconstruct();
  bool HasVolumes(const std::string& uid) const;
  void LetDeletedPodsGo();
  void CleanUpOrphans();
  bool IsSettled() const;
  absl::Time NextDue() const;
  void Await();

  const Options options_;
  const absl::Time begin_;
  absl::Duration leapt_;
  bool running_ = false;
  std::function<bool()> is_registered_ = [] { return true; };
  bool knows_all_pods_ = false;
  absl::Time next_housekeeping_ = absl::InfinitePast();
  std::map<std::string, ApiPod> api_;  // by uid
  std::map<KubeletVolumeKey, Actual> actual_;
  std::map<KubeletVolumeKey, Operation> operations_;
  std::map<std::string, absl::Status> errors_;         // by uid
  std::map<std::string, absl::Status> orphan_errors_;  // by uid
  std::vector<Call> calls_;
  int next_thread_ = 0;
  std::map<int, std::thread> threads_;

  mutable Mutex mu_;
  CondVar answered_;
  std::vector<Result> results_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_KUBELET_SIM_H_
