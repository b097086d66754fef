#include "tests/support/publish_burst.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/http2_frames.h"

namespace oneagent {
namespace {

bool IsOk(const Http2Answer& answer) {
  const auto status = answer.headers.find("grpc-status");
  return status != answer.headers.end() && status->second == "0";
}

// One call on a connection of its own.
absl::Duration TimeOf(const std::string& socket_path, const char* path,
                      std::vector<std::string>& failures) {
  const absl::Time begin = absl::Now();
  Http2Connection connection(socket_path);
  connection.Send(
      absl::StrCat(ClientPreface(), GrpcRequest(1, {.path = path})));
  if (!IsOk(connection.Await(1))) failures.emplace_back(path);
  return absl::Now() - begin;
}

}  // namespace

BurstResult ProbeWhilePublishing(const std::string& socket_path,
                                 const std::vector<CsiPublishCall>& calls) {
  BurstResult result;
  std::vector<Http2Connection> pods;
  for (size_t i = 0; i < calls.size(); ++i) {
    pods.emplace_back(socket_path);
    pods.back().Send(ClientPreface());
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    pods[i].Send(GrpcRequest(
        1, {.path = kPublishPath, .message = SerializedPublish(calls[i])}));
  }
  const auto is_answered = [](Http2Connection& pod) { return pod.Poll(1); };
  while (!std::all_of(pods.begin(), pods.end(), is_answered)) {
    result.probes.push_back(TimeOf(socket_path, kProbePath, result.failures));
    result.capabilities.push_back(
        TimeOf(socket_path, kNodeCapabilitiesPath, result.failures));
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    if (!IsOk(pods[i].Await(1))) result.failures.push_back(calls[i].volume_id);
  }
  std::sort(result.probes.begin(), result.probes.end());
  std::sort(result.capabilities.begin(), result.capabilities.end());
  return result;
}

}  // namespace oneagent
