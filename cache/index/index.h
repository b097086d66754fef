// The index: one SQLite file that both daemons and the CLI open. It makes
// questions fast and decisions atomic; it is never the truth (the trees, the
// records beside them and the kernel's mount table are).
//
// The lease is a foreign key: a volume row references the agent and the
// configuration layer it uses and is inserted before the mount; an agent row
// is deleted only where nothing references it, in one transaction, and only
// then its tree goes to trash. No window exists in which something that is
// being mounted can be collected.
//
// Guarded replacement: creating, migrating and rebuilding the file happen
// under flock(index.lock, LOCK_EX); every transaction holds LOCK_SH and opens
// the file anew when the path's inode is not the opened one or its header is
// not an index's. A file that is missing, damaged or robbed of its -wal or -shm
// while it is open is set aside (index.db,
// -wal and -shm, renamed to index.db.damaged-<UTC time>*; the newest three are
// kept), made anew and filled from the records of agents, configs and tenants.
// Volumes are filled by the mounter alone, which then calls SetReconciled;
// until then Delete*IfUnused refuse (FailedPrecondition).
//
// Errors of every call: Unavailable when the file cannot be used (locked
// beyond the busy timeout, disk full, I/O error): the caller may go on without
// it; FailedPrecondition when its user_version is newer than this program
// (Open only). Transactions are short and never held across I/O.
//
// Thread-safe: one connection that one thread uses at a time. A call waits for
// the others of its process until the CallDeadline of its thread, if it has
// one, and answers Unavailable then.
#ifndef CACHE_INDEX_INDEX_H_
#define CACHE_INDEX_INDEX_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"

namespace oneagent {

// What a publish asks for, and what it gets.
struct LeaseRequest {
  VolumeRow volume = {};  // id, pod, …, mode, target, boot_id, host_storage
  absl::Time now = {};
};
struct Lease {
  std::string agent_id = {};   // mode app
  std::string config_id = {};  // mode app; may be empty
  VolumeRow row = {};          // as it stands now, state mounting
};

class Index {
 public:
  struct Options {
    std::string data_dir = {};
    // Opens an existing, healthy index read-only and never creates, migrates
    // or replaces one: for the CLI. Then Open may answer NotFound, DataLoss
    // (damaged) and FailedPrecondition (other user_version).
    bool read_only = false;
    // Open answers an index also where it would answer Unavailable; each call
    // then tries the file anew. For the mounter, which must answer pods.
    bool open_unusable = false;
    // How long a call waits for another process (its write transaction, its
    // rebuild) before it answers Unavailable.
    absl::Duration busy_timeout = absl::Seconds(5);
    // After a call that waited so long in vain every call answers Unavailable
    // at once for this time; then one tries again. Zero: each waits anew. For
    // the mounter, which has more pods to answer than it has timeouts.
    absl::Duration busy_pause = absl::ZeroDuration();
    // Called (while the index is in use: must not call back) when the file was
    // made anew by this process although there was something to rebuild it
    // from; the daemons log it. `set_aside` is empty when index.db was simply
    // missing; `cause` also names records that could not be read. May be empty.
    std::function<void(absl::string_view set_aside, absl::string_view cause)>
        on_rebuilt = {};
  };

  static absl::StatusOr<std::unique_ptr<Index>> Open(Options options);
  ~Index();

  // ---- Volumes (the mounter)

  // Picks the current agent and config of request.volume.dynakube (mode app)
  // and upserts the volume row with state `mounting`, in one transaction. What
  // `volume` says of attempts stands in the row from now on, so that one that
  // kills the process has been counted; of an earlier failure on record the
  // greater count and the earlier times win. Mode host takes no agent and no
  // tenant.
  // Errors: NotFound unknown DynaKube or one that was deleted;
  // FailedPrecondition no agent yet, or its tree is missing. Their message is
  // the text users of the reference driver know, then why:
  //   version or digest is not yet set, csi-provisioner hasn't finished setup
  //   yet for <dynakube> DynaKube: <state>: <reason>
  absl::StatusOr<Lease> AcquireLease(const LeaseRequest& request);

  // state mounted, what is known of failures cleared, since = now.
  // NotFound when there is no such row, or one that is neither mounting nor
  // mounted: then the lease is gone, and the mount must not stay.
  absl::Status MarkMounted(absl::string_view volume_id, absl::Time now);

  // Upserts `volume` with state `empty`, without lease, and inserts its notice
  // (at most 1000 are kept, none older than an hour), in one transaction. A
  // volume that is `empty` already gets no second notice.
  absl::Status MarkEmpty(const VolumeRow& volume, absl::Time now);

  // Upserts `volume`, whose attempts include the one that failed, with state
  // `waiting`, without lease, first_failure_at = now unless an earlier one is
  // on record (in the row or in `volume`: the greater count and the earlier
  // times win); since is the first failure. Returns the row as it stands now.
  absl::StatusOr<VolumeRow> RecordFailure(const VolumeRow& volume,
                                          absl::Time now);

  // Writes the row as it is: for the reconciler. A lease on an agent or config
  // that has no row creates that row with state `missing`.
  absl::Status PutVolume(const VolumeRow& volume);

  // Deletes the row and with it the lease; last_used_at of what was leased
  // becomes `now`. An unknown volume is OK.
  absl::Status ReleaseLease(absl::string_view volume_id, absl::Time now);

  absl::StatusOr<std::optional<VolumeRow>> GetVolume(
      absl::string_view volume_id);
  absl::StatusOr<std::vector<VolumeRow>> ListVolumes();  // by id

  // The limit on mount attempts of a DynaKube; 0: none, or unknown DynaKube.
  absl::StatusOr<int32_t> MaxAttempts(absl::string_view dynakube);

  // A reconcile fills one file; this says that it begins with the file as it
  // is now. Open says so too, so the first reconcile need not call it.
  absl::Status BeginReconcile();
  // Says that every volume of this node has its row: the last step of the
  // mounter's reconcile. Aborted when the file was replaced since
  // BeginReconcile (rows written before are not in it): begin again.
  absl::Status SetReconciled(absl::string_view boot_id);
  // The boot id of the last reconcile of this very file; empty: none.
  absl::StatusOr<std::string> ReconciledBootId();

  // ---- Agents, configs, tenants (the provisioner)

  // Upserts; last_used_at of an existing row is kept if later.
  absl::Status PutAgent(const AgentRow& agent);
  absl::Status PutConfig(const ConfigRow& config);
  // Upserts. An agent or config that stops being this tenant's gets
  // last_used_at = tenant.updated_at, in the same transaction.
  // FailedPrecondition when agent_id or config_id has no row. A tenant with
  // deleted_at references nothing: its row is stored without agent and config
  // (the record on disk keeps their names), so it blocks no collection.
  absl::Status PutTenant(const TenantRow& tenant);
  // Deletes the row if it has deleted_at; any other, and none, is OK.
  absl::Status DeleteTenant(absl::string_view dynakube);
  // state := missing or ready, as found on disk. Unknown ids are OK.
  absl::Status SetAgentState(absl::string_view id, TreeState state);
  absl::Status SetConfigState(absl::string_view id, TreeState state);

  // Deletes the row if no volume and no tenant references it and last_used_at
  // is before `unused_before`; true when it was deleted. FailedPrecondition
  // while the mounter has not reconciled this file in boot `boot_id`.
  absl::StatusOr<bool> DeleteAgentIfUnused(absl::string_view id,
                                           absl::Time unused_before,
                                           absl::string_view boot_id);
  absl::StatusOr<bool> DeleteConfigIfUnused(absl::string_view id,
                                            absl::Time unused_before,
                                            absl::string_view boot_id);

  absl::StatusOr<std::optional<AgentRow>> GetAgent(absl::string_view id);
  absl::StatusOr<std::optional<TenantRow>> GetTenant(
      absl::string_view dynakube);
  absl::StatusOr<std::vector<AgentRow>> ListAgents();    // by version, id
  absl::StatusOr<std::vector<ConfigRow>> ListConfigs();  // by id
  absl::StatusOr<std::vector<TenantRow>> ListTenants();  // by dynakube

  // Why the DynaKubes cannot be listed, and since when; "" when they can.
  absl::Status SetSourceTrouble(absl::string_view why);
  absl::StatusOr<std::string> SourceTrouble();

  absl::StatusOr<std::vector<NoticeRow>> ListNotices();  // by seq
  absl::Status DeleteNotices(int64_t up_to_seq);
  absl::Status DeleteNotice(int64_t seq);  // one that is not there is OK

  // PRAGMA data_version and the file's identity in one number: changes when
  // another connection wrote, or replaced the file. Comparable only with
  // earlier answers of the same Index.
  absl::StatusOr<uint64_t> ChangeCount();

 private:
  class Connection;
  explicit Index(Options options);
  absl::StatusOr<std::string> ReadMeta(absl::string_view key);

  const Options options_;
  const std::unique_ptr<Connection> connection_;
  // Which of connection_'s files, counted from 1, the reconcile in progress
  // fills.
  std::atomic<uint64_t> reconciling_{1};
};

}  // namespace oneagent

#endif  // CACHE_INDEX_INDEX_H_
