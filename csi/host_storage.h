// host/<dynakube>: the storage that mode=host volumes of a DynaKube share and
// that outlives their pods. Made for any valid name, before any agent or
// tenant exists; the record beside it says whose it is.
//
// A name whose storage belongs to another tenant (both tenants known and
// different) gets a fresh host/<dynakube>.<n>.
#ifndef CSI_HOST_STORAGE_H_
#define CSI_HOST_STORAGE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "cache/index/layout.h"
#include "cache/index/records.h"

namespace oneagent {

// Held while a storage is chosen, leased or trashed (flock on host/, so the
// collector and every publisher exclude each other without sharing an object).
// I/O under it is the point: choosing and leasing must be one step.
class HostLock {
 public:
  static absl::StatusOr<HostLock> Acquire(const Layout& layout);

 private:
  explicit HostLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// The storages of `records` that belong to the DynaKube of this name, oldest
// first. Pure.
std::vector<HostStorage> StoragesOf(const std::vector<HostStorage>& records,
                                    absl::string_view dynakube);

// Which storage a volume of `dynakube` gets; `tenant_uuid` empty: not known
// (yet). The same tenant's, else one whose tenant was not known until now,
// else a new name. Pure.
HostStorage ChooseHostStorage(const std::vector<HostStorage>& records,
                              absl::string_view dynakube,
                              absl::string_view tenant_uuid);

// Every storage on disk; one without a readable record counts as one whose
// tenant is not known.
absl::StatusOr<std::vector<HostStorage>> ListHostStorages(const Layout& layout);

// Makes the directory (0755 root) and its record, or brings them up to date.
absl::Status MakeHostStorage(const Layout& layout, const HostStorage& storage);

// To trash, record last. The caller holds HostLock and knows that no volume
// uses it.
absl::Status TrashHostStorage(const Layout& layout, absl::string_view name);

}  // namespace oneagent

#endif  // CSI_HOST_STORAGE_H_
