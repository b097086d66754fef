// Opening, reconciling, notices and the change count; volumes are in
// index_volumes.cc, agents, configs and tenants in index_cache.cc.
#include "cache/index/index.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cache/index/connection.h"
#include "cache/index/stored_rows.h"

namespace oneagent {

Index::Index(Options options)
    : options_(std::move(options)),
      connection_(std::make_unique<Connection>(options_)) {}

Index::~Index() = default;

absl::StatusOr<std::unique_ptr<Index>> Index::Open(Options options) {
  std::unique_ptr<Index> index(new Index(std::move(options)));
  const absl::Status opened = index->connection_->Open();
  if (absl::IsUnavailable(opened) && index->options_.open_unusable) {
    return index;
  }
  RETURN_IF_ERROR(opened);
  if (!index->options_.read_only) RETURN_IF_ERROR(index->BeginReconcile());
  return index;
}

absl::Status Index::BeginReconcile() {
  return connection_->Read([this](const Connection::Session& session) {
    reconciling_.store(session.generation);
    return absl::OkStatus();
  });
}

absl::Status Index::SetReconciled(absl::string_view boot_id) {
  return connection_->Write([&](const Connection::Session& session) {
    if (session.generation != reconciling_.load()) {
      return absl::AbortedError(absl::StrCat(
          session.db.path(), ": was replaced during the reconcile"));
    }
    return StoreMeta(session.sql, kReconciledBootIdKey, boot_id);
  });
}

absl::StatusOr<std::string> Index::ReconciledBootId() {
  return ReadMeta(kReconciledBootIdKey);
}

absl::Status Index::SetSourceTrouble(absl::string_view why) {
  return connection_->Write([&](const Connection::Session& session) {
    return StoreMeta(session.sql, kSourceTroubleKey, why);
  });
}

absl::StatusOr<std::string> Index::SourceTrouble() {
  return ReadMeta(kSourceTroubleKey);
}

absl::StatusOr<std::string> Index::ReadMeta(absl::string_view key) {
  absl::StatusOr<std::string> value;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    value = LoadMeta(session.sql, key);
    return value.status();
  }));
  return value;
}

absl::StatusOr<std::vector<NoticeRow>> Index::ListNotices() {
  absl::StatusOr<std::vector<NoticeRow>> notices;
  RETURN_IF_ERROR(connection_->Read([&](const Connection::Session& session) {
    notices = AllRows(session.sql.list_notices, &NoticeAt);
    return notices.status();
  }));
  return notices;
}

absl::Status Index::DeleteNotices(int64_t up_to_seq) {
  return connection_->Write([&](const Connection::Session& session) {
    return Query(session.sql.delete_notices).Int(":seq", up_to_seq).Run();
  });
}

absl::Status Index::DeleteNotice(int64_t seq) {
  return connection_->Write([&](const Connection::Session& session) {
    return Query(session.sql.delete_notice).Int(":seq", seq).Run();
  });
}

absl::StatusOr<uint64_t> Index::ChangeCount() {
  uint64_t count = 0;
  RETURN_IF_ERROR(connection_->Read(
      [&](const Connection::Session& session) -> absl::Status {
        Query query(session.sql.data_version);
        ASSIGN_OR_RETURN(const bool found, query.Step());
        if (!found) return absl::InternalError("no data_version");
        // data_version has 32 bits and is comparable within one connection.
        count =
            session.generation << 32 | static_cast<uint32_t>(query.IntAt(0));
        return absl::OkStatus();
      }));
  return count;
}

}  // namespace oneagent
