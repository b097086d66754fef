#include "cache/provisioner/notice_outlet.h"

#include <vector>

#include "base/status_macros.h"

namespace oneagent {

absl::Status NoticeLog::Deliver() {
  ASSIGN_OR_RETURN(const std::vector<NoticeRow> notices, index_.ListNotices());
  for (const NoticeRow& notice : notices) observer_.OnNotice(notice);
  if (notices.empty()) return absl::OkStatus();
  return index_.DeleteNotices(notices.back().seq);
}

}  // namespace oneagent
