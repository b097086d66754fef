// The provisioner's part of the cache on disk: agents and configuration
// layers, committed so that a crash at any instruction leaves either the whole
// tree or nothing that anybody uses.
//
// Thread-safe for different identities; the caller sees to it that one
// identity is installed once at a time (single flight).
#ifndef CACHE_STORE_STORE_H_
#define CACHE_STORE_STORE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/store/identity.h"
#include "cache/store/unpack.h"

namespace oneagent {

// A complete download in staging/, its digest known.
struct StagedArchive {
  std::string path;    // staging/<id>.part
  std::string source;  // URL or image reference, without credentials
  std::string sha256;  // hex of the file as downloaded
};

class Store {
 public:
  // Index and clock are borrowed and must outlive the store. `boot_id` is this
  // boot's: rows name every user of a tree only when the mounter has reconciled
  // in it.
  Store(Layout layout, Index& index, const Clock& clock, std::string boot_id);

  // At start, before anything else: a manifest without a row is adopted, a
  // tree without a manifest goes to trash, a row without a tree becomes
  // `missing`, staging/ is swept but for downloads younger than a day (*.part
  // and *.part.*: they are resumed). A tree without a readable manifest that
  // has a row was whole once and may be in use: its manifest is written again
  // if files and bytes are as the row says, else it stays as it is and is
  // reported (leased) or goes to trash. Nothing goes there before the mounter
  // has reconciled in this boot, since until then any tree may be mounted:
  // what would go is reported, and stays for the next call. Names that are
  // none of ours stay.
  // Errors of one entry do not stop the others; the first is returned.
  absl::Status Recover();

  // Deletes what nobody has touched in staging/ since `older_than`. First
  // error, as Recover.
  absl::Status SweepStaging(absl::Time older_than);

  // Unpacks, describes and commits an agent (sequence "install" in store.cc);
  // the archive is deleted afterwards, also when it is damaged. An agent that
  // is installed already is returned as it is.
  // Errors: InvalidArgument damaged or hostile archive, ResourceExhausted disk
  // full, FailedPrecondition a tree without manifest is at its place and in
  // use, or who uses it is not known (the archive stays for the next attempt),
  // Unavailable index; nothing half-done remains (with Unavailable the agent
  // may be whole on disk: the next call finds it).
  absl::StatusOr<AgentRow> InstallAgent(const AgentIdentity& identity,
                                        const StagedArchive& archive,
                                        const UnpackProgress& progress);

  // Commits a configuration layer of `files` (path relative to the layer's
  // root -> content, each file 0666 in 0755 directories), named by its
  // content. One that exists already is returned as it is.
  absl::StatusOr<ConfigRow> InstallConfig(
      absl::string_view dynakube,
      const std::map<std::string, std::string>& files);

  // Content of a file of an installed agent. NotFound when it has none;
  // FailedPrecondition for a link, anything else but a file, and one of more
  // than `limit` bytes.
  absl::StatusOr<std::string> ReadAgentFile(absl::string_view agent_id,
                                            absl::string_view relative_path,
                                            int64_t limit);

  // Row, then manifest, then tree to trash, for an agent or config that
  // nothing uses since `unused_before`; false when it is in use after all.
  // Errors: as Index::DeleteAgentIfUnused; PosixStatus when the tree could not
  // be moved, the row being gone by then (Recover adopts it or sweeps it).
  absl::StatusOr<bool> RemoveAgent(absl::string_view id,
                                   absl::Time unused_before,
                                   absl::string_view boot_id);
  absl::StatusOr<bool> RemoveConfig(absl::string_view id,
                                    absl::Time unused_before,
                                    absl::string_view boot_id);

  const Layout& layout() const { return layout_; }

 private:
  // What is installed, its time of use set to now; NotFound. Tree lock held.
  absl::StatusOr<AgentRow> FindAgent(const std::string& id);
  absl::StatusOr<ConfigRow> FindConfig(const std::string& id);
  absl::StatusOr<AgentRow> UnpackAgent(const std::string& id,
                                       const AgentIdentity& identity,
                                       const StagedArchive& archive,
                                       const UnpackProgress& progress);
  absl::StatusOr<int64_t> ConfigLeases(const std::string& id);
  // OK when the mounter has reconciled this index in this boot;
  // FailedPrecondition.
  absl::Status RowsAreComplete();
  // OK when nothing is at the place of agent or config, or nothing uses what
  // is there, which has no manifest; FailedPrecondition. Tree lock held.
  absl::Status CheckReplaceable(const std::string& tree, int64_t leases);
  absl::StatusOr<int64_t> AgentLeases(const std::string& id);
  absl::Status RecoverAgents();
  absl::Status RecoverConfigs();

  const Layout layout_;
  Index& index_;
  const Clock& clock_;
  const std::string boot_id_;
};

// Compares a tree with its manifest: one line per difference, naming the path
// and what differs; empty when the tree is as it was installed. Errors: as
// DescribeTree and ReadWholeFile. For the CLI's verify.
absl::StatusOr<std::vector<std::string>> VerifyAgent(const Layout& layout,
                                                     absl::string_view id);
absl::StatusOr<std::vector<std::string>> VerifyConfig(const Layout& layout,
                                                      absl::string_view id);

}  // namespace oneagent

#endif  // CACHE_STORE_STORE_H_
