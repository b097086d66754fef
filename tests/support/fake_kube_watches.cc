// The watches of FakeKubeApi: what is sent on them, and when they end.
#include <httplib.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/fake_kube_api.h"
#include "tests/support/fake_kube_text.h"

namespace oneagent {

void FakeKubeApi::SendBookmarks() {
  MutexLock lock(mu_);
  for (const auto& watch : watches_) {
    if (!watch->wants_bookmarks) continue;
    absl::StrAppend(
        &watch->raw,
        EventLine("BOOKMARK",
                  absl::StrCat("{\"metadata\":{\"resourceVersion\":\"",
                               version_, "\",\"creationTimestamp\":null}}")));
  }
  changed_.NotifyAll();
}

void FakeKubeApi::SendRaw(const std::string& bytes) {
  MutexLock lock(mu_);
  for (const auto& watch : watches_) watch->raw += bytes;
  changed_.NotifyAll();
}

void FakeKubeApi::AwaitRawSent() {
  MutexLock lock(mu_);
  while (std::any_of(watches_.begin(), watches_.end(),
                     [](const auto& watch) { return !watch->raw.empty(); })) {
    changed_.Wait(mu_);
  }
}

void FakeKubeApi::CutWatches() {
  MutexLock lock(mu_);
  for (const auto& watch : watches_) watch->cut = true;
  changed_.NotifyAll();
}

int FakeKubeApi::CountWatches(absl::string_view part) const {
  MutexLock lock(mu_);
  return static_cast<int>(std::count_if(
      requests_.begin(), requests_.end(), [&](const KubeRequest& request) {
        return absl::StrContains(request.target, "watch=true") &&
               absl::StrContains(request.target, part);
      }));
}

int FakeKubeApi::OpenWatches(absl::string_view part) const {
  MutexLock lock(mu_);
  return static_cast<int>(
      std::count_if(watches_.begin(), watches_.end(), [&](const auto& watch) {
        return absl::StrContains(watch->target, part);
      }));
}

void FakeKubeApi::StartWatch(const httplib::Request& request, const Turn& turn,
                             httplib::Response& response) {
  auto watch = std::make_shared<Watch>();
  watch->target = request.target;
  watch->collection = WithoutVersion(request.path);
  watch->name = WantedName(request);
  watch->version = IntParam(request, "resourceVersion");
  watch->wants_bookmarks =
      request.get_param_value("allowWatchBookmarks") == "true";
  watch->end = absl::Now() + absl::Seconds(IntParam(request, "timeoutSeconds"));
  bool is_expired = false;
  {
    MutexLock lock(mu_);
    is_expired = watch->version < oldest_;
    if (!is_expired) watches_.push_back(watch);
  }
  if (is_expired) {
    return Refuse(410, "Expired", "too old resource version", turn, response);
  }
  const auto left = std::make_shared<int64_t>(
      turn.is_faulty ? turn.fault.after_bytes : INT64_MAX);
  response.status = 200;
  response.set_chunked_content_provider(
      "application/json",
      [this, watch, left, kind = turn.fault.kind](size_t,
                                                  httplib::DataSink& sink) {
        std::string bytes;
        bool is_cut = false;
        const bool goes_on = *left == 0 || NextBytes(*watch, &bytes, &is_cut);
        const auto fits = std::min(static_cast<int64_t>(bytes.size()), *left);
        if (fits > 0) sink.write(bytes.data(), static_cast<size_t>(fits));
        *left -= fits;
        if (*left == 0) {
          if (kind == KubeFault::Kind::kStall) WaitForEnd();
          return false;
        }
        if (is_cut) return false;
        if (!goes_on) sink.done();
        return true;
      },
      [this, watch](bool) {
        MutexLock lock(mu_);
        watches_.erase(std::remove(watches_.begin(), watches_.end(), watch),
                       watches_.end());
      });
}

bool FakeKubeApi::NextBytes(Watch& watch, std::string* bytes, bool* is_cut) {
  MutexLock lock(mu_);
  for (;;) {
    for (const Event& event : events_) {
      if (event.version <= watch.version ||
          event.collection != watch.collection ||
          (!watch.name.empty() && event.name != watch.name)) {
        continue;
      }
      *bytes += event.line;
    }
    watch.version = std::max(watch.version, version_);
    if (!watch.raw.empty()) changed_.NotifyAll();
    *bytes += std::exchange(watch.raw, "");
    *is_cut = watch.cut || stopping_;
    if (!bytes->empty() || *is_cut) return true;
    const absl::Duration left = watch.end - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(mu_, left);
  }
}

}  // namespace oneagent
