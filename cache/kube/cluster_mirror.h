// A copy of what a node needs of a cluster: the DynaKubes of one namespace, and
// the Secrets and ConfigMaps that they refer to, each by its name and nothing
// else of the namespace. Lives on the client's thread.
//
// The version of the DynaKubes is discovered; that there are none, or none any
// more, is a state that is looked at again from time to time. Each object that
// is referred to has a list and a watch of its own, so that a change, and also
// its appearance, is seen at once: kubelet does the same for the Secrets of its
// pods. Requests when nothing changes: one an hour for discovery, and all
// watches together 60 an hour as long as there are at most 240 of them
// (timeoutSeconds grows with their number, from 10 minutes to 4 hours), beyond
// that a quarter of their number.
#ifndef CACHE_KUBE_CLUSTER_MIRROR_H_
#define CACHE_KUBE_CLUSTER_MIRROR_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cache/kube/api_client.h"
#include "cache/kube/collection.h"
#include "cache/kube/desired_state.h"
#include "cache/kube/dynakube_source.h"
#include "cache/kube/reflector.h"

namespace oneagent {

class ClusterMirror {
 public:
  struct Options {
    std::string namespace_name;
    ReflectorTiming timing = {};
    absl::Duration discovery_period = absl::Hours(1);
    // What Snapshot says is not as it was.
    std::function<void()> on_change;
  };
  // The client is borrowed and must outlive it.
  ClusterMirror(ApiClient& client, Options options);
  ~ClusterMirror();
  ClusterMirror(const ClusterMirror&) = delete;
  ClusterMirror& operator=(const ClusterMirror&) = delete;

  void Start() { Discover(); }

  // Everything has been listed, or it is known why it cannot be.
  bool IsSettled() const;
  // As DynaKubeSource::List. Unavailable while the DynaKubes are not known, or
  // not known to be what they were: "…; since <time>".
  // OK, or why DynaKubes are read in a version that is not the newest.
  absl::Status WatchHealth() const;
  absl::StatusOr<ClusterState> Snapshot() const;

 private:
  // An object that DynaKubes refer to.
  struct Referred {
    ObjectMap<v1::Secret> secrets;  // of the two, the one that it is
    ObjectMap<v1::ConfigMap> config_maps;
    std::unique_ptr<Reflector> reflector;
    bool is_started = false;
  };
  using ReferredMap = std::map<ObjectReference, std::unique_ptr<Referred>>;

  void Discover();
  void OnDiscovered(const absl::StatusOr<ApiAnswer>& answer);
  void TakeVersions(std::vector<std::string> versions);
  absl::Duration DiscoveryDelay();  // after one more failure
  void DiscoverAgain(absl::Duration delay);
  void OnDynaKubes();
  void UpdateReferred();
  std::unique_ptr<Referred> NewReferred(const ObjectReference& reference);
  void StartSome();
  absl::Duration WatchTime() const;
  ApiResource DynaKubes(const std::string& version) const;

  absl::Status Health() const;
  bool AreKnownToBeNone() const;
  // Nobody knows yet what `dynakube` refers to.
  bool IsPending(const v1::DynaKube& dynakube) const;
  // Why what `dynakube` refers to cannot be known; nullopt when it is.
  std::optional<SourceProblem> ProblemOf(const v1::DynaKube& dynakube) const;
  void AddDynaKube(const std::string& name,
                   const absl::StatusOr<v1::DynaKube>& dynakube,
                   ClusterState& state) const;
  void AddReferred(ClusterState& state) const;
  std::string ObjectName(const ObjectReference& reference) const;

  ApiClient& client_;
  const Options options_;
  absl::BitGen random_;

  std::vector<std::string> versions_;  // to try, newest first
  size_t tried_ = 0;                   // of them, the one that is used
  absl::Status conversion_;            // why the newest version is not read
  absl::Status discovery_ = absl::UnavailableError("not listed yet");
  absl::Time undiscovered_since_;  // while discovery_ is not OK
  int discoveries_failed_ = 0;
  ApiClient::Id discovery_exchange_ = 0;
  ApiClient::Id discovery_timer_ = 0;

  ObjectMap<v1::DynaKube> dynakubes_;
  std::unique_ptr<Reflector> reflector_;  // of the DynaKubes
  bool was_healthy_ = false;

  ReferredMap referred_;
  std::deque<ObjectReference> to_start_;
  ApiClient::Id start_timer_ = 0;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_CLUSTER_MIRROR_H_
