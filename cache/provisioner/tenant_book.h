// What new pods of each DynaKube get: a record in tenants/ and a row in the
// index, always in this order, so that the index can be filled from the
// records. Thread-safe; the lock of tenants/ (cache/store/tree_lock.h) keeps
// record and row of one writer together, also against a collection by the CLI.
#ifndef CACHE_PROVISIONER_TENANT_BOOK_H_
#define CACHE_PROVISIONER_TENANT_BOOK_H_

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/index/rows.h"

namespace oneagent {

class TenantBook {
 public:
  // The index is borrowed and must outlive the book.
  TenantBook(Layout layout, Index& index)
      : layout_(std::move(layout)), index_(index) {}

  // From the record; from the row when there is no record, or a damaged one.
  // Any other error is not an answer: what pods get may well be known.
  absl::StatusOr<std::optional<TenantRow>> Find(absl::string_view dynakube);

  // Writes record and row (sequence "book" in tenant_book.cc), or nothing
  // when both say the same already, updated_at aside. An agent or a config
  // that the index does not know is adopted from its manifest; without that
  // FailedPrecondition, the record written.
  // Unavailable, as all that follow: the lock or the index cannot be had.
  absl::Status Write(const TenantRow& row);

  // As Write with deleted_at = now, if it is not set yet: true. The record
  // keeps agent and config, in case the DynaKube comes back; the row, which
  // would hold them on the disk, does not.
  absl::StatusOr<bool> Forget(absl::string_view dynakube, absl::Time now);

  // Puts the row of every record that the index does not have as it stands
  // there. One that fails does not stop the others; the first error is
  // returned.
  absl::Status Restore();

 private:
  // The lock held.
  absl::Status WriteBoth(const TenantRow& row);
  absl::Status RestoreOne(absl::string_view dynakube);
  absl::Status PutRow(const TenantRow& row);
  // Puts the rows of what `row` refers to, as far as it is on the node.
  absl::Status Adopt(const TenantRow& row);

  const Layout layout_;
  Index& index_;
};

}  // namespace oneagent

#endif  // CACHE_PROVISIONER_TENANT_BOOK_H_
