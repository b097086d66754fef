// What stands in the data directory.
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/trash.h"
#include "cache/index/layout.h"
#include "cache/index/records.h"
#include "cache/inspect/node_facts.h"

namespace oneagent {
namespace {

bool IsDirectory(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

class DiskGatherer {
 public:
  DiskGatherer(const Layout& layout, absl::Time now, DiskFacts* facts)
      : layout_(layout), now_(now), facts_(facts) {}

  void Gather() {
    GatherSetAside();
    facts_->mounter = ReadMounterRecord(layout_);
    GatherTrees(
        layout_.AgentsDir(),
        [this](const std::string& id) {
          return ReadAgentRecord(layout_, id).status();
        },
        &facts_->agents);
    GatherTrees(
        layout_.ConfigsDir(),
        [this](const std::string& id) {
          return ReadConfigRecord(layout_, id).status();
        },
        &facts_->configs);
    GatherTenants();
    GatherVolumes();
    GatherHostStorage();
    GatherStaging();
    GatherTrash(layout_.TrashAgents());
    GatherTrash(layout_.TrashVolumes());
    GatherSpace();
  }

 private:
  // Names in a directory without temporary files of atomic writes; none when
  // it does not exist (yet).
  std::vector<std::string> NamesIn(const std::string& directory) {
    const absl::StatusOr<std::vector<std::string>> all =
        ListDirectory(directory);
    std::vector<std::string> names;
    if (!all.ok()) {
      if (!absl::IsNotFound(all.status())) {
        facts_->unreadable.emplace_back(all.status().message());
      }
      return names;
    }
    for (const std::string& name : *all) {
      if (!absl::StartsWith(name, ".")) names.push_back(name);
    }
    return names;
  }

  void GatherSetAside() {
    for (const std::string& name : NamesIn(layout_.data_dir())) {
      // Its -wal and -shm are beside it: one finding, not three.
      if (absl::StartsWith(name, "index.db") &&
          absl::StrContains(name, ".damaged-") &&
          !absl::EndsWith(name, "-wal") && !absl::EndsWith(name, "-shm")) {
        facts_->set_aside.push_back(
            absl::StrCat(layout_.data_dir(), "/", name));
      }
    }
  }

  void GatherTrees(
      const std::string& directory,
      const std::function<absl::Status(const std::string& id)>& read,
      std::map<std::string, TreeFact>* trees) {
    for (const std::string& name : NamesIn(directory)) {
      std::string id = name;
      if (!IsDirectory(absl::StrCat(directory, "/", name)) &&
          absl::EndsWith(name, ".json")) {
        id = std::string(absl::StripSuffix(name, ".json"));
        TreeFact& fact = (*trees)[id];
        fact.manifest = true;
        const absl::Status status = read(id);
        // Gone since it was listed: removed meanwhile, and looked at again.
        fact.manifest_error = std::string(status.message());
      } else {
        (*trees)[id].tree = true;
      }
    }
  }

  void GatherTenants() {
    for (const std::string& name : NamesIn(layout_.TenantsDir())) {
      const std::string dynakube(absl::StripSuffix(name, ".json"));
      facts_->tenants.emplace(dynakube, ReadTenantRecord(layout_, dynakube));
    }
  }

  void GatherVolumes() {
    for (const std::string& id : NamesIn(layout_.VolumesDir())) {
      facts_->volumes.emplace(id, ReadVolumeRecord(layout_, id));
    }
  }

  void GatherHostStorage() {
    for (const std::string& name : NamesIn(layout_.HostDir())) {
      if (absl::EndsWith(name, ".json")) {
        facts_->host_storage[std::string(absl::StripSuffix(name, ".json"))]
            .record = true;
      } else {
        facts_->host_storage[name].storage = true;
      }
    }
  }

  void GatherStaging() {
    const std::string directory = layout_.StagingDir();
    for (const std::string& name : NamesIn(directory)) {
      const std::string path = absl::StrCat(directory, "/", name);
      struct stat info;
      if (lstat(path.c_str(), &info) != 0) continue;
      facts_->staging.push_back(
          {path, now_ - absl::TimeFromTimespec(info.st_mtim)});
    }
  }

  void GatherTrash(const std::string& directory) {
    for (const std::string& name : NamesIn(directory)) {
      facts_->trash.push_back(
          {absl::StrCat(directory, "/", name), TrashAge(name)});
    }
  }

  void GatherSpace() {
    struct statvfs info;
    if (statvfs(layout_.data_dir().c_str(), &info) != 0) return;
    const auto percent = [](uint64_t free, uint64_t all) {
      return all == 0 ? 100 : static_cast<int>(free * 100 / all);
    };
    facts_->free_percent = percent(info.f_bavail, info.f_blocks);
    facts_->free_inodes_percent = percent(info.f_favail, info.f_files);
    facts_->free_bytes = static_cast<int64_t>(info.f_bavail) *
                         static_cast<int64_t>(info.f_frsize);
  }

  const Layout& layout_;
  const absl::Time now_;
  DiskFacts* const facts_;
};

}  // namespace

DiskFacts GatherDisk(const std::string& data_dir, absl::Time now) {
  DiskFacts facts;
  facts.data_dir = data_dir;
  struct stat info;
  if (stat(data_dir.c_str(), &info) != 0) {
    facts.status = PosixStatus(data_dir, errno);
    return facts;
  }
  if (!S_ISDIR(info.st_mode)) {
    facts.status = PosixStatus(data_dir, ENOTDIR);
    return facts;
  }
  facts.mode = info.st_mode & 07777;
  facts.owned_by_root = info.st_uid == 0;
  const Layout layout(data_dir);
  DiskGatherer(layout, now, &facts).Gather();
  return facts;
}

}  // namespace oneagent
