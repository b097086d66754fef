#include "base/process_metrics.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/durable_file.h"

namespace oneagent {
namespace {

constexpr char kBuildInfo[] = "oneagent_csi_build_info";
constexpr char kStart[] = "process_start_time_seconds";
constexpr char kResident[] = "process_resident_memory_bytes";
constexpr char kFreeBytes[] = "oneagent_csi_filesystem_free_bytes";
constexpr char kSizeBytes[] = "oneagent_csi_filesystem_size_bytes";
constexpr char kFreeInodes[] = "oneagent_csi_filesystem_free_inodes";

}  // namespace

MetricTable ProcessMetricTable() {
  const auto gauge = [](const char* name, const char* help,
                        const char* example) {
    return MetricInfo{.name = name,
                      .kind = MetricKind::kGauge,
                      .help = help,
                      .example = example};
  };
  return {
      {.name = kBuildInfo,
       .kind = MetricKind::kGauge,
       .help = "1, labelled with the version of this daemon",
       .labels = {{.name = "version", .bound = "the one that runs"}},
       .example = "count by (version) (oneagent_csi_build_info)"},
      gauge(kStart, "Start of this process, in seconds since 1970",
            "changes(process_start_time_seconds[1h]) > 2"),
      gauge(kResident, "Resident memory of this process", ""),
      gauge(kFreeBytes,
            "Bytes free to this daemon on the file system of the data "
            "directory",
            "oneagent_csi_filesystem_free_bytes / "
            "oneagent_csi_filesystem_size_bytes < 0.1"),
      gauge(kSizeBytes, "Size of the file system of the data directory", ""),
      gauge(kFreeInodes,
            "Inodes free on the file system of the data directory (0 also "
            "where it does not count them)",
            ""),
  };
}

double ResidentBytes() {
  const absl::StatusOr<std::string> statm = ReadWholeFile("/proc/self/statm");
  if (!statm.ok()) return 0;
  const std::vector<std::string> pages = absl::StrSplit(*statm, ' ');
  double resident = 0;
  if (pages.size() < 2 || !absl::SimpleAtod(pages[1], &resident)) return 0;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void SetProcessMetrics(Metrics& metrics) {
  metrics.Set(kBuildInfo, {ONEAGENT_VERSION}, 1);
  metrics.Set(kStart, {},
              absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
}

void RefreshProcessMetrics(const std::string& data_dir, Metrics& metrics) {
  metrics.Set(kResident, {}, ResidentBytes());
  struct statvfs disk;
  if (statvfs(data_dir.c_str(), &disk) != 0) return;
  const auto block = static_cast<double>(disk.f_frsize);
  metrics.Set(kFreeBytes, {}, block * static_cast<double>(disk.f_bavail));
  metrics.Set(kSizeBytes, {}, block * static_cast<double>(disk.f_blocks));
  metrics.Set(kFreeInodes, {}, static_cast<double>(disk.f_favail));
}

}  // namespace oneagent
