// The layer that only one pod has: its own overrides of ruxitagentproc.conf,
// merged over what its tenant (or the agent itself) says. Thread-safe for
// different volumes.
#ifndef CSI_POD_LAYER_H_
#define CSI_POD_LAYER_H_

#include <vector>

#include "absl/status/status.h"
#include "cache/conf/process_conf.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"

namespace oneagent {

// Makes volumes/<v>/pod with agent/conf/ruxitagentproc.conf (0666, as in every
// layer: the agent's user may rewrite it): that of the row's configuration
// layer, else of its agent, else nothing, with `overrides` merged in. The
// volume's directory must exist and must have no pod layer yet: one that was
// mounted before is never written to.
absl::Status MakePodLayer(const Layout& layout, const VolumeRow& row,
                          const std::vector<ConfProperty>& overrides);

}  // namespace oneagent

#endif  // CSI_POD_LAYER_H_
