#include "cache/provisioner/health.h"

#include "absl/strings/str_cat.h"
#include "base/duration.h"

namespace oneagent {

HttpPages ProvisionerHealth::Pages() const {
  return {{"/healthz", [this] { return StatusPage(CheckLoop(), 500); }},
          {"/readyz", [this] { return readiness_.Page(); }}};
}

absl::Status ProvisionerHealth::CheckLoop() const {
  const absl::Duration silence = heartbeat_.Silence();
  if (silence <= longest_turn_) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("provisioner: its loop has not turned for ",
                   FormatGoDuration(absl::Trunc(silence, absl::Seconds(1)))));
}

void ProvisionerHealth::OnTurn(const absl::Status& index) {
  heartbeat_.Beat();
  readiness_.Set("index", index);
}

void ProvisionerHealth::OnListed(const absl::Status& status) {
  if (status.ok()) was_listed_ = true;
  // Once known they are known: what pods get does not depend on the API.
  if (status.ok() || !was_listed_) readiness_.Set("dynakubes", status);
}

}  // namespace oneagent
