#include "cache/provisioner/cluster_outlets.h"

#include <limits.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "cache/kube/node_taint.h"

namespace oneagent {
namespace {

std::string NodeName(const std::string& given) {
  if (!given.empty()) return given;
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0'
             ? std::string(name)
             : "unknown";
}

}  // namespace

ClusterOutlets::ClusterOutlets(ApiClient& client, Index& index,
                               CacheObserver& observer, const Clock& clock,
                               const Options& options)
    : clock_(clock),
      node_name_(NodeName(options.node_name)),
      sink_(client, node_name_),
      courier_({.index = index,
                .sink = sink_,
                .observer = observer,
                .clock = clock}),
      events_([this](KubeEvent event) { courier_.Post(std::move(event)); },
              clock, node_name_) {
  if (options.startup_taint.empty()) return;
  taint_ = std::make_unique<StartupTaint>(StartupTaint::Parts{
      .index = index,
      .observer = observer,
      .boot_id = options.boot_id,
      .remove = [&client, node = node_name_, key = options.startup_taint] {
        return RemoveTaint(client, node, key);
      }});
}

}  // namespace oneagent
