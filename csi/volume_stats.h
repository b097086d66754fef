// What NodeGetVolumeStats says of a volume: what the pod wrote into it, what
// its disk has, and whether it is as it should be.
//
// The pod's writable part is counted by RunOnce in the background, at most
// once a minute and for a small share of one core; Get answers from what was
// counted last, and only the first call for a volume counts by itself, within
// a small bound. Thread-safe.
#ifndef CSI_VOLUME_STATS_H_
#define CSI_VOLUME_STATS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/tree_usage.h"
#include "cache/index/rows.h"
#include "csi/volume_context.h"

namespace oneagent {

struct VolumeFigures {
  struct Usage {
    int64_t used = 0;
    int64_t total = 0;
    int64_t available = 0;
  };
  Usage bytes;
  Usage inodes;
  bool is_abnormal = false;
  std::string condition;  // for humans
};

class VolumeStats {
 public:
  struct Options {
    absl::Duration max_age = absl::Minutes(1);
    // A volume nobody asks for is not counted any more.
    absl::Duration forget_after = absl::Minutes(10);
    int64_t max_entries = 200'000;       // of one count in the background
    int64_t max_entries_inline = 2'000;  // of the first one
  };
  // The context is borrowed and must outlive this.
  VolumeStats(Options options, const VolumeContext& context);

  // NotFound: no such volume, or it is not published at `path`; Unavailable:
  // neither index nor record can be read; PosixStatus of statfs.
  absl::StatusOr<VolumeFigures> Get(absl::string_view volume_id,
                                    absl::string_view path);

  // All that was counted last, together.
  TreeUsage Total() const;

  // Counts what was asked for and is too old. For one thread.
  void RunOnce();

 private:
  struct Count {
    std::string tree;
    TreeUsage usage;
    absl::Time due;    // next count
    absl::Time asked;  // last Get
  };

  absl::StatusOr<Verdict> Find(absl::string_view volume_id) const;
  TreeUsage UsageOf(const VolumeRow& row);
  void Recount(const std::string& volume_id, const std::string& tree);

  const Options options_;
  const VolumeContext& context_;

  mutable Mutex mu_;
  std::map<std::string, Count> counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CSI_VOLUME_STATS_H_
