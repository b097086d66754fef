// The body of a watch, piece by piece: one JSON object a line. Pure; used by
// one thread at a time; anything may be in it.
#ifndef CACHE_KUBE_WATCH_DECODER_H_
#define CACHE_KUBE_WATCH_DECODER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace oneagent {

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kError;
  std::string name;              // of the object; a bookmark has none
  std::string resource_version;  // never empty but for kError
  int code = 0;                  // HTTP's, of a kError, as the next two
  std::string reason;
  std::string message;
  std::string line;  // the whole line, for the object in it; no value of it
                     // is in any other field but names
};

class WatchDecoder {
 public:
  // An object is at most 1.5 MiB in etcd, as Protobuf or JSON; as a line it may
  // be longer.
  static constexpr size_t kMaxLine = 8 << 20;

  // All events that are complete with these bytes. Errors: InvalidArgument for
  // a line that is no event, ResourceExhausted for one that is too long. What
  // came before it in the same piece is in `events` all the same; after an
  // error the decoder takes nothing more.
  absl::Status Feed(absl::string_view bytes, std::vector<WatchEvent>* events);

 private:
  std::string partial_;  // of the line that is not complete
  absl::Status broken_;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_WATCH_DECODER_H_
