// Metrics of a daemon, from a table of what there is:
//
//   constexpr char kCalls[] = "oneagent_csi_calls_total";
//   const MetricTable table = {{.name = kCalls, .kind = MetricKind::kCounter,
//                               .help = "Calls answered", .labels = {…}}};
//   auto metrics = Metrics::Create({table});
//   (*metrics)->Add(kCalls, {"ok"});
//   (*metrics)->Render();        // Prometheus text format 0.0.4
//
// The table is also what docs/metrics.md is made of. A metric without labels,
// or with one whose values are known, is there from the start, as zero.
//
// Using a name that is no row of that kind, or another number of labels than
// the row has, is a bug and ends the process. Values of labels are made
// printable and cut. Thread-safe; a call takes about a microsecond.
//
// prometheus-cpp is seen by metrics.cc alone, which is compiled with exceptions
// and turns them into Status.
#ifndef BASE_METRICS_H_
#define BASE_METRICS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

enum class MetricKind { kCounter, kGauge, kHistogram };
const char* Name(MetricKind kind);

struct MetricLabel {
  std::string name = {};
  // All that there are; empty: an open set, bounded as `bound` says.
  std::vector<std::string> values = {};
  std::string bound = {};
};

struct MetricInfo {
  std::string name = {};
  MetricKind kind = MetricKind::kCounter;
  std::string help = {};  // one sentence, for the exposition and the docs
  std::vector<MetricLabel> labels = {};
  std::vector<double> buckets = {};  // kHistogram: upper bounds, ascending
  std::string example = {};          // a query, for the docs; may be empty
  std::string reference = {};  // what the reference driver means by it, or {}
};
using MetricTable = std::vector<MetricInfo>;

// From half a millisecond to ten seconds: what publish and unpublish take.
std::vector<double> CallBuckets();

// Of what Render makes.
inline constexpr char kMetricsContentType[] =
    "text/plain; version=0.0.4; charset=utf-8";

class Metrics {
 public:
  using Values = std::vector<std::string>;  // of the labels, in table order

  // InvalidArgument naming the metric: a row twice, a name or label that
  // Prometheus does not take, a help text or buckets that are missing or not
  // ascending.
  static absl::StatusOr<std::unique_ptr<Metrics>> Create(MetricTable table);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Counters; `by` is not negative.
  void Add(absl::string_view name, const Values& values = {}, double by = 1);
  // Gauges.
  void Set(absl::string_view name, const Values& values, double value);
  // A gauge's values, all of them: others that it had are dropped.
  void SetAll(absl::string_view name, const std::map<Values, double>& all);
  // Histograms.
  void Observe(absl::string_view name, const Values& values, double value);

  const MetricTable& table() const;

  // The text exposition of everything.
  std::string Render() const;

 private:
  struct Registry;
  explicit Metrics(std::unique_ptr<Registry> registry);

  const std::unique_ptr<Registry> registry_;
};

}  // namespace oneagent

#endif  // BASE_METRICS_H_
