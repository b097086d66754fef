#include "csi/node_service.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/call_deadline.h"
#include "base/duration.h"
#include "base/failpoint.h"
#include "base/text.h"
#include "csi/grpc_status.h"
#include "csi/publish_message.h"
#include "csi/volume_request.h"
#include "proto/csi.grpc.pb.h"

namespace oneagent {
namespace {

using ::csi::v1::NodeServiceCapability;
using ::csi::v1::VolumeUsage;

// Kubelet gives each call two minutes; who gives none gets as much.
constexpr absl::Duration kDefaultDeadline = absl::Minutes(2);
// A call that cannot be begun in time is answered this long before its
// deadline, so that the caller reads why.
constexpr absl::Duration kAnswerMargin = absl::Milliseconds(500);
// Of one logged value: everything in a request may be hostile, and long.
constexpr size_t kMostLogged = 512;

// What is logged of a call that found no turn.
constexpr char kNotBegun[] = "not begun";

absl::Time QueueDeadline(const grpc::CallbackServerContext& context) {
  using SystemTime = std::chrono::system_clock::time_point;
  const SystemTime given = context.deadline();
  const absl::Time now = absl::Now();
  const absl::Time deadline = given == SystemTime::max()
                                  ? now + kDefaultDeadline
                                  : absl::FromChrono(given);
  return deadline - std::min(kAnswerMargin, (deadline - now) / 10);
}

// Whoever counts calls of one kind; null: nobody does.
using Counter = void (MounterMetrics::*)(const std::string& result, Cause cause,
                                         absl::Duration duration);

// One call: what is logged and counted of it, and its answer. Copyable, so
// that it can wait in a queue.
class Call {
 public:
  Call(LogMessage name, grpc::CallbackServerContext* context,
       const NodeServiceParts& parts, Counter counter = nullptr)
      : name_(name),
        log_(&parts.log),
        metrics_(&parts.metrics),
        counter_(counter),
        context_(context),
        reactor_(context->DefaultReactor()),
        start_(std::chrono::steady_clock::now()) {}

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }
  absl::Time queue_deadline() const { return QueueDeadline(*context_); }
  bool is_abandoned() const { return context_->IsCancelled(); }
  absl::Duration Age() const {
    return absl::FromChrono(
        std::chrono::duration_cast<std::chrono::microseconds>(
            std::chrono::steady_clock::now() - start_));
  }

  // Only what is named here is ever logged: a volume context may carry tokens.
  void Add(const char* key, absl::string_view value) {
    if (!value.empty()) {
      fields_.emplace_back(key, CutText(value, kMostLogged));
    }
  }

  void AddOrigin(absl::string_view pod, absl::string_view namespace_name,
                 absl::string_view dynakube) {
    Add("pod", pod);
    Add("namespace", namespace_name);
    Add("dynakube", dynakube);
  }

  // Answers, logs and counts. The context is gone after it.
  void Finish(const absl::Status& status, absl::string_view outcome = "") {
    AddEnd(status, outcome);
    if (status.ok()) {
      log_->Info(name_, fields_);
    } else {
      log_->Warning(name_, fields_);
    }
    reactor_->Finish(ToGrpcStatus(status));
  }

  void FinishPublish(const absl::StatusOr<PublishResult>& result) {
    if (!result.ok()) return Finish(result.status(), "failed");
    Add("agent", result->agent_id);
    Add("reason", result->reason);
    cause_ = result->cause;
    if (result->failures > 0) {
      Add("failures", absl::StrCat(result->failures));
      Add("waited",
          FormatGoDuration(absl::Trunc(result->waited, absl::Milliseconds(1))));
    }
    if (result->outcome != PublishOutcome::kEmpty) {
      return Finish(absl::OkStatus(), Name(result->outcome));
    }
    // kubelet is content; the pod's owner is not.
    AddEnd(absl::OkStatus(), Name(result->outcome));
    log_->Warning(name_, fields_);
    reactor_->Finish(grpc::Status::OK);
  }

  // As Finish with OK, for what is asked all the time.
  void FinishQuietly() {
    log_->Debug(name_, {{"code", "OK"}});
    reactor_->Finish(grpc::Status::OK);
  }

 private:
  void AddEnd(const absl::Status& status, absl::string_view outcome) {
    Add("outcome", outcome);
    const absl::Duration age = Age();
    fields_.emplace_back("duration", FormatGoDuration(age));
    fields_.emplace_back("code", absl::StatusCodeToString(status.code()));
    Add("error", status.message());
    Count(status, outcome, age);
  }

  void Count(const absl::Status& status, absl::string_view outcome,
             absl::Duration age) const {
    if (counter_ == nullptr) return;
    const std::string result = absl::IsInvalidArgument(status) ? kCallRefused
                               : outcome == kNotBegun          ? kCallNotBegun
                                                      : std::string(outcome);
    (metrics_->*counter_)(result, status.ok() ? cause_ : CauseOf(status), age);
  }

  LogMessage name_;
  const Log* log_;
  MounterMetrics* metrics_;
  Counter counter_;
  grpc::CallbackServerContext* context_;
  grpc::ServerUnaryReactor* reactor_;
  std::chrono::steady_clock::time_point start_;
  LogFields fields_;
  Cause cause_ = Cause::kNone;  // why a pod that was answered OK has no agent
};

void AddUsage(VolumeUsage::Unit unit, const VolumeFigures::Usage& figures,
              ::csi::v1::NodeGetVolumeStatsResponse* response) {
  VolumeUsage* const usage = response->add_usage();
  usage->set_unit(unit);
  usage->set_used(figures.used);
  usage->set_total(figures.total);
  usage->set_available(figures.available);
}

class NodeService final : public ::csi::v1::Node::CallbackService {
 public:
  explicit NodeService(NodeServiceParts parts) : parts_(std::move(parts)) {}

  grpc::ServerUnaryReactor* NodePublishVolume(
      grpc::CallbackServerContext* context,
      const ::csi::v1::NodePublishVolumeRequest* request,
      ::csi::v1::NodePublishVolumeResponse* /*response*/) override;
  grpc::ServerUnaryReactor* NodeUnpublishVolume(
      grpc::CallbackServerContext* context,
      const ::csi::v1::NodeUnpublishVolumeRequest* request,
      ::csi::v1::NodeUnpublishVolumeResponse* /*response*/) override;
  grpc::ServerUnaryReactor* NodeGetVolumeStats(
      grpc::CallbackServerContext* context,
      const ::csi::v1::NodeGetVolumeStatsRequest* request,
      ::csi::v1::NodeGetVolumeStatsResponse* response) override;

  grpc::ServerUnaryReactor* NodeGetCapabilities(
      grpc::CallbackServerContext* context,
      const ::csi::v1::NodeGetCapabilitiesRequest* /*request*/,
      ::csi::v1::NodeGetCapabilitiesResponse* response) override {
    for (const auto type : {NodeServiceCapability::RPC::GET_VOLUME_STATS,
                            NodeServiceCapability::RPC::VOLUME_CONDITION}) {
      response->add_capabilities()->mutable_rpc()->set_type(type);
    }
    Call call("NodeGetCapabilities", context, parts_);
    call.FinishQuietly();
    return call.reactor();
  }

  grpc::ServerUnaryReactor* NodeGetInfo(
      grpc::CallbackServerContext* context,
      const ::csi::v1::NodeGetInfoRequest* /*request*/,
      ::csi::v1::NodeGetInfoResponse* response) override {
    response->set_node_id(parts_.node_id);
    Call call("NodeGetInfo", context, parts_);
    call.Finish(absl::OkStatus());
    return call.reactor();
  }

  grpc::ServerUnaryReactor* NodeStageVolume(
      grpc::CallbackServerContext* context,
      const ::csi::v1::NodeStageVolumeRequest* /*request*/,
      ::csi::v1::NodeStageVolumeResponse* /*response*/) override {
    return Refuse("NodeStageVolume", context);
  }
  grpc::ServerUnaryReactor* NodeUnstageVolume(
      grpc::CallbackServerContext* context,
      const ::csi::v1::NodeUnstageVolumeRequest* /*request*/,
      ::csi::v1::NodeUnstageVolumeResponse* /*response*/) override {
    return Refuse("NodeUnstageVolume", context);
  }
  grpc::ServerUnaryReactor* NodeExpandVolume(
      grpc::CallbackServerContext* context,
      const ::csi::v1::NodeExpandVolumeRequest* /*request*/,
      ::csi::v1::NodeExpandVolumeResponse* /*response*/) override {
    return Refuse("NodeExpandVolume", context);
  }

 private:
  grpc::ServerUnaryReactor* Refuse(LogMessage name,
                                   grpc::CallbackServerContext* context) {
    Call call(name, context, parts_);
    call.Finish(absl::UnimplementedError(
        absl::StrCat(name.text(), " is not implemented by this driver")));
    return call.reactor();
  }

  // `missed` (may be empty) is called instead of `work` when the call found no
  // turn while its caller waited.
  void Enqueue(WorkQueue& queue, const std::string& key, Call call,
               std::function<void(Call&)> work,
               const std::function<void(const Call&)>& missed = {});

  const NodeServiceParts parts_;
};

// A caller that is gone before the work begins gets none done: it asks again,
// or for the opposite. Work that has begun is finished whatever happens to the
// caller (CSI: a dropped connection does not mean "cancelled").
void NodeService::Enqueue(WorkQueue& queue, const std::string& key, Call call,
                          std::function<void(Call&)> work,
                          const std::function<void(const Call&)>& missed) {
  const absl::Time deadline = call.queue_deadline();
  queue.Submit(
      {.key = key,
       .deadline = deadline,
       .run =
           [call, missed, deadline, work = std::move(work)]() mutable {
             if (call.is_abandoned()) {
               if (missed) missed(call);
               call.Finish(WithCause(absl::CancelledError("caller is gone"),
                                     Cause::kAbandoned),
                           kNotBegun);
               return;
             }
             Failpoint("node:begun");
             const CallDeadline wanted(deadline - absl::Now());
             work(call);
           },
       .expired =
           [call, missed, deadline, &queue]() mutable {
             if (absl::Now() < deadline) {
               call.Finish(
                   WithCause(absl::UnavailableError("mounter is shutting down"),
                             Cause::kShutdown),
                   kNotBegun);
               return;
             }
             if (missed) missed(call);
             call.Finish(
                 WithCause(absl::ResourceExhaustedError(absl::StrCat(
                               "no turn within the deadline: ", queue.running(),
                               " volume operations at work, ", queue.waiting(),
                               " waiting")),
                           Cause::kQueue),
                 kNotBegun);
           }});
}

grpc::ServerUnaryReactor* NodeService::NodePublishVolume(
    grpc::CallbackServerContext* context,
    const ::csi::v1::NodePublishVolumeRequest* request,
    ::csi::v1::NodePublishVolumeResponse* /*response*/) {
  Call call("NodePublishVolume", context, parts_, &MounterMetrics::OnPublish);
  call.Add("volume", request->volume_id());
  call.Add("target", request->target_path());
  const RawPublishRequest raw = RawOf(*request);
  const RequestOrigin origin = OriginOf(raw);
  call.AddOrigin(origin.pod, origin.namespace_name, origin.dynakube);
  absl::StatusOr<PublishRequest> parsed = ParsePublishRequest(raw);
  if (!parsed.ok()) {
    call.Finish(parsed.status());
    return call.reactor();
  }
  call.Add("mode", Name(parsed->mode));
  call.Add("ignored", parsed->ignored);
  Enqueue(
      parts_.volume_queue, parsed->volume_id, call,
      [this, publish = *parsed](Call& begun) {
        begun.FinishPublish(parts_.publisher.Publish(publish));
      },
      [this, id = parsed->volume_id](const Call& late) {
        parts_.book.NoteWaiting(id, late.Age());
      });
  return call.reactor();
}

grpc::ServerUnaryReactor* NodeService::NodeUnpublishVolume(
    grpc::CallbackServerContext* context,
    const ::csi::v1::NodeUnpublishVolumeRequest* request,
    ::csi::v1::NodeUnpublishVolumeResponse* /*response*/) {
  Call call("NodeUnpublishVolume", context, parts_,
            &MounterMetrics::OnUnpublish);
  const std::string& volume_id = request->volume_id();
  const std::string& target = request->target_path();
  call.Add("volume", volume_id);
  call.Add("target", target);
  const absl::Status checked = CheckUnpublishRequest(volume_id, target);
  if (!checked.ok()) {
    call.Finish(checked);
    return call.reactor();
  }
  Enqueue(parts_.volume_queue, volume_id, call,
          [this, volume_id, target](Call& begun) {
            const UnpublishResult result =
                parts_.unpublisher.Unpublish(volume_id, target);
            if (result.known) {
              begun.AddOrigin(result.known->pod, result.known->namespace_name,
                              result.known->dynakube);
            }
            begun.Finish(result.status,
                         result.status.ok() ? "unpublished" : "failed");
          });
  return call.reactor();
}

grpc::ServerUnaryReactor* NodeService::NodeGetVolumeStats(
    grpc::CallbackServerContext* context,
    const ::csi::v1::NodeGetVolumeStatsRequest* request,
    ::csi::v1::NodeGetVolumeStatsResponse* response) {
  Call call("NodeGetVolumeStats", context, parts_);
  const std::string& volume_id = request->volume_id();
  const std::string& path = request->volume_path();
  call.Add("volume", volume_id);
  call.Add("target", path);
  if (volume_id.empty() || path.empty()) {
    call.Finish(absl::InvalidArgumentError(
        volume_id.empty() ? "Volume ID missing in request"
                          : "Volume path missing in request"));
    return call.reactor();
  }
  Enqueue(parts_.stats_queue, volume_id, call,
          [this, volume_id, path, response](Call& begun) {
            const absl::StatusOr<VolumeFigures> figures =
                parts_.stats.Get(volume_id, path);
            if (!figures.ok()) {
              begun.Finish(figures.status());
              return;
            }
            AddUsage(VolumeUsage::BYTES, figures->bytes, response);
            AddUsage(VolumeUsage::INODES, figures->inodes, response);
            auto* const condition = response->mutable_volume_condition();
            condition->set_abnormal(figures->is_abnormal);
            condition->set_message(figures->condition);
            // Kubelet asks once a minute for each volume.
            begun.FinishQuietly();
          });
  return call.reactor();
}

}  // namespace

GrpcService NewNodeService(NodeServiceParts parts) {
  return GrpcService(new NodeService(std::move(parts)));
}

}  // namespace oneagent
