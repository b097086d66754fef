#include "cache/kube/event.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "proto/event.pb.h"
#include "proto/json.h"

namespace oneagent {
namespace {

// With ".", and 16 digits, 253: the longest name that there is.
constexpr size_t kMaxSubjectName = 236;
constexpr char kCut[] = "...";

// Kubernetes' MicroTime: exactly six digits, which its own parser insists on.
std::string MicroTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

const char* Name(EventType type) {
  switch (type) {
    case EventType::kNormal:
      return "Normal";
    case EventType::kWarning:
      return "Warning";
  }
  return "";
}

// Control characters, and what is not ASCII, become '?': a reason may hold
// whatever a file name or a server's answer held, and JSON wants UTF-8.
std::string Printable(absl::string_view text, size_t limit) {
  std::string out;
  for (const char c : text) {
    out.push_back(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?');
  }
  if (out.size() <= limit) return out;
  out.resize(limit - (sizeof(kCut) - 1));
  return out + kCut;
}

void FillSeries(int32_t count, absl::Time last, v1::EventSeries* series) {
  series->set_count(count);
  series->set_last_observed_time(MicroTime(last));
}

}  // namespace

std::string EventName(const KubeEvent& event) {
  std::string name = event.regarding.name.substr(0, kMaxSubjectName);
  while (!name.empty() &&
         !absl::ascii_isalnum(static_cast<unsigned char>(name.back()))) {
    name.pop_back();
  }
  return absl::StrCat(name, ".", Sha256Hex(event.occurrence).substr(0, 16));
}

std::string EventBody(const KubeEvent& event, absl::string_view instance,
                      int32_t count, absl::Time last) {
  v1::Event body;
  body.set_api_version("events.k8s.io/v1");
  body.set_kind("Event");
  body.mutable_metadata()->set_name(EventName(event));
  body.mutable_metadata()->set_namespace_(event.regarding.namespace_name);
  body.set_event_time(MicroTime(event.at));
  if (count > 1) FillSeries(count, last, body.mutable_series());
  body.set_reporting_controller(kEventController);
  body.set_reporting_instance(Printable(instance, kMaxEventInstance));
  body.set_action(event.action);
  body.set_reason(event.reason);
  v1::ObjectReference& regarding = *body.mutable_regarding();
  regarding.set_api_version(event.regarding.api_version);
  regarding.set_kind(event.regarding.kind);
  regarding.set_namespace_(event.regarding.namespace_name);
  regarding.set_name(event.regarding.name);
  regarding.set_uid(event.regarding.uid);
  body.set_note(Printable(event.note, kMaxEventNote));
  body.set_type(Name(event.type));
  return PrintJson(body);
}

std::string SeriesBody(int32_t count, absl::Time last) {
  v1::EventPatch body;
  FillSeries(count, last, body.mutable_series());
  return PrintJson(body);
}

}  // namespace oneagent
