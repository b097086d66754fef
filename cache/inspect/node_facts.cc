#include "cache/inspect/node_facts.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/boot_id.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "cache/index/index.h"

namespace oneagent {
namespace {

absl::Status ReadRows(Index& index, IndexFacts* facts) {
  ASSIGN_OR_RETURN(facts->reconciled_boot_id, index.ReconciledBootId());
  ASSIGN_OR_RETURN(facts->source_trouble, index.SourceTrouble());
  ASSIGN_OR_RETURN(facts->agents, index.ListAgents());
  ASSIGN_OR_RETURN(facts->configs, index.ListConfigs());
  ASSIGN_OR_RETURN(facts->tenants, index.ListTenants());
  ASSIGN_OR_RETURN(facts->volumes, index.ListVolumes());
  return absl::OkStatus();
}

// Whether somebody answers a connect. Never blocks: a full backlog is EAGAIN.
void TryConnect(SocketFacts* facts) {
  const UniqueFd fd(
      socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  facts->path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  if (fd.ok() && connect(fd.get(), generic, sizeof(address)) == 0) {
    facts->state = SocketFacts::State::kLive;
    return;
  }
  const int error = errno;
  if (error == EAGAIN) {
    facts->state = SocketFacts::State::kLive;
  } else if (error == ECONNREFUSED) {
    facts->state = SocketFacts::State::kDead;
  } else {
    facts->state = SocketFacts::State::kUnreachable;
    facts->error =
        std::string(PosixStatus("connect " + facts->path, error).message());
  }
}

}  // namespace

IndexFacts GatherIndex(const std::string& data_dir) {
  IndexFacts facts;
  absl::StatusOr<std::unique_ptr<Index>> index = Index::Open(
      {.data_dir = data_dir, .read_only = true, .on_rebuilt = nullptr});
  facts.status = index.ok() ? ReadRows(**index, &facts) : index.status();
  return facts;
}

SocketFacts GatherSocket(const std::string& socket_path) {
  SocketFacts facts;
  facts.path = socket_path;
  struct stat info;
  if (lstat(socket_path.c_str(), &info) != 0) {
    facts.state = SocketFacts::State::kMissing;
    facts.error = std::string(PosixStatus(socket_path, errno).message());
    return facts;
  }
  facts.mode = info.st_mode & 07777;
  if (!S_ISSOCK(info.st_mode)) {
    facts.state = SocketFacts::State::kNotSocket;
    return facts;
  }
  TryConnect(&facts);
  return facts;
}

absl::StatusOr<NodeFacts> GatherFacts(const std::string& data_dir,
                                      const std::string& socket_path,
                                      const Clock& clock) {
  NodeFacts facts;
  facts.now = clock.Now();
  facts.uptime = clock.Uptime();
  ASSIGN_OR_RETURN(facts.boot_id, ReadBootId());
  facts.disk = GatherDisk(data_dir, facts.now);
  facts.index = GatherIndex(data_dir);
  std::vector<std::string> targets;
  for (const VolumeRow& volume : facts.index.volumes) {
    targets.push_back(volume.target);
  }
  for (const auto& [id, record] : facts.disk.volumes) {
    if (record.ok()) targets.push_back(record->target);
  }
  facts.mounts = GatherMounts(data_dir, targets);
  facts.socket = GatherSocket(socket_path);
  facts.reference = GatherReference(socket_path);
  return facts;
}

}  // namespace oneagent
