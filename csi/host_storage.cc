#include "csi/host_storage.h"

#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/trash.h"

namespace oneagent {
namespace {

constexpr char kRecordSuffix[] = ".json";

// 0 for <dynakube>, n for <dynakube>.<n>, -1 for another name. A label has no
// dot, so no two DynaKubes share a name.
int64_t NumberOf(absl::string_view name, absl::string_view dynakube) {
  if (!absl::ConsumePrefix(&name, dynakube)) return -1;
  if (name.empty()) return 0;
  int64_t number = 0;
  if (!absl::ConsumePrefix(&name, ".") || !absl::SimpleAtoi(name, &number) ||
      number <= 0 || absl::StrCat(number) != name) {
    return -1;
  }
  return number;
}

}  // namespace

absl::StatusOr<HostLock> HostLock::Acquire(const Layout& layout) {
  const std::string path = layout.HostDir();
  ASSIGN_OR_RETURN(UniqueFd fd, OpenDirectory(path));
  while (flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return PosixStatus(absl::StrCat("lock ", path), errno);
  }
  return HostLock(std::move(fd));
}

std::vector<HostStorage> StoragesOf(const std::vector<HostStorage>& records,
                                    absl::string_view dynakube) {
  std::vector<HostStorage> storages;
  for (const HostStorage& record : records) {
    if (NumberOf(record.name, dynakube) >= 0) storages.push_back(record);
  }
  std::sort(storages.begin(), storages.end(),
            [dynakube](const HostStorage& a, const HostStorage& b) {
              return NumberOf(a.name, dynakube) < NumberOf(b.name, dynakube);
            });
  return storages;
}

HostStorage ChooseHostStorage(const std::vector<HostStorage>& records,
                              absl::string_view dynakube,
                              absl::string_view tenant_uuid) {
  const std::vector<HostStorage> storages = StoragesOf(records, dynakube);
  HostStorage chosen{.name = std::string(dynakube),
                     .dynakube = std::string(dynakube),
                     .tenant_uuid = std::string(tenant_uuid)};
  if (storages.empty()) return chosen;
  // Not known: the newest is the one that the tenant of today uses.
  if (tenant_uuid.empty()) return storages.back();
  for (const HostStorage& storage : storages) {
    if (storage.tenant_uuid == tenant_uuid) return storage;
  }
  for (auto newest = storages.rbegin(); newest != storages.rend(); ++newest) {
    if (!newest->tenant_uuid.empty()) continue;
    chosen.name = newest->name;
    return chosen;
  }
  chosen.name =
      absl::StrCat(dynakube, ".", NumberOf(storages.back().name, dynakube) + 1);
  return chosen;
}

absl::StatusOr<std::vector<HostStorage>> ListHostStorages(
    const Layout& layout) {
  ASSIGN_OR_RETURN(const std::vector<std::string> entries,
                   ListDirectory(layout.HostDir()));
  std::set<std::string> names;
  for (absl::string_view entry : entries) {
    if (absl::StartsWith(entry, ".")) continue;  // a record being written
    names.emplace(absl::StripSuffix(entry, kRecordSuffix));
  }
  std::vector<HostStorage> storages;
  for (const std::string& name : names) {
    const absl::StatusOr<HostStorage> record = ReadHostRecord(layout, name);
    // A directory that lost its record keeps its content: it is claimed by the
    // next tenant of that name.
    storages.push_back(
        record.ok() ? *record
                    : HostStorage{.name = name,
                                  .dynakube = name.substr(0, name.find('.')),
                                  .tenant_uuid = ""});
  }
  return storages;
}

absl::Status MakeHostStorage(const Layout& layout, const HostStorage& storage) {
  const absl::StatusOr<HostStorage> record =
      ReadHostRecord(layout, storage.name);
  const bool is_current =
      record.ok() && record->tenant_uuid == storage.tenant_uuid;
  // Record first: storage without one would be anybody's.
  if (!is_current) RETURN_IF_ERROR(WriteHostRecord(layout, storage));
  return EnsureDirectory(layout.HostStorage(storage.name), 0755);
}

absl::Status TrashHostStorage(const Layout& layout, absl::string_view name) {
  RETURN_IF_ERROR(MoveToTrash(layout.HostStorage(name), layout.TrashVolumes()));
  return RemoveFileIfPresent(layout.HostRecord(name));
}

}  // namespace oneagent
