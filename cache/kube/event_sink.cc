#include "cache/kube/event_sink.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/event.pb.h"
#include "proto/json.h"

namespace oneagent {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr char kCreate[] = "create";
constexpr char kPatch[] = "patch";

ApiResource EventsIn(const std::string& namespace_name,
                     const std::string& name = "") {
  return {.group = "events.k8s.io",
          .version = "v1",
          .resource = "events",
          .namespace_name = namespace_name,
          .name = name};
}

// A DNS-1123 label. Of anything else the server makes another path.
bool IsNamespaceName(absl::string_view name) {
  return !name.empty() && name.size() <= 63 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
                  c == '-';
         });
}

// A namespace that is being deleted takes nothing new, and says so as a 403.
bool IsTerminating(const ApiAnswer& answer) {
  v1::Refusal refusal;
  if (!ParseJson(answer.body, &refusal).ok()) return false;
  for (const v1::RefusalCause& cause : refusal.details().causes()) {
    if (cause.reason() == "NamespaceTerminating") return true;
  }
  return false;
}

EventAnswer Send(ApiClient& client, absl::string_view verb,
                 const ApiResource& event, const ApiRequest& request) {
  const absl::StatusOr<ApiAnswer> answer = client.Call(request);
  if (answer.ok()) return JudgeEventAnswer(verb, event, *answer);
  return {.kind = EventAnswer::Kind::kNoAnswer, .status = answer.status()};
}

}  // namespace

EventAnswer JudgeEventAnswer(absl::string_view verb, const ApiResource& event,
                             const ApiAnswer& answer) {
  using Kind = EventAnswer::Kind;
  absl::Status status = ApiError(verb, event, answer);
  if (status.ok()) return {.kind = Kind::kTaken, .status = absl::OkStatus()};
  const bool is_create = verb == kCreate;
  switch (answer.code) {
    case 409:
      if (is_create) return {.kind = Kind::kTaken, .status = absl::OkStatus()};
      return {.kind = Kind::kNotNow, .status = std::move(status)};
    case 404:
      return {.kind = is_create ? Kind::kNever : Kind::kNoSuchEvent,
              .status = std::move(status)};
    case 403:
      return {.kind = IsTerminating(answer) ? Kind::kNever : Kind::kNotNow,
              .status = std::move(status)};
    case 400:
    case 413:
    case 422:
      return {.kind = Kind::kNever, .status = std::move(status)};
    default:
      return {.kind = Kind::kNotNow, .status = std::move(status)};
  }
}

ApiEventSink::ApiEventSink(ApiClient& client, std::string instance)
    : client_(client), instance_(std::move(instance)) {}

EventAnswer ApiEventSink::Create(const KubeEvent& event, int32_t count,
                                 absl::Time last) {
  const ApiResource events = EventsIn(event.regarding.namespace_name);
  if (!IsNamespaceName(events.namespace_name)) {
    return {.kind = EventAnswer::Kind::kNever,
            .status = absl::InvalidArgumentError(
                absl::StrCat("create events: no name of a namespace: ",
                             absl::CHexEscape(events.namespace_name)))};
  }
  return Send(client_, kCreate, events,
              {.method = "POST",
               .path = events.Path(),
               .body = EventBody(event, instance_, count, last),
               .timeout = kTimeout});
}

EventAnswer ApiEventSink::PatchSeries(const std::string& namespace_name,
                                      const std::string& name, int32_t count,
                                      absl::Time last) {
  const ApiResource event = EventsIn(namespace_name, name);
  return Send(client_, kPatch, event,
              {.method = "PATCH",
               .path = event.Path(),
               .body = SeriesBody(count, last),
               .content_type = "application/merge-patch+json",
               .timeout = kTimeout});
}

}  // namespace oneagent
