// DynaKubes from an API server: the port's other side. What the cluster has is
// mirrored on the client's thread (cluster_mirror.h); List copies it.
//
// List and WaitForChange belong to one thread, Interrupt may be called by any.
#ifndef CACHE_KUBE_API_SOURCE_H_
#define CACHE_KUBE_API_SOURCE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "cache/kube/api_client.h"
#include "cache/kube/cluster_mirror.h"
#include "cache/kube/dynakube_source.h"
#include "cache/kube/reflector.h"

namespace oneagent {

class ApiSource final : public DynaKubeSource {
 public:
  struct Options {
    std::string namespace_name;
    // The first request waits for a random part of it, so that the nodes of a
    // roll-out do not come all at once.
    absl::Duration start_jitter = absl::ZeroDuration();
    // The first List waits for everything to be listed, beyond the start
    // jitter at most for this time.
    absl::Duration longest_first_list = absl::Seconds(30);
    ReflectorTiming timing = {};
    absl::Duration discovery_period = absl::Hours(1);
  };
  // The client is borrowed and must outlive it; begins at once.
  ApiSource(ApiClient& client, Options options);
  ~ApiSource() override;
  ApiSource(const ApiSource&) = delete;
  ApiSource& operator=(const ApiSource&) = delete;

  absl::StatusOr<ClusterState> List() override;
  bool WaitForChange(absl::Duration timeout) override;
  absl::Status WatchHealth() override;
  void Interrupt() override;

 private:
  void OnChange();
  void WaitUntilSettled();

  ApiClient& client_;
  const absl::Duration longest_first_list_;

  // Only the client's thread.
  std::unique_ptr<ClusterMirror> mirror_;
  ApiClient::Id start_timer_ = 0;
  ApiClient::Id change_timer_ = 0;

  Mutex mu_;
  CondVar cv_;
  bool is_settled_ ABSL_GUARDED_BY(mu_) = false;
  bool is_changed_ ABSL_GUARDED_BY(mu_) = false;
  bool is_interrupted_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_API_SOURCE_H_
