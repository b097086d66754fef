#include "tests/metrics_doc/metrics_doc.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/metrics.h"
#include "cache/provisioner/provisioner_metrics.h"
#include "csi/mounter_metrics.h"

namespace oneagent {
namespace {

constexpr char kHead[] =
    R"(<!-- Made by `./dev docs` from the tables in the code. Do not edit. -->
# Metrics

Each daemon serves Prometheus' text format at `/metrics` of its
`--metrics-address` (`IP:PORT` or `:PORT`; off by default):

```
oneagent-csi-mounter     … --metrics-address=:8080
oneagent-csi-provisioner … --metrics-address=:8090
```

- No label carries a pod's name or anything else that grows with the cluster.
  The values of a label are a closed set, or bounded as its row says.
- Gauges of volumes, DynaKubes and agents are read from the index when they are
  asked for. While it cannot be used, `oneagent_csi_index_usable` is 0 and they
  keep their last values; a scrape waits half a second for it at most.
- Counters begin at zero with each start of a daemon
  (`process_start_time_seconds`).
- A metric that both daemons have tells of each daemon's own part: sum over
  them where a whole is asked for.

The causes of `cause` and `reason` at the mounter:

| value | meaning |
|---|---|
| `none` | nothing went wrong |
| `no_dynakube` | the volume names a DynaKube that does not exist (any more) |
| `no_agent` | its DynaKube has no agent on this node yet, or its tree is gone |
| `index` | the index cannot be used |
| `disk` | the disk is full, read-only or broken |
| `target` | the target directory is not as kubelet makes it |
| `busy` | somebody has files open in the volume |
| `mount` | the kernel refused to mount or unmount |
| `invalid` | the request itself; kubelet does not ask again |
| `queue` | no turn came within the caller's deadline |
| `abandoned` | the caller was gone before its turn came |
| `shutdown` | the mounter was ending |
| `drained` | the driver is being drained (`--drain`) |
| `interrupted` | the mounter ended while it published the volume |
| `other` | none of these; the log has the text |

The causes of `cause` at the provisioner's downloads:

| value | meaning |
|---|---|
| `none` | nothing went wrong |
| `network` | no answer: name, connection, TLS, stalled or cut |
| `server` | the tenant's API answered 429 or 5xx, again and again |
| `timeout` | it took longer than a download may |
| `credentials` | 401 or 403: the token |
| `no_version` | the tenant does not have that version |
| `disk` | the archive could not be written |
| `too_large` | larger than an agent may be |
| `cancelled` | the provisioner was ending |
| `other` | none of these; the log has the text |
)";

std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}});
}

std::string Labels(const MetricInfo& info) {
  std::vector<std::string> lines;
  for (const MetricLabel& label : info.labels) {
    lines.push_back(absl::StrCat(
        "`", label.name, "`: ",
        label.values.empty()
            ? label.bound
            : absl::StrCat("`", absl::StrJoin(label.values, "`, `"), "`")));
  }
  if (!info.buckets.empty()) {
    lines.push_back(absl::StrCat("`le`: ", absl::StrJoin(info.buckets, ", ")));
  }
  return absl::StrJoin(lines, "<br>");
}

// One daemon's table, then the queries that its rows come with.
std::string Section(absl::string_view title, const MetricTable& table) {
  std::string text = absl::StrCat("\n## ", title, "\n\n",
                                  "| metric | type | labels | meaning |\n"
                                  "|---|---|---|---|\n");
  std::string queries;
  for (const MetricInfo& info : table) {
    absl::StrAppend(&text, "| `", info.name, "` | ", Name(info.kind), " | ",
                    Cell(Labels(info)), " | ", Cell(info.help), " |\n");
    if (!info.example.empty()) absl::StrAppend(&queries, info.example, "\n");
  }
  return absl::StrCat(text, "\nQueries to begin with:\n\n```\n", queries,
                      "```\n");
}

std::string References() {
  std::string text =
      "\n## The reference driver's names\n\n"
      "Dashboards made for the reference driver go on working: its metrics are "
      "served beside ours.\n\n"
      "| reference | daemon | meaning there |\n|---|---|---|\n";
  const auto add = [&text](absl::string_view daemon, const MetricTable& table) {
    for (const MetricInfo& info : table) {
      if (info.reference.empty()) continue;
      absl::StrAppend(&text, "| `", info.name, "` | ", daemon, " | ",
                      info.reference, " |\n");
    }
  };
  add("mounter", MounterMetricTable());
  add("provisioner", ProvisionerMetricTable());
  return text;
}

}  // namespace

std::string MetricsDoc() {
  return absl::StrCat(kHead, Section("Mounter", MounterMetricTable()),
                      Section("Provisioner", ProvisionerMetricTable()),
                      References());
}

}  // namespace oneagent
