// What doctor looks at, gathered once: the index's rows, what stands in the
// data directory, the mount table, the mounter's socket. Gathering changes
// nothing. Judging is diagnose.h's, which is pure.
#ifndef CACHE_INSPECT_NODE_FACTS_H_
#define CACHE_INSPECT_NODE_FACTS_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "cache/index/records.h"
#include "cache/index/rows.h"

namespace oneagent {

struct IndexFacts {
  // OK: the rows are filled. Else as Index::Open read-only.
  absl::Status status = absl::UnknownError("not looked at");
  std::string reconciled_boot_id;
  std::string source_trouble;  // Index::SourceTrouble
  std::vector<AgentRow> agents;
  std::vector<ConfigRow> configs;
  std::vector<TenantRow> tenants;
  std::vector<VolumeRow> volumes;
};

// agents/<id> or configs/<id>, and the manifest beside it.
struct TreeFact {
  bool tree = false;
  bool manifest = false;
  std::string manifest_error = "";  // why it cannot be read; empty: it can
};

struct HostFact {
  bool storage = false;
  bool record = false;
};

struct Leftover {
  std::string path;
  absl::Duration age;
};

struct DiskFacts {
  absl::Status status;  // not OK: the data directory is not usable at all
  std::string data_dir;
  mode_t mode = 0;
  bool owned_by_root = true;
  std::vector<std::string> set_aside;  // damaged index files
  std::map<std::string, TreeFact> agents;
  std::map<std::string, TreeFact> configs;
  std::map<std::string, absl::StatusOr<TenantRow>> tenants;
  std::map<std::string, absl::StatusOr<VolumeRow>> volumes;  // a directory each
  std::map<std::string, HostFact> host_storage;
  // How the mounter mounts; NotFound when it has not said so.
  absl::StatusOr<MounterState> mounter = absl::NotFoundError("not looked at");
  std::vector<Leftover> staging;
  std::vector<Leftover> trash;
  // Directories that could not be listed, as messages.
  std::vector<std::string> unreadable;
  int free_percent = 100;
  int free_inodes_percent = 100;
  int64_t free_bytes = 0;
};

// A mount at a path that is a volume's target, or that looks like ours.
struct MountFact {
  std::string mount_point;
  bool ours = false;  // overlay, empty volume, or bind of host storage
};

struct MountFacts {
  absl::Status status;  // not OK: the table cannot be read
  std::vector<MountFact> mounts;
  // Mount points through which the data directory is visible a second time.
  std::vector<std::string> other_views;
  // Mount points inside the data directory.
  std::vector<std::string> inside;
  // Mount points below a target, by target as the kernel names it.
  std::map<std::string, std::vector<std::string>> below;
  // Targets of rows and records as the kernel names them (links resolved).
  std::map<std::string, std::string> resolved;
};

// What the driver before us, of the same name, left beside the socket.
struct ReferenceFacts {
  std::string data_dir;  // empty: nothing
  int volumes = 0;       // that are mounted from it
};

struct SocketFacts {
  enum class State { kLive, kDead, kMissing, kNotSocket, kUnreachable };
  std::string path;
  State state = State::kMissing;
  mode_t mode = 0;
  std::string error;  // kUnreachable, kMissing: why
};

struct NodeFacts {
  absl::Time now;
  absl::Duration uptime;
  std::string boot_id;
  IndexFacts index;
  DiskFacts disk;
  MountFacts mounts;
  SocketFacts socket;
  ReferenceFacts reference;
};

// `data_dir` absolute, `socket_path` a path. Errors: only when the
// boot id cannot be read; everything else is a fact.
absl::StatusOr<NodeFacts> GatherFacts(const std::string& data_dir,
                                      const std::string& socket_path,
                                      const Clock& clock);

// The parts, for gather's own use and for tests.
IndexFacts GatherIndex(const std::string& data_dir);
DiskFacts GatherDisk(const std::string& data_dir, absl::Time now);
MountFacts GatherMounts(const std::string& data_dir,
                        const std::vector<std::string>& targets);
ReferenceFacts GatherReference(const std::string& socket_path);
SocketFacts GatherSocket(const std::string& socket_path);

}  // namespace oneagent

#endif  // CACHE_INSPECT_NODE_FACTS_H_
