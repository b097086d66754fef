// The objects that the cluster's tests make, as YAML.
#ifndef TESTS_CLUSTER_MANIFESTS_H_
#define TESTS_CLUSTER_MANIFESTS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

// A pod whose one container `a` carries what injection puts into one: the csi
// volume at the agent's usual place and LD_PRELOAD. Its shell writes what the
// agent has logged and then waits to be ended.
struct AppPod {
  std::string name;
  std::string namespace_name;
  std::string dynakube;
  bool read_only = true;
  std::string retry_timeout = "10m0s";
  std::string run = {};       // shell text before the wait
  std::string security = {};  // securityContext of the container, as flow YAML
};

inline constexpr char kVolumePath[] = "/opt/dynatrace/oneagent-paas";

std::string PodManifest(const AppPod& pod);
// Of `replicas` such pods, labelled app=<name>; no more than one is missing
// during a roll-out.
std::string DeploymentManifest(const AppPod& pod, int replicas);
// A pod whose init container and container mount over and out of the volume:
// emptyDirs on log and datastorage, agent/conf as a subPath and, where the
// volume can be written to, a subPath that is not there. It writes "all mounts
// are there".
std::string NestingPodManifest(const AppPod& pod);
// With one volume of mode host, read-write, at /mnt/volume_storage_mount, which
// gets a line from each pod that starts.
std::string HostDaemonSetManifest(const AppPod& pod);
// A pod as the webhook of the Dynatrace operator leaves it: annotations, three
// volumes, an init container that writes each container's configuration, and
// what it adds to the container. Wants the Secret
// `dynatrace-bootstrapper-config`.
std::string WebhookPodManifest(const AppPod& pod);

// A DynaKube with its Secret, in the driver's namespace.
std::string DynaKubeManifest(const std::string& name,
                             const std::string& api_url,
                             absl::string_view version,
                             absl::string_view api_token);

}  // namespace oneagent

#endif  // TESTS_CLUSTER_MANIFESTS_H_
