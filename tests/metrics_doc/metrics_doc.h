// docs/metrics.md, made from the tables that the daemons count by.
#ifndef TESTS_METRICS_DOC_METRICS_DOC_H_
#define TESTS_METRICS_DOC_METRICS_DOC_H_

#include <string>

namespace oneagent {

std::string MetricsDoc();

}  // namespace oneagent

#endif  // TESTS_METRICS_DOC_METRICS_DOC_H_
