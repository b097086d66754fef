// One pod and its volume, played step by step against the mounter and held to
// the model. Not thread-safe; a step may use a second thread of its own.
#ifndef TESTS_SOAK_POD_LIFE_H_
#define TESTS_SOAK_POD_LIFE_H_

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/soak/journal.h"
#include "tests/soak/plan.h"
#include "tests/soak/version_book.h"
#include "tests/soak/volume_model.h"
#include "tests/soak/weather.h"
#include "tests/support/csi_client.h"

namespace oneagent {

// What all lives share; borrowed.
struct World {
  std::string kubelet_dir;
  std::string socket;
  Journal& journal;
  WeatherStation& weather;
  const VersionBook& versions;
};

class PodLife {
 public:
  // `world` and `client` are borrowed.
  PodLife(const World& world, TestCsiClient& client, LifePlan plan);

  bool is_over() const { return next_ == plan_.steps.size(); }
  // A call that failed is tried again no sooner.
  absl::Time not_before() const { return not_before_; }
  // One step, or one more try of it. `is_ending`: the pod is to go, by the
  // shortest way.
  void TakeStep(bool is_ending);

 private:
  void Note(absl::string_view text) { story_.push_back(journal_.Line(text)); }
  void Require(const std::string& verdict);
  CallRecord Call(absl::string_view what, bool is_hasty,
                  const std::function<absl::Status()>& call);
  absl::Status SendPublish() { return client_.Publish(call_); }
  absl::Status SendUnpublish() {
    return client_.Unpublish(call_.volume_id, call_.target_path);
  }

  absl::Status SendHastily(const char* path, const std::string& message);

  // Each goes on to the next step when it is done with its own.
  void Publish(bool is_ending);
  void PublishTwice(bool is_ending);
  void PublishHastily();
  void Look();
  void Write();
  void GetStats();
  void Race();
  void Unpublish(bool is_hasty);
  void UnpublishTwice();

  void TryAgainLater(bool is_ending);
  void SkipToUnpublish();
  void BeginUnpublish();
  void EndUnpublish(bool ok);
  // As kubelet does once the volume is gone.
  void RemovePodDirs();

  void LookAtAgent();
  void LookAtLogs();
  void WriteAgent();
  void WriteAnything();
  void TryToWriteReadOnly();
  std::string Path(absl::string_view relative) const;

  const World& world_;
  Journal& journal_;
  TestCsiClient& client_;
  const LifePlan plan_;
  CsiPublishCall call_;
  VolumeModel model_;
  Story story_;
  size_t next_ = 0;
  absl::Time born_;
  absl::Time not_before_ = absl::InfinitePast();
  // Something was wrong with it: what follows from that is not told again.
  bool is_disowned_ = false;
  absl::Time unpublishing_since_ = absl::InfiniteFuture();
  // What this pod has written; kUnknown after a full disk.
  enum class Written { kNothing, kOwn, kUnknown };
  Written sample_ = Written::kNothing;
  Written log_ = Written::kNothing;
};

}  // namespace oneagent

#endif  // TESTS_SOAK_POD_LIFE_H_
