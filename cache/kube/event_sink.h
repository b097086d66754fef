// Where Events go: the port, and the API server behind it. Thread-safe.
#ifndef CACHE_KUBE_EVENT_SINK_H_
#define CACHE_KUBE_EVENT_SINK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cache/kube/api_client.h"
#include "cache/kube/api_request.h"
#include "cache/kube/event.h"

namespace oneagent {

struct EventAnswer {
  enum class Kind {
    kTaken,        // it is there now, or was before (the same Event twice)
    kNoSuchEvent,  // of a series: its Event is there no more
    kNever,    // the server will not take it: its namespace is gone or going,
               // or it finds fault with the Event
    kNotNow,   // refused for now (401, 403, 409, 429, 5xx)
    kNoAnswer  // nobody was reached
  };
  Kind kind = Kind::kNoAnswer;
  absl::Status status;  // why; OK when it was taken
};

class EventSink {
 public:
  virtual ~EventSink() = default;

  // An Event of this many occurrences (EventBody).
  virtual EventAnswer Create(const KubeEvent& event, int32_t count,
                             absl::Time last) = 0;
  // What is there occurred again (SeriesBody).
  virtual EventAnswer PatchSeries(const std::string& namespace_name,
                                  const std::string& name, int32_t count,
                                  absl::Time last) = 0;
};

class ApiEventSink final : public EventSink {
 public:
  // `client` is borrowed; `instance` is the node's name.
  ApiEventSink(ApiClient& client, std::string instance);

  EventAnswer Create(const KubeEvent& event, int32_t count,
                     absl::Time last) override;
  EventAnswer PatchSeries(const std::string& namespace_name,
                          const std::string& name, int32_t count,
                          absl::Time last) override;

 private:
  ApiClient& client_;
  const std::string instance_;
};

// What an answer to a create or patch means. Pure.
EventAnswer JudgeEventAnswer(absl::string_view verb, const ApiResource& event,
                             const ApiAnswer& answer);

}  // namespace oneagent

#endif  // CACHE_KUBE_EVENT_SINK_H_
