// The metrics that every daemon has: which build it is, since when it runs,
// what memory it takes, what its disk has left.
#ifndef BASE_PROCESS_METRICS_H_
#define BASE_PROCESS_METRICS_H_

#include <string>

#include "base/metrics.h"

namespace oneagent {

// Rows for a daemon's table.
MetricTable ProcessMetricTable();

// What does not change. Once.
void SetProcessMetrics(Metrics& metrics);

// What does: when scraped. What cannot be read keeps its last value.
void RefreshProcessMetrics(const std::string& data_dir, Metrics& metrics);

// Resident memory of this process, in bytes; 0 when it cannot be read.
double ResidentBytes();

}  // namespace oneagent

#endif  // BASE_PROCESS_METRICS_H_
