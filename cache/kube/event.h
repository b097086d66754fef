// Events on Kubernetes objects: what users read in `kubectl describe`. As
// events.k8s.io/v1 takes them. Pure.
//
// An Event lies in the namespace of the object that it is about, and carries
// the object's uid: by these two kubectl finds it.
#ifndef CACHE_KUBE_EVENT_H_
#define CACHE_KUBE_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

inline constexpr char kEventController[] = "csi.oneagent.dynatrace.com";
// In bytes, as the server checks them.
inline constexpr size_t kMaxEventNote = 1024;
inline constexpr size_t kMaxEventInstance = 128;

struct EventSubject {
  std::string api_version = {};
  std::string kind = {};
  std::string namespace_name = {};
  std::string name = {};
  std::string uid = {};

  bool operator==(const EventSubject&) const = default;
};

enum class EventType { kNormal, kWarning };

// Something that happened to `regarding`.
struct KubeEvent {
  // Tells this occurrence apart from every other one, also after a restart:
  // an Event that is written twice gets the same name twice.
  std::string occurrence = {};
  EventSubject regarding = {};
  EventType type = EventType::kNormal;
  std::string reason = {};  // "AgentInstalled"
  std::string action = {};  // "Install"
  std::string note = {};
  absl::Time at = absl::InfinitePast();

  bool operator==(const KubeEvent&) const = default;
};

// "<object>.<16 hex digits>", a name as Kubernetes takes it.
std::string EventName(const KubeEvent& event);

// The body of a POST. A note that is longer is cut, and what is not printable
// is replaced; `instance` is the node. A `count` of 2 or more makes it a series
// whose last occurrence was at `last`.
std::string EventBody(const KubeEvent& event, absl::string_view instance,
                      int32_t count, absl::Time last);
// The body of a PATCH (application/merge-patch+json).
std::string SeriesBody(int32_t count, absl::Time last);

}  // namespace oneagent

#endif  // CACHE_KUBE_EVENT_H_
