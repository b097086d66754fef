// Sequence "install" (an agent) and "config" (a configuration layer); the
// failpoint of a step stands behind it:
//   1  what an earlier attempt left in staging/<id> is deleted
//   2  the tree is built in staging/<id>, and it is an agent
//   3  one syncfs: content before names
//   4  rename staging/<id> -> agents/<id>
//   5  agents/<id>.json, by a temporary file, fsync, rename and fsync of
//      agents/: the commit point
//   6  index row, state ready
//   7  the archive is deleted
// Dying before 5 leaves a tree that has no manifest and that nobody uses:
// Recover sweeps it, once the mounter's rows can tell it from one that lost its
// manifest. Dying after 5 leaves a whole agent: Recover adopts it.
//
// Sequence "remove" (both):
//   1  index row deleted, if nothing refers to it
//   2  manifest deleted
//   3  tree renamed into trash/agents
// Dying after 1: Recover adopts the agent again, and it is collected again.
// Dying after 2: Recover sweeps the tree.
//
// Lock order: flock of agents/ or configs/, then the index's own. It keeps
// install 4-6, remove and Recover of all processes apart (the CLI may collect
// while the provisioner installs); building a tree, the slow part, is not
// under it.
#include "cache/store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/confined_path.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/posix_status.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/trash.h"
#include "cache/index/records.h"
#include "cache/store/agent_check.h"
#include "cache/store/entry_path.h"
#include "cache/store/manifest.h"
#include "cache/store/tree_lock.h"
#include "cache/store/tree_writer.h"

namespace oneagent {
namespace {

// Where one tree comes from and goes to.
struct Place {
  bool is_agent = false;
  std::string parent;
  std::string staging;
  std::string tree;
  std::string manifest;
  std::string trash;
};

Place AgentPlace(const Layout& layout, const std::string& id) {
  return {.is_agent = true,
          .parent = layout.AgentsDir(),
          .staging = layout.StagingTree(id),
          .tree = layout.AgentTree(id),
          .manifest = layout.AgentManifest(id),
          .trash = layout.TrashAgents()};
}

Place ConfigPlace(const Layout& layout, const std::string& id) {
  return {.is_agent = false,
          .parent = layout.ConfigsDir(),
          .staging = layout.StagingTree(absl::StrCat("config-", id)),
          .tree = layout.ConfigTree(id),
          .manifest = layout.ConfigManifest(id),
          .trash = layout.TrashAgents()};
}

absl::Status ClearStaging(const Place& place) {
  RETURN_IF_ERROR(DeleteTree(place.staging));
  return DeleteTree(absl::StrCat(place.staging, ".lifted"));
}

absl::Status SyncFileSystemOf(const std::string& directory) {
  ASSIGN_OR_RETURN(const UniqueFd fd, OpenDirectory(directory));
  if (syncfs(fd.get()) != 0) {
    return PosixStatus(absl::StrCat("syncfs ", directory), errno);
  }
  return absl::OkStatus();
}

// Steps 4 and 5, the tree lock held. What stands at the tree's place has no
// manifest, and the caller has seen that no volume uses it.
absl::Status Commit(const Place& place, const std::string& manifest) {
  RETURN_IF_ERROR(MoveToTrash(place.tree, place.trash));
  if (rename(place.staging.c_str(), place.tree.c_str()) != 0) {
    return PosixStatus(
        absl::StrCat("rename ", place.staging, " -> ", place.tree), errno);
  }
  Failpoint(place.is_agent ? "install:4" : "config:4");
  const absl::Status written = WriteFileAtomically(
      place.manifest, manifest, kManifestMode, Durability::kSync);
  if (!written.ok()) {
    // Not committed; a manifest whose fsync failed may be there all the same.
    (void)RemoveFileIfPresent(place.manifest);
    (void)MoveToTrash(place.tree, place.trash);
    return written;
  }
  Failpoint(place.is_agent ? "install:5" : "config:5");
  return absl::OkStatus();
}

// OK when manifest and tree are there, NotFound when one of them is not.
absl::Status CheckInstalled(const Place& place) {
  struct stat info;
  if (lstat(place.tree.c_str(), &info) != 0) {
    return PosixStatus(place.tree, errno);
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(absl::StrCat(place.tree, ": not a directory"));
  }
  return absl::OkStatus();
}

// A record that is damaged is as good as none: its tree is unpacked again.
template <typename Row>
absl::StatusOr<Row> WholeRow(const Place& place, absl::StatusOr<Row> record) {
  RETURN_IF_ERROR(CheckInstalled(place));
  if (absl::IsInvalidArgument(record.status())) {
    return WithCode(record.status(), absl::StatusCode::kNotFound);
  }
  return record;
}

absl::StatusOr<UnpackedTree> WriteTree(
    const std::string& root, const std::map<std::string, std::string>& files) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TreeWriter> writer,
                   TreeWriter::Create(root, UnpackLimits()));
  for (const auto& [path, content] : files) {
    RETURN_IF_ERROR(Annotate(writer->BeginFile(path, 0666), path));
    RETURN_IF_ERROR(Annotate(writer->Append(content), path));
    writer->EndFile();
  }
  return writer->Describe();
}

absl::Status CheckLayerPaths(const std::map<std::string, std::string>& files) {
  if (files.empty()) {
    return absl::InvalidArgumentError("configuration layer without files");
  }
  for (const auto& [path, content] : files) {
    const absl::StatusOr<std::string> normal =
        NormalizeEntryPath(path, UnpackLimits().max_path);
    if (!normal.ok()) return Annotate(normal.status(), Printable(path));
    if (*normal != path) {
      return absl::InvalidArgumentError(
          absl::StrCat(Printable(path), ": not a plain relative path"));
    }
  }
  return absl::OkStatus();
}

std::string ConfigId(const std::map<std::string, std::string>& files) {
  Sha256 hasher;
  for (const auto& [path, content] : files) {
    // Lengths keep one file's end from another one's beginning.
    hasher.Update(absl::StrCat(path.size(), ":", path, content.size(), ":"));
    hasher.Update(content);
  }
  return hasher.HexDigest().substr(0, 16);
}

// Steps 2 and 3 of "remove", the tree lock held and the row gone.
absl::Status RemoveTree(const Place& place) {
  Failpoint("remove:1");
  RETURN_IF_ERROR(RemoveFileIfPresent(place.manifest));
  Failpoint("remove:2");
  RETURN_IF_ERROR(MoveToTrash(place.tree, place.trash));
  Failpoint("remove:3");
  return absl::OkStatus();
}

}  // namespace

Store::Store(Layout layout, Index& index, const Clock& clock,
             std::string boot_id)
    : layout_(std::move(layout)),
      index_(index),
      clock_(clock),
      boot_id_(std::move(boot_id)) {}

absl::Status Store::CheckReplaceable(const std::string& tree, int64_t leases) {
  ASSIGN_OR_RETURN(const bool there, PathExists(tree));
  if (!there) return absl::OkStatus();
  if (leases == 0) return Annotate(RowsAreComplete(), tree);
  return absl::FailedPreconditionError(absl::StrCat(
      tree, ": its manifest is gone, but ", leases, " volumes use it"));
}

absl::StatusOr<AgentRow> Store::FindAgent(const std::string& id) {
  ASSIGN_OR_RETURN(AgentRow row, WholeRow(AgentPlace(layout_, id),
                                          ReadAgentRecord(layout_, id)));
  row.last_used_at = clock_.Now();  // whoever asked is about to use it
  RETURN_IF_ERROR(index_.PutAgent(row));
  return row;
}

absl::StatusOr<ConfigRow> Store::FindConfig(const std::string& id) {
  ASSIGN_OR_RETURN(ConfigRow row, WholeRow(ConfigPlace(layout_, id),
                                           ReadConfigRecord(layout_, id)));
  row.last_used_at = clock_.Now();
  RETURN_IF_ERROR(index_.PutConfig(row));
  return row;
}

absl::StatusOr<AgentRow> Store::InstallAgent(const AgentIdentity& identity,
                                             const StagedArchive& archive,
                                             const UnpackProgress& progress) {
  const std::string id = AgentId(identity);
  const Place place = AgentPlace(layout_, id);
  absl::StatusOr<AgentRow> row = [&]() -> absl::StatusOr<AgentRow> {
    ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(place.parent));
    absl::StatusOr<AgentRow> found = FindAgent(id);
    if (!absl::IsNotFound(found.status())) return found;
    // Before the unpacking, which would be for nothing.
    ASSIGN_OR_RETURN(const int64_t leases, AgentLeases(id));
    RETURN_IF_ERROR(CheckReplaceable(place.tree, leases));
    return found;
  }();
  if (absl::IsFailedPrecondition(row.status())) return row;
  if (absl::IsNotFound(row.status())) {
    row = UnpackAgent(id, identity, archive, progress);
    // What failed must not stay; what was committed is no longer there.
    const absl::Status cleared = ClearStaging(place);
    if (row.ok() && !cleared.ok()) row = cleared;
  }
  const absl::Status deleted = RemoveFileIfPresent(archive.path);
  Failpoint("install:7");
  if (row.ok() && !deleted.ok()) return deleted;
  return row;
}

absl::StatusOr<AgentRow> Store::UnpackAgent(const std::string& id,
                                            const AgentIdentity& identity,
                                            const StagedArchive& archive,
                                            const UnpackProgress& progress) {
  const Place place = AgentPlace(layout_, id);
  RETURN_IF_ERROR(ClearStaging(place));
  Failpoint("install:1");
  ASSIGN_OR_RETURN(UnpackedTree tree, UnpackArchive(archive.path, place.staging,
                                                    UnpackLimits(), progress));
  RETURN_IF_ERROR(Annotate(CheckIsAgent(place.staging, tree), archive.source));
  Failpoint("install:2");
  RETURN_IF_ERROR(SyncFileSystemOf(place.staging));
  Failpoint("install:3");
  AgentRow row = {.id = id,
                  .kind = identity.kind,
                  .version = identity.version,
                  .arch = identity.arch,
                  .flavor = identity.flavor,
                  .source = archive.source,
                  .digest = absl::StrCat("sha256:", archive.sha256),
                  .bytes = tree.bytes,
                  .files = tree.files,
                  .installed_at = ToRowPrecision(clock_.Now())};
  row.last_used_at = row.installed_at;
  ASSIGN_OR_RETURN(const std::string manifest,
                   AgentManifestText(row, std::move(tree)));
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(place.parent));
  ASSIGN_OR_RETURN(const int64_t leases, AgentLeases(id));
  RETURN_IF_ERROR(CheckReplaceable(place.tree, leases));
  RETURN_IF_ERROR(Commit(place, manifest));
  RETURN_IF_ERROR(index_.PutAgent(row));
  Failpoint("install:6");
  return row;
}

absl::StatusOr<ConfigRow> Store::InstallConfig(
    absl::string_view dynakube,
    const std::map<std::string, std::string>& files) {
  RETURN_IF_ERROR(CheckLayerPaths(files));
  const std::string id = ConfigId(files);
  const Place place = ConfigPlace(layout_, id);
  // Small enough for all of it to be under the lock.
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(place.parent));
  absl::StatusOr<ConfigRow> found = FindConfig(id);
  if (!absl::IsNotFound(found.status())) return found;
  RETURN_IF_ERROR(ClearStaging(place));
  const absl::Cleanup clear = [&place] { (void)ClearStaging(place); };
  Failpoint("config:1");
  ASSIGN_OR_RETURN(UnpackedTree tree, WriteTree(place.staging, files));
  Failpoint("config:2");
  RETURN_IF_ERROR(SyncFileSystemOf(place.staging));
  Failpoint("config:3");
  ConfigRow row = {.id = id,
                   .dynakube = std::string(dynakube),
                   .bytes = tree.bytes,
                   .files = tree.files,
                   .created_at = ToRowPrecision(clock_.Now())};
  row.last_used_at = row.created_at;
  ASSIGN_OR_RETURN(const std::string manifest,
                   ConfigManifestText(row, std::move(tree)));
  ASSIGN_OR_RETURN(const int64_t leases, ConfigLeases(id));
  RETURN_IF_ERROR(CheckReplaceable(place.tree, leases));
  RETURN_IF_ERROR(Commit(place, manifest));
  RETURN_IF_ERROR(index_.PutConfig(row));
  Failpoint("config:6");
  return row;
}

absl::StatusOr<int64_t> Store::AgentLeases(const std::string& id) {
  ASSIGN_OR_RETURN(const std::optional<AgentRow> row, index_.GetAgent(id));
  return row ? row->leases : 0;
}

absl::StatusOr<int64_t> Store::ConfigLeases(const std::string& id) {
  ASSIGN_OR_RETURN(const std::vector<ConfigRow> rows, index_.ListConfigs());
  for (const ConfigRow& row : rows) {
    if (row.id == id) return row.leases;
  }
  return 0;
}

absl::StatusOr<std::string> Store::ReadAgentFile(
    absl::string_view agent_id, absl::string_view relative_path,
    int64_t limit) {
  const std::string tree = layout_.AgentTree(agent_id);
  ASSIGN_OR_RETURN(const UniqueFd root, OpenDirectory(tree));
  const absl::StatusOr<UniqueFd> fd =
      OpenBeneath(root.get(), relative_path, O_RDONLY | O_NONBLOCK);
  if (!fd.ok()) return Annotate(fd.status(), tree);
  struct stat info;
  if (fstat(fd->get(), &info) != 0) return PosixStatus(tree, errno);
  if (!S_ISREG(info.st_mode) || info.st_size > limit) {
    return absl::FailedPreconditionError(
        absl::StrCat(tree, "/", relative_path,
                     ": not a regular file of at most ", limit, " bytes"));
  }
  std::string content(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n =
        read(fd->get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return PosixStatus(absl::StrCat("read ", tree), errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  content.resize(done);
  return content;
}

absl::StatusOr<bool> Store::RemoveAgent(absl::string_view id,
                                        absl::Time unused_before,
                                        absl::string_view boot_id) {
  const Place place = AgentPlace(layout_, std::string(id));
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(place.parent));
  ASSIGN_OR_RETURN(const bool deleted,
                   index_.DeleteAgentIfUnused(id, unused_before, boot_id));
  if (!deleted) return false;
  RETURN_IF_ERROR(RemoveTree(place));
  return true;
}

absl::StatusOr<bool> Store::RemoveConfig(absl::string_view id,
                                         absl::Time unused_before,
                                         absl::string_view boot_id) {
  const Place place = ConfigPlace(layout_, std::string(id));
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(place.parent));
  ASSIGN_OR_RETURN(const bool deleted,
                   index_.DeleteConfigIfUnused(id, unused_before, boot_id));
  if (!deleted) return false;
  RETURN_IF_ERROR(RemoveTree(place));
  return true;
}

}  // namespace oneagent
