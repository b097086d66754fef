#include "csi/pod_layer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/confined_path.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace oneagent {
namespace {

// Trees come from archives: a link in them must not lead root's read out.
absl::StatusOr<std::string> ReadConf(const std::string& tree) {
  ASSIGN_OR_RETURN(const UniqueFd root, OpenRoot(tree));
  const std::string path = absl::StrCat(tree, "/", kProcessConfPath);
  const absl::StatusOr<UniqueFd> file =
      OpenBeneath(root.get(), kProcessConfPath, O_RDONLY | O_NONBLOCK);
  if (!file.ok()) return Annotate(file.status(), tree);
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t count = read(file->get(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return PosixStatus(absl::StrCat("read ", path), errno);
    if (count == 0) return content;
    content.append(buffer, static_cast<size_t>(count));
    if (content.size() > kMaxProcessConf) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": larger than ", kMaxProcessConf, " bytes"));
    }
  }
}

absl::StatusOr<std::string> ReadBase(const Layout& layout,
                                     const VolumeRow& row) {
  if (!row.config_id.empty()) {
    absl::StatusOr<std::string> config =
        ReadConf(layout.ConfigTree(row.config_id));
    if (config.ok() || !absl::IsNotFound(config.status())) return config;
  }
  absl::StatusOr<std::string> agent = ReadConf(layout.AgentTree(row.agent_id));
  if (absl::IsNotFound(agent.status())) return std::string();
  return agent;
}

}  // namespace

absl::Status MakePodLayer(const Layout& layout, const VolumeRow& row,
                          const std::vector<ConfProperty>& overrides) {
  ASSIGN_OR_RETURN(const std::string base, ReadBase(layout, row));
  ASSIGN_OR_RETURN(const std::string merged, MergeProcessConf(base, overrides));
  const std::string pod = layout.VolumePodLayer(row.id);
  // 0755 as in the agent's tree: the topmost layer's mode is what a pod sees.
  RETURN_IF_ERROR(EnsureDirectory(pod, 0755));
  RETURN_IF_ERROR(EnsureDirectory(absl::StrCat(pod, "/agent"), 0755));
  RETURN_IF_ERROR(EnsureDirectory(absl::StrCat(pod, "/agent/conf"), 0755));
  return WriteFileAtomically(absl::StrCat(pod, "/", kProcessConfPath), merged,
                             0666, Durability::kNoSync);
}

}  // namespace oneagent
