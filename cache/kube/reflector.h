// Keeps a collection as the API server has it: a list, in pages, then a watch
// from the list's version on, which is begun again wherever it ended, for ever.
//
//   410 Gone, as an answer or an event: a fresh list
//   a stream that is cut or stalls: the watch again, from the last version
//   a stream that is garbled: the same; a fresh list when that does not help
//   429 and other refusals, no answer: later, with a growing delay and jitter,
//       not before Retry-After
//   a stream that is silent: found dead by its own deadline (timeoutSeconds
//       and a margin), and earlier once bookmarks have come and do no more
//
// Whatever happens, the collection keeps what it last had. Lives on the
// client's thread.
#ifndef CACHE_KUBE_REFLECTOR_H_
#define CACHE_KUBE_REFLECTOR_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cache/kube/api_client.h"
#include "cache/kube/collection.h"
#include "cache/kube/watch_decoder.h"

namespace oneagent {

struct ReflectorTiming {
  absl::Duration first_delay = absl::Seconds(1);  // doubling
  absl::Duration longest_delay = absl::Seconds(30);
  absl::Duration longest_retry_after = absl::Minutes(10);
  // What a stream may outlive its timeoutSeconds.
  absl::Duration margin = absl::Seconds(30);
  // Bookmarks come once a minute.
  absl::Duration longest_silence = absl::Minutes(3);
  // A crowd that is let go at once comes back over this time.
  absl::Duration crowd_jitter = absl::Seconds(1);
  // A stream that ends sooner and brought nothing is a failure.
  absl::Duration shortest_stream = absl::Seconds(5);
};

class Reflector {
 public:
  struct Options {
    // With a name: this object alone, whether it is there or not, by a field
    // selector.
    ApiResource resource;
    ReflectorTiming timing = {};
    // timeoutSeconds of the next watch; jitter is added.
    std::function<absl::Duration()> watch_time;
    // The collection, or health(), may not be as it was. May restart the
    // reflector, but not end it.
    std::function<void()> on_change;
    // While true nothing is tried again: whoever knows better calls Retry.
    std::function<bool()> is_held = [] { return false; };
  };
  // Client and collection are borrowed and must outlive it.
  Reflector(ApiClient& client, Collection& collection, Options options);
  ~Reflector();
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  void Start() { StartList(); }
  // From now on another version of the same objects; what is there stays until
  // the list is complete.
  void Restart(std::string version);
  // Ends a delay that is running, but for what keeps a crowd apart.
  void Retry();

  // The collection has been the server's, once.
  bool HasList() const { return has_list_; }
  // OK unless the last attempt to list or watch failed; then how the first of
  // these attempts in a row did. NotFound: no such resource.
  const absl::Status& health() const { return health_; }
  absl::Time failing_since() const { return failing_since_; }
  const ApiResource& resource() const { return options_.resource; }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  enum class Next { kList, kWatch };

  void StartList();
  void AskForPage(const std::string& continue_token);
  void OnPage(const absl::StatusOr<ApiAnswer>& answer, bool is_first);
  void StartWatch();
  void OnOpen();
  bool OnBytes(absl::string_view bytes);
  // False when the stream is of no use any more.
  bool OnEvent(const WatchEvent& event);
  void OnWatchEnd(const absl::StatusOr<ApiAnswer>& answer);
  void CheckSilence();
  void Relist();
  void Resume(bool is_broken);
  void Fail(const absl::Status& status, absl::Duration retry_after);
  void Recovered();
  void Wait(absl::Duration delay);
  void OnWaited();
  void Stop();
  absl::Duration Backoff();
  std::vector<std::pair<std::string, std::string>> Selector() const;

  ApiClient& client_;
  Collection& collection_;
  Options options_;
  absl::BitGen random_;

  bool has_list_ = false;
  absl::Status health_;
  absl::Time failing_since_ = absl::InfiniteFuture();
  std::string version_;        // what the collection is as of
  int failures_ = 0;           // in a row
  int relists_ = 0;            // for 410, in a row
  int early_ends_ = 0;         // of streams without progress, in a row
  bool is_told_when_ = false;  // the delay is the server's Retry-After
  Next next_ = Next::kList;
  ApiClient::Id exchange_ = 0;
  ApiClient::Id timer_ = 0;    // of the delay
  ApiClient::Id silence_ = 0;  // of CheckSilence
  int pages_ = 0;

  // Of the stream that is open.
  WatchDecoder decoder_;
  bool is_open_ = false;
  bool has_progress_ = false;
  bool has_bookmarks_ = false;
  bool is_gone_ = false;  // an ERROR event with 410
  absl::Status broken_;   // garbled, or another ERROR event
  SteadyTime opened_at_;
  SteadyTime heard_at_;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_REFLECTOR_H_
