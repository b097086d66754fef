// What the mounter shows of itself when it is scraped: rows of the index, the
// queue, the disk. Nothing of it is touched when pods are published, and an
// index that is broken or locked holds a scrape up for half a second at most.
//
// Render belongs to one thread (the listener's), MeasureOnce to another.
#ifndef CSI_MOUNTER_GAUGES_H_
#define CSI_MOUNTER_GAUGES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/http_listener.h"
#include "base/metrics.h"
#include "cache/index/index_reader.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"
#include "csi/volume_book.h"
#include "csi/volume_stats.h"
#include "csi/work_queue.h"

namespace oneagent {

class MounterGauges {
 public:
  struct Parts {  // all borrowed; must outlive this
    const VolumeBook& book;
    const VolumeStats& stats;
    const WorkQueue& volume_queue;
    Metrics& metrics;
  };
  MounterGauges(Layout layout, Parts parts);

  // /metrics.
  HttpPages Pages();

  // Counts what takes long: host storage and trash. Within bounds: what they
  // cut off is missing from the numbers.
  void MeasureOnce();

 private:
  std::string Render();
  absl::Status RefreshFromIndex();
  void ShowVolumes(const std::vector<VolumeRow>& volumes);
  void ShowAgents(const std::vector<AgentRow>& agents);
  void Measure(const std::string& kind, const std::string& directory);

  const Layout layout_;
  const Parts parts_;
  IndexReader index_;
};

}  // namespace oneagent

#endif  // CSI_MOUNTER_GAUGES_H_
