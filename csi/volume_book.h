// What is on record of each volume: its row in the index, volume.json, and
// memory, which has what the index would not take. Nothing else in csi/ reads
// or writes them.
//
// A state is written to the record first and to the row after it, so that a
// lost index can be filled from the records; of an unpublished volume the row
// goes first, so that no lease stays without anybody who knows of it. What
// neither takes is kept in memory (bounded) until Flush. The numbered
// sequences of publish and unpublish say when which call is made.
//
// Failures of the index have Cause::kIndex. Thread-safe for different volume
// ids; calls for one volume id must be serialised by the caller (WorkQueue
// does), but for those that say otherwise.
#ifndef CSI_VOLUME_BOOK_H_
#define CSI_VOLUME_BOOK_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"
#include "csi/volume_verdict.h"

namespace oneagent {

class VolumeBook {
 public:
  // Index and clock are borrowed and must outlive this.
  VolumeBook(Layout layout, std::string boot_id, Index& index,
             const Clock& clock);

  // Reads memory, row and record; `target` and `shown` are left to the caller.
  // kTrustRows: a row `mounted` or `empty` of this boot needs no record
  // (reading 500 of them would cost a start more than all the rest). An id that
  // cannot be a directory's name was never published.
  // Unavailable when the row cannot be read; the record is read all the same,
  // so a caller that must go on takes what `evidence` got.
  enum class Depth { kAll, kTrustRows };
  absl::Status Read(absl::string_view volume_id, Depth depth,
                    Evidence& evidence) const;
  // Ids that row, record or directory name.
  absl::StatusOr<std::vector<std::string>> ListIds() const;
  // Whether there is a volume.json, readable or not; in doubt there is.
  bool HasRecord(absl::string_view volume_id) const;

  // ---- A publish

  // Counts the attempt that begins and takes the lease, in one transaction:
  // row `mounting`. Returns the row with what it leases. As
  // Index::AcquireLease.
  absl::StatusOr<VolumeRow> Lease(const VolumeRow& volume);
  // The record, `mounting`.
  absl::Status WriteRecord(const VolumeRow& volume);
  // Row `mounted`. NotFound: there is no lease any more, and the mount must not
  // stay. Unavailable: the index does not take it; the lease stands.
  absl::Status PutMounted(absl::string_view volume_id);
  // Row `waiting`, without lease; pod/, upper/ and work/ to trash unless they
  // may be in use; record `waiting`. Returns what is on record now; never
  // fails.
  enum class Layers { kToTrash, kKeep };
  VolumeRow PutWaiting(const VolumeRow& volume, Layers layers);
  // Record `empty`, before the volume is mounted; then the row and its notice.
  void PutEmptyRecord(const VolumeRow& volume);
  void PutEmptyRow(const VolumeRow& volume);

  // ---- Whoever finds that row or record do not say what a verdict says

  // Makes them say `volume`; nothing is written that says so already. A volume
  // that is `empty` and that the index does not know as such gets its notice.
  // Unavailable: the index does not take it.
  absl::Status Put(const Evidence& evidence, const VolumeRow& volume);

  // The row and memory; then the directory, to trash. Where the index refuses,
  // the row leases too long, until the collector finds it.
  absl::Status DropRow(absl::string_view volume_id);
  absl::Status DropDirectory(absl::string_view volume_id);

  // ---- Memory. Needs no serialisation.

  // A valid publish waited so long for its turn, in vain.
  void NoteWaiting(absl::string_view volume_id, absl::Duration waited);
  // Since when, as uptime; forgotten with the next Put or Drop.
  std::optional<absl::Duration> WaitingSince(absl::string_view volume_id) const;

  std::vector<std::string> ListUnrecorded() const;
  // Has the index take it (row, notice); OK when there is nothing. Unavailable:
  // not yet.
  absl::Status Flush(absl::string_view volume_id);

 private:
  void Remember(const VolumeRow& row);
  void Forget(absl::string_view volume_id);
  std::optional<VolumeRow> Recall(absl::string_view volume_id) const;

  const Layout layout_;
  const std::string boot_id_;
  Index& index_;
  const Clock& clock_;

  mutable Mutex mu_;
  std::map<std::string, VolumeRow> unrecorded_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, absl::Duration> waiting_since_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // CSI_VOLUME_BOOK_H_
