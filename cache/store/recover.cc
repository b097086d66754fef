// Store::Recover: what a crash, a power cut or a stranger left behind in
// agents/, configs/ and staging/ is brought back to "tree, manifest and row, or
// none of them". Agents and configs differ in their rows only.
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/trash.h"
#include "cache/index/records.h"
#include "cache/store/identity.h"
#include "cache/store/manifest.h"
#include "cache/store/store.h"
#include "cache/store/tree_lock.h"

namespace oneagent {
namespace {

constexpr absl::Duration kResumable = absl::Hours(24);

// What Recover needs to know of a row, whatever its kind.
struct KnownRow {
  TreeState state = TreeState::kReady;
  int64_t bytes = 0;
  int64_t files = 0;
  int64_t leases = 0;
};

struct TreeKind {
  std::string parent;
  std::string trash;
  std::map<std::string, KnownRow> rows;
  // Rows say who uses a tree: OK when they do, else why they cannot.
  absl::Status rows_are_complete;
  std::function<std::string(const std::string& id)> tree;
  std::function<std::string(const std::string& id)> manifest;
  // OK when the manifest can be read and is of this id.
  std::function<absl::Status(const std::string& id)> check_record;
  // Puts the row that the manifest describes.
  std::function<absl::Status(const std::string& id)> adopt;
  std::function<absl::Status(const std::string& id)> set_missing;
  // The text of a manifest for a tree whose row is all that is left.
  std::function<absl::StatusOr<std::string>(const std::string& id,
                                            UnpackedTree tree)>
      manifest_text;
};

// Left by a manifest that was being written; the tree lock is held, so nobody
// is writing one now.
bool IsTemporaryManifest(absl::string_view name) {
  return absl::StartsWith(name, ".") && absl::StrContains(name, ".json.tmp-");
}

// Without a manifest and of no use to anybody, or reported.
absl::Status Discard(const TreeKind& kind, const std::string& id) {
  if (!kind.rows_are_complete.ok()) {
    return Annotate(kind.rows_are_complete, kind.tree(id));
  }
  RETURN_IF_ERROR(RemoveFileIfPresent(kind.manifest(id)));
  return MoveToTrash(kind.tree(id), kind.trash);
}

absl::Status MendManifest(const TreeKind& kind, const std::string& id,
                          const KnownRow& row) {
  const std::string tree = kind.tree(id);
  ASSIGN_OR_RETURN(UnpackedTree found, DescribeTree(tree));
  if (found.bytes == row.bytes && found.files == row.files) {
    ASSIGN_OR_RETURN(const std::string text,
                     kind.manifest_text(id, std::move(found)));
    RETURN_IF_ERROR(WriteFileAtomically(kind.manifest(id), text, kManifestMode,
                                        Durability::kSync));
    return kind.adopt(id);
  }
  if (row.leases > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        tree, ": has no manifest and is not what was installed, but ",
        row.leases, " volumes use it"));
  }
  RETURN_IF_ERROR(Discard(kind, id));
  return kind.set_missing(id);
}

absl::Status RecoverTree(const TreeKind& kind, const std::string& id) {
  const auto row = kind.rows.find(id);
  const bool has_row = row != kind.rows.end();
  struct stat info;
  const bool something = lstat(kind.tree(id).c_str(), &info) == 0;
  if (!something && errno != ENOENT) return PosixStatus(kind.tree(id), errno);
  if (!something || !S_ISDIR(info.st_mode)) {
    // Without its tree a manifest describes nothing: it must not be adopted.
    RETURN_IF_ERROR(RemoveFileIfPresent(kind.manifest(id)));
    RETURN_IF_ERROR(MoveToTrash(kind.tree(id), kind.trash));
    return has_row ? kind.set_missing(id) : absl::OkStatus();
  }
  const absl::Status record = kind.check_record(id);
  if (record.ok()) {
    if (has_row && row->second.state == TreeState::kReady) return record;
    return kind.adopt(id);
  }
  // Not read is not the same as not there.
  if (!absl::IsNotFound(record) && !absl::IsInvalidArgument(record)) {
    return record;
  }
  return has_row ? MendManifest(kind, id, row->second) : Discard(kind, id);
}

absl::Status RecoverTrees(const TreeKind& kind) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(kind.parent));
  std::set<std::string> ids;
  absl::Status first_error;
  for (const std::string& name : names) {
    const std::string stem(absl::StripSuffix(name, ".json"));
    if (IsTreeId(stem)) ids.insert(stem);
    if (IsTemporaryManifest(name)) {
      first_error.Update(
          RemoveFileIfPresent(absl::StrCat(kind.parent, "/", name)));
    }
  }
  for (const auto& [id, row] : kind.rows) ids.insert(id);
  for (const std::string& id : ids) first_error.Update(RecoverTree(kind, id));
  return first_error;
}

}  // namespace

absl::Status Store::Recover() {
  RETURN_IF_ERROR(layout_.Prepare(Owner::kProvisioner));
  absl::Status first_error;
  // Nothing is being installed at start, so only downloads are of use.
  absl::StatusOr<std::vector<std::string>> staged =
      ListDirectory(layout_.StagingDir());
  first_error.Update(staged.status());
  if (staged.ok()) {
    for (const std::string& name : *staged) {
      if (absl::EndsWith(name, ".part") || absl::StrContains(name, ".part.")) {
        continue;
      }
      first_error.Update(
          DeleteTree(absl::StrCat(layout_.StagingDir(), "/", name)));
    }
  }
  first_error.Update(SweepStaging(clock_.Now() - kResumable));
  first_error.Update(RecoverAgents());
  first_error.Update(RecoverConfigs());
  return first_error;
}

absl::Status Store::SweepStaging(absl::Time older_than) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListDirectory(layout_.StagingDir()));
  absl::Status first_error;
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(layout_.StagingDir(), "/", name);
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) continue;  // finished meanwhile
    if (absl::TimeFromTimespec(info.st_mtim) >= older_than) continue;
    first_error.Update(DeleteTree(path));
  }
  return first_error;
}

absl::Status Store::RowsAreComplete() {
  ASSIGN_OR_RETURN(const std::string reconciled, index_.ReconciledBootId());
  if (reconciled == boot_id_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "has no readable manifest, and who uses it is not known before the "
      "mounter has reconciled");
}

absl::Status Store::RecoverAgents() {
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(layout_.AgentsDir()));
  ASSIGN_OR_RETURN(const std::vector<AgentRow> rows, index_.ListAgents());
  TreeKind kind = {
      .parent = layout_.AgentsDir(),
      .trash = layout_.TrashAgents(),
      .rows = {},
      .rows_are_complete = RowsAreComplete(),
      .tree = [this](const std::string& id) { return layout_.AgentTree(id); },
      .manifest =
          [this](const std::string& id) { return layout_.AgentManifest(id); },
      .check_record =
          [this](const std::string& id) {
            return ReadAgentRecord(layout_, id).status();
          },
      .adopt = [this](const std::string& id) -> absl::Status {
        ASSIGN_OR_RETURN(const AgentRow row, ReadAgentRecord(layout_, id));
        return index_.PutAgent(row);
      },
      .set_missing =
          [this](const std::string& id) {
            return index_.SetAgentState(id, TreeState::kMissing);
          },
      .manifest_text = [&rows](const std::string& id, UnpackedTree tree)
          -> absl::StatusOr<std::string> {
        for (const AgentRow& row : rows) {
          if (row.id == id) return AgentManifestText(row, std::move(tree));
        }
        return absl::InternalError(absl::StrCat(id, ": has no row"));
      }};
  for (const AgentRow& row : rows) {
    kind.rows[row.id] = {row.state, row.bytes, row.files, row.leases};
  }
  return RecoverTrees(kind);
}

absl::Status Store::RecoverConfigs() {
  ASSIGN_OR_RETURN(const UniqueFd lock, LockTrees(layout_.ConfigsDir()));
  ASSIGN_OR_RETURN(const std::vector<ConfigRow> rows, index_.ListConfigs());
  TreeKind kind = {
      .parent = layout_.ConfigsDir(),
      .trash = layout_.TrashAgents(),
      .rows = {},
      .rows_are_complete = RowsAreComplete(),
      .tree = [this](const std::string& id) { return layout_.ConfigTree(id); },
      .manifest =
          [this](const std::string& id) { return layout_.ConfigManifest(id); },
      .check_record =
          [this](const std::string& id) {
            return ReadConfigRecord(layout_, id).status();
          },
      .adopt = [this](const std::string& id) -> absl::Status {
        ASSIGN_OR_RETURN(const ConfigRow row, ReadConfigRecord(layout_, id));
        return index_.PutConfig(row);
      },
      .set_missing =
          [this](const std::string& id) {
            return index_.SetConfigState(id, TreeState::kMissing);
          },
      .manifest_text = [&rows](const std::string& id, UnpackedTree tree)
          -> absl::StatusOr<std::string> {
        for (const ConfigRow& row : rows) {
          if (row.id == id) return ConfigManifestText(row, std::move(tree));
        }
        return absl::InternalError(absl::StrCat(id, ": has no row"));
      }};
  for (const ConfigRow& row : rows) {
    kind.rows[row.id] = {row.state, row.bytes, row.files, row.leases};
  }
  return RecoverTrees(kind);
}

}  // namespace oneagent
