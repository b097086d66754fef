#include "tests/soak/pod_life.h"

#include <errno.h>
#include <unistd.h>

#include <future>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/duration.h"
#include "tests/soak/hasty_call.h"
#include "tests/support/http2_frames.h"

namespace oneagent {
namespace {

constexpr char kVolumeName[] = "oneagent-bin";
constexpr absl::Duration kPause = absl::Milliseconds(30);
// Of one volume, whatever happens to the node meanwhile.
constexpr absl::Duration kLongestUnpublish = absl::Minutes(1);

CsiPublishCall CallOf(const std::string& kubelet_dir, const LifePlan& plan) {
  std::map<std::string, std::string> attributes = {
      {"mode", plan.is_host ? "host" : "app"},
      {"dynakube", plan.dynakube},
      {"retryTimeout", FormatGoDuration(plan.retry_timeout)}};
  if (plan.has_pod_layer && !plan.is_host) {
    attributes["conf.general.podName"] = plan.pod;
  }
  CsiPublishCall call =
      KubeletPublishCall(kubelet_dir,
                         {.name = plan.pod,
                          .namespace_name = "soak",
                          .uid = absl::StrCat("uid-", plan.pod)},
                         kVolumeName, attributes);
  call.read_only = plan.read_only;
  return call;
}

}  // namespace

PodLife::PodLife(const World& world, TestCsiClient& client, LifePlan plan)
    : world_(world),
      journal_(world.journal),
      client_(client),
      plan_(std::move(plan)),
      call_(CallOf(world.kubelet_dir, plan_)),
      model_(plan_, world.versions),
      born_(absl::Now()) {
  Note(absl::StrCat("pod ", plan_.pod, ", volume ", call_.volume_id,
                    ", DynaKube ", plan_.dynakube,
                    plan_.is_host ? ", mode host" : "",
                    plan_.read_only ? ", read-only" : "", ", retryTimeout ",
                    FormatGoDuration(plan_.retry_timeout)));
}

std::string PodLife::Path(absl::string_view relative) const {
  return absl::StrCat(call_.target_path, "/", relative);
}

void PodLife::Require(const std::string& verdict) {
  if (verdict.empty() || is_disowned_) return;
  is_disowned_ = true;
  journal_.Violate(absl::StrCat("pod ", plan_.pod, ": ", verdict), story_);
}

CallRecord PodLife::Call(absl::string_view what, bool is_hasty,
                         const std::function<absl::Status()>& call) {
  journal_.CountOperation();
  CallRecord record;
  record.is_hasty = is_hasty;
  record.before = world_.weather.Now();
  record.begin = absl::Now();
  record.status = call();
  record.end = absl::Now();
  record.after = world_.weather.Now();
  journal_.Tally(
      absl::StrCat(what, ": ", absl::StatusCodeToString(record.status.code())));
  return record;
}

void PodLife::TakeStep(bool is_ending) {
  if (is_ending) SkipToUnpublish();
  switch (plan_.steps[next_]) {
    case Step::kPublish:
      return Publish(is_ending);
    case Step::kPublishTwice:
      return PublishTwice(is_ending);
    case Step::kPublishHasty:
      return PublishHastily();
    case Step::kLook:
      return Look();
    case Step::kWrite:
      return Write();
    case Step::kStats:
      return GetStats();
    case Step::kRace:
      return Race();
    case Step::kUnpublishHasty:
      return Unpublish(/*is_hasty=*/true);
    case Step::kUnpublishTwice:
      return UnpublishTwice();
    case Step::kUnpublish:
      return Unpublish(/*is_hasty=*/false);
  }
}

absl::Status PodLife::SendHastily(const char* path,
                                  const std::string& message) {
  return CallAndLeave({.socket_path = world_.socket,
                       .path = path,
                       .message = message,
                       .haste = plan_.haste,
                       .says_haste = plan_.says_haste});
}

void PodLife::TryAgainLater(bool is_ending) {
  not_before_ = absl::Now() + kPause;
  if (is_ending || absl::Now() > born_ + plan_.patience) SkipToUnpublish();
}

// Every plan ends with it.
void PodLife::SkipToUnpublish() {
  while (plan_.steps[next_] != Step::kUnpublish &&
         plan_.steps[next_] != Step::kUnpublishTwice) {
    ++next_;
  }
}

void PodLife::Publish(bool is_ending) {
  world_.weather.WaitForMounter();
  MakeKubeletDirs(call_.target_path);
  model_.BeginPublish(world_.weather.Now());
  const CallRecord call =
      Call("publish", /*is_hasty=*/false, [this] { return SendPublish(); });
  const TargetView view = LookAt(call_.target_path);
  Note(absl::StrCat("publish: ", call.status.ToString(), "; ", Describe(view)));
  Require(model_.JudgePublish(call, view));
  if (!call.status.ok()) return TryAgainLater(is_ending);
  journal_.Tally(absl::StrCat("shown: ", Name(view.kind)));
  ++next_;
}

void PodLife::PublishTwice(bool is_ending) {
  world_.weather.WaitForMounter();
  MakeKubeletDirs(call_.target_path);
  model_.BeginPublish(world_.weather.Now());
  const auto publish = [this] {
    return Call("publish", /*is_hasty=*/false,
                [this] { return SendPublish(); });
  };
  std::future<CallRecord> other = std::async(std::launch::async, publish);
  const CallRecord one = publish();
  const CallRecord two = other.get();
  const TargetView view = LookAt(call_.target_path);
  Note(absl::StrCat("publish twice: ", one.status.ToString(), " and ",
                    two.status.ToString(), "; ", Describe(view)));
  // The one that was refused came first.
  const bool one_first = !one.status.ok();
  Require(model_.JudgePublish(one_first ? one : two, view));
  Require(model_.JudgePublish(one_first ? two : one, view));
  if (!one.status.ok() || !two.status.ok()) return TryAgainLater(is_ending);
  ++next_;
}

void PodLife::PublishHastily() {
  MakeKubeletDirs(call_.target_path);
  model_.BeginPublish(world_.weather.Now(), /*is_hasty=*/true);
  const CallRecord call = Call("hasty publish", /*is_hasty=*/true, [this] {
    return SendHastily(kPublishPath, SerializedPublish(call_));
  });
  const TargetView view = LookAt(call_.target_path);
  Note(absl::StrCat("hasty publish: ", call.status.ToString(), "; ",
                    Describe(view)));
  Require(model_.JudgePublish(call, view));
  ++next_;
}

void PodLife::GetStats() {
  absl::StatusOr<CsiVolumeStats> stats;
  const CallRecord call = Call("stats", /*is_hasty=*/false, [&] {
    stats = client_.GetVolumeStats(call_.volume_id, call_.target_path);
    return stats.status();
  });
  Note(absl::StrCat("stats: ", call.status.ToString()));
  ++next_;
  if (model_.state() != VolumeModel::State::kShown || call.IsCut()) return;
  if (!call.status.ok()) {
    if (!IsCalm(call.before, call.after)) return;
    return Require(absl::StrCat("stats: ", call.status.ToString()));
  }
  const bool is_empty = model_.shown().kind == TargetView::Kind::kEmpty;
  if (stats->is_abnormal != is_empty && IsCalm(call.before, call.after)) {
    Require(absl::StrCat("stats say ", is_empty ? "healthy" : "abnormal", ": ",
                         stats->condition));
  }
}

// Either may come first; both must be answered.
void PodLife::Race() {
  MakeKubeletDirs(call_.target_path);
  model_.BeginPublish(world_.weather.Now());
  model_.BeginUnpublish();
  std::future<CallRecord> publish = std::async(std::launch::async, [this] {
    return Call("racing publish", false, [this] { return SendPublish(); });
  });
  const CallRecord unpublish =
      Call("racing unpublish", false, [this] { return SendUnpublish(); });
  Note(absl::StrCat("race: publish ", publish.get().status.ToString(),
                    ", unpublish ", unpublish.status.ToString()));
  ++next_;
}

void PodLife::BeginUnpublish() {
  model_.BeginUnpublish();
  if (unpublishing_since_ == absl::InfiniteFuture()) {
    unpublishing_since_ = absl::Now();
  }
}

void PodLife::EndUnpublish(bool ok) {
  if (!ok) {
    not_before_ = absl::Now() + kPause;
    if (absl::Now() > unpublishing_since_ + kLongestUnpublish) {
      Require("is not unpublished in a minute");
    }
    return;
  }
  unpublishing_since_ = absl::InfiniteFuture();
  sample_ = Written::kNothing;
  log_ = Written::kNothing;
  ++next_;
  if (model_.has_stale_books()) next_ = plan_.steps.size();
  if (is_over()) RemovePodDirs();
}

void PodLife::Unpublish(bool is_hasty) {
  if (!is_hasty) world_.weather.WaitForMounter();
  BeginUnpublish();
  const CallRecord call =
      Call(is_hasty ? "hasty unpublish" : "unpublish", is_hasty, [&] {
        if (!is_hasty) return SendUnpublish();
        return SendHastily(
            kUnpublishPath,
            SerializedUnpublish(call_.volume_id, call_.target_path));
      });
  const TargetView view = LookAt(call_.target_path);
  Note(absl::StrCat(is_hasty ? "hasty " : "", "unpublish: ",
                    call.status.ToString(), "; ", Describe(view)));
  Require(model_.JudgeUnpublish(call, view));
  EndUnpublish(call.status.ok() || is_hasty);
}

void PodLife::UnpublishTwice() {
  world_.weather.WaitForMounter();
  BeginUnpublish();
  const auto unpublish = [this] {
    return Call("unpublish", false, [this] { return SendUnpublish(); });
  };
  std::future<CallRecord> other = std::async(std::launch::async, unpublish);
  const CallRecord one = unpublish();
  const CallRecord two = other.get();
  const TargetView view = LookAt(call_.target_path);
  Note(absl::StrCat("unpublish twice: ", one.status.ToString(), " and ",
                    two.status.ToString(), "; ", Describe(view)));
  Require(model_.JudgeUnpublish(one, view));
  Require(model_.JudgeUnpublish(two, view));
  EndUnpublish(one.status.ok() && two.status.ok());
}

void PodLife::RemovePodDirs() {
  // mount, oneagent-bin, kubernetes.io~csi, volumes, uid-…
  std::string path = call_.target_path;
  for (int left = 4; left > 0; --left) {
    path.erase(path.rfind('/'));
    if (rmdir(path.c_str()) != 0 && errno != ENOENT) {
      return Require(
          absl::StrCat("the pod cannot go: rmdir ", path, ": errno ", errno));
    }
  }
}

}  // namespace oneagent
