// Whether a node has what its DynaKubes ask for, as its disk says.
#ifndef CACHE_PROVISIONER_FRESH_NODE_H_
#define CACHE_PROVISIONER_FRESH_NODE_H_

#include "cache/index/layout.h"

namespace oneagent {

// True when no DynaKube is known yet, or one has no agent on the disk: pods may
// be waiting for it. What cannot be read is lacking.
bool LacksAgents(const Layout& layout);

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_FRESH_NODE_H_
