// Compiled with exceptions, as the only file of ours: prometheus-cpp throws on
// names and duplicates. They end in Create; what is called later takes no name
// that Create has not tried, so nothing is thrown through code without tables.
#include "base/metrics.h"

#include <prometheus/check_names.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <set>
#include <sstream>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace oneagent {
namespace {

// Versions and digests fit; a label is no place for more.
constexpr size_t kLongestValue = 128;

[[noreturn]] void Die(absl::string_view name, const char* cause) {
  std::fprintf(stderr, "metric %s: %s\n", std::string(name).c_str(), cause);
  std::abort();
}

// One kind of family, and what it has by label values.
template <typename T>
struct Series {
  prometheus::Family<T>* family = nullptr;
  std::map<Metrics::Values, T*> by_values = {};
};

struct Row {
  MetricInfo info;
  Series<prometheus::Counter> counter = {};
  Series<prometheus::Gauge> gauge = {};
  Series<prometheus::Histogram> histogram = {};
};

// What two texts have in common after this is one series.
Metrics::Values Printable(Metrics::Values values) {
  for (std::string& text : values) {
    if (text.size() > kLongestValue) text.resize(kLongestValue);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; },
        '?');
  }
  return values;
}

prometheus::Labels LabelsOf(const Row& row, const Metrics::Values& values) {
  prometheus::Labels labels;
  for (size_t i = 0; i < values.size(); ++i) {
    labels[row.info.labels[i].name] = values[i];
  }
  return labels;
}

template <typename T, typename... Args>
T& SeriesOf(Row& row, Series<T>& series, const Metrics::Values& values,
            Args&&... args) {
  if (series.family == nullptr) Die(row.info.name, "used as another kind");
  if (values.size() != row.info.labels.size()) {
    Die(row.info.name, "used with another number of labels");
  }
  const Metrics::Values printable = Printable(values);
  T*& found = series.by_values[printable];
  if (found == nullptr) {
    found = &series.family->Add(LabelsOf(row, printable), args...);
  }
  return *found;
}

absl::Status Check(const MetricInfo& info, bool is_twice) {
  const auto refuse = [&info](absl::string_view cause) {
    return absl::InvalidArgumentError(
        absl::StrCat("metric ", info.name, ": ", cause));
  };
  if (is_twice) return refuse("in the table twice");
  if (!prometheus::CheckMetricName(info.name)) return refuse("not a name");
  if (info.help.empty()) return refuse("has no help text");
  std::set<std::string> names;
  for (const MetricLabel& label : info.labels) {
    if (!prometheus::CheckLabelName(label.name) ||
        !names.insert(label.name).second) {
      return refuse(
          absl::StrCat("label ", label.name, ": not a name, or twice"));
    }
    if (label.values.empty() == label.bound.empty()) {
      return refuse(absl::StrCat("label ", label.name,
                                 ": needs its values, or what bounds them"));
    }
  }
  const bool is_histogram = info.kind == MetricKind::kHistogram;
  if (info.buckets.empty() == is_histogram ||
      std::adjacent_find(info.buckets.begin(), info.buckets.end(),
                         std::greater_equal<>()) != info.buckets.end()) {
    return refuse("buckets are missing, superfluous or not ascending");
  }
  return absl::OkStatus();
}

}  // namespace

struct Metrics::Registry {
  absl::Status Register(const MetricInfo& info);
  // What is known from the start.
  void Begin(Row& row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Row& RowOf(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  MetricTable table;
  prometheus::Registry prometheus{prometheus::Registry::InsertBehavior::Throw};
  mutable Mutex mu;
  std::map<std::string, Row, std::less<>> rows ABSL_GUARDED_BY(mu);
};

absl::Status Metrics::Registry::Register(const MetricInfo& info) {
  MutexLock lock(mu);
  const absl::Status checked = Check(info, rows.count(info.name) > 0);
  if (!checked.ok()) return checked;
  Row& row = rows[info.name];
  row.info = info;
  switch (info.kind) {
    case MetricKind::kCounter:
      row.counter.family =
          &prometheus::BuildCounter().Name(info.name).Help(info.help).Register(
              prometheus);
      break;
    case MetricKind::kGauge:
      row.gauge.family =
          &prometheus::BuildGauge().Name(info.name).Help(info.help).Register(
              prometheus);
      break;
    case MetricKind::kHistogram:
      row.histogram.family = &prometheus::BuildHistogram()
                                  .Name(info.name)
                                  .Help(info.help)
                                  .Register(prometheus);
      break;
  }
  Begin(row);
  return absl::OkStatus();
}

void Metrics::Registry::Begin(Row& row) {
  std::vector<Values> known;
  if (row.info.labels.empty()) known.push_back({});
  if (row.info.labels.size() == 1) {
    for (const std::string& value : row.info.labels.front().values) {
      known.push_back({value});
    }
  }
  for (const Values& values : known) {
    switch (row.info.kind) {
      case MetricKind::kCounter:
        SeriesOf(row, row.counter, values);
        break;
      case MetricKind::kGauge:
        SeriesOf(row, row.gauge, values);
        break;
      case MetricKind::kHistogram:
        SeriesOf(row, row.histogram, values, row.info.buckets);
        break;
    }
  }
}

Row& Metrics::Registry::RowOf(absl::string_view name) {
  const auto found = rows.find(std::string(name));
  if (found == rows.end()) Die(name, "not in the table");
  return found->second;
}

const char* Name(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      return "histogram";
  }
  return "?";
}

std::vector<double> CallBuckets() {
  return {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
          0.1,    0.25,  0.5,    1,     2.5,  5,     10};
}

absl::StatusOr<std::unique_ptr<Metrics>> Metrics::Create(MetricTable table) {
  auto registry = std::make_unique<Registry>();
  registry->table = std::move(table);
  for (const MetricInfo& info : registry->table) {
    absl::Status registered;
    try {
      registered = registry->Register(info);
    } catch (const std::exception& error) {
      registered = absl::InvalidArgumentError(
          absl::StrCat("metric ", info.name, ": ", error.what()));
    }
    if (!registered.ok()) return registered;
  }
  return absl::WrapUnique(new Metrics(std::move(registry)));
}

Metrics::Metrics(std::unique_ptr<Registry> registry)
    : registry_(std::move(registry)) {}

Metrics::~Metrics() = default;

void Metrics::Add(absl::string_view name, const Values& values, double by) {
  MutexLock lock(registry_->mu);
  Row& row = registry_->RowOf(name);
  SeriesOf(row, row.counter, values).Increment(by);
}

void Metrics::Set(absl::string_view name, const Values& values, double value) {
  MutexLock lock(registry_->mu);
  Row& row = registry_->RowOf(name);
  SeriesOf(row, row.gauge, values).Set(value);
}

void Metrics::SetAll(absl::string_view name,
                     const std::map<Values, double>& all) {
  std::map<Values, double> wanted;
  for (const auto& [values, value] : all) wanted[Printable(values)] = value;
  MutexLock lock(registry_->mu);
  Row& row = registry_->RowOf(name);
  for (auto it = row.gauge.by_values.begin();
       it != row.gauge.by_values.end();) {
    if (wanted.count(it->first) > 0) {
      ++it;
      continue;
    }
    row.gauge.family->Remove(it->second);
    it = row.gauge.by_values.erase(it);
  }
  // Of values that are known, each stays to be seen, as zero.
  registry_->Begin(row);
  for (const auto& [values, value] : wanted) {
    SeriesOf(row, row.gauge, values).Set(value);
  }
}

void Metrics::Observe(absl::string_view name, const Values& values,
                      double value) {
  MutexLock lock(registry_->mu);
  Row& row = registry_->RowOf(name);
  SeriesOf(row, row.histogram, values, row.info.buckets).Observe(value);
}

const MetricTable& Metrics::table() const { return registry_->table; }

std::string Metrics::Render() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, registry_->prometheus.Collect());
  return out.str();
}

}  // namespace oneagent
