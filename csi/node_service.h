// csi.v1.Node. Publish and unpublish wait in a WorkQueue, keyed by volume id,
// and hold no thread while they do; stats wait in a queue of their own, so
// that a slow disk cannot stop a pod from starting. The rest is answered at
// once. One log line for each call.
#ifndef CSI_NODE_SERVICE_H_
#define CSI_NODE_SERVICE_H_

#include <string>

#include "base/log.h"
#include "csi/grpc_service.h"
#include "csi/mounter_metrics.h"
#include "csi/publisher.h"
#include "csi/unpublisher.h"
#include "csi/volume_book.h"
#include "csi/volume_stats.h"
#include "csi/work_queue.h"

namespace oneagent {

struct NodeServiceParts {
  std::string node_id;
  // Borrowed; must outlive the service. The queues must be drained before the
  // server shuts down.
  Publisher& publisher;
  Unpublisher& unpublisher;
  VolumeBook& book;
  VolumeStats& stats;
  WorkQueue& volume_queue;
  WorkQueue& stats_queue;
  const Log& log;
  MounterMetrics& metrics;
};

GrpcService NewNodeService(NodeServiceParts parts);

}  // namespace oneagent

#endif  // CSI_NODE_SERVICE_H_
