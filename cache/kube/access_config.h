// Where the API server is: as kubelet tells a pod, or as a kubeconfig says.
// Thread-safe.
#ifndef CACHE_KUBE_ACCESS_CONFIG_H_
#define CACHE_KUBE_ACCESS_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/kube/api_access.h"

namespace oneagent {

// What a container of a pod finds: two variables and a mounted directory with
// `token`, `ca.crt` and `namespace`.
struct PodSurroundings {
  std::string service_host;  // KUBERNETES_SERVICE_HOST; an IPv6 address is bare
  std::string service_port;  // KUBERNETES_SERVICE_PORT
  std::string service_account_dir =
      "/var/run/secrets/kubernetes.io/serviceaccount";

  // This process's.
  static PodSurroundings FromEnvironment();
  bool IsPod() const { return !service_host.empty(); }
};

// FailedPrecondition naming what is missing: no pod, a port that is none, a
// file that cannot be read.
absl::StatusOr<ApiAccess> InClusterAccess(const PodSurroundings& pod);

// The file's current context. Relative paths in it are relative to the file.
// Errors, naming the file and what in it, no value of a credential: NotFound,
// and InvalidArgument for what is no kubeconfig, for a name that is not defined
// and for ways to authenticate other than tokens and client certificates.
absl::StatusOr<ApiAccess> KubeconfigAccess(const std::string& file);

}  // namespace oneagent

#endif  // CACHE_KUBE_ACCESS_CONFIG_H_
