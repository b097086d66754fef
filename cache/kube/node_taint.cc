#include "cache/kube/node_taint.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "proto/json.h"
#include "proto/node.pb.h"

namespace oneagent {
namespace {

// Of the JSON value `text`, in a patch.
std::string Quoted(const std::string& text) {
  v1::Taint carrier;
  carrier.set_key(text);
  const std::string json = PrintJson(carrier);  // {"key": "…"}
  const size_t colon = json.find(':');
  const size_t first = json.find('"', colon);
  return json.substr(first, json.rfind('"') - first + 1);
}

}  // namespace

absl::StatusOr<std::string> TaintRemovalPatch(absl::string_view node_json,
                                              absl::string_view key) {
  v1::Node node;
  RETURN_IF_ERROR(Annotate(ParseJson(node_json, &node), "node"));
  std::vector<std::string> steps;
  // From the last to the first: a removal moves what follows it.
  for (int i = node.spec().taints_size() - 1; i >= 0; --i) {
    const v1::Taint& taint = node.spec().taints(i);
    if (taint.key() != key) continue;
    const std::string place = absl::StrCat("/spec/taints/", i);
    steps.push_back(absl::StrCat(R"({"op":"test","path":")", place,
                                 R"(/key","value":)", Quoted(taint.key()),
                                 "}"));
    steps.push_back(absl::StrCat(R"({"op":"test","path":")", place,
                                 R"(/effect","value":)", Quoted(taint.effect()),
                                 "}"));
    steps.push_back(absl::StrCat(R"({"op":"remove","path":")", place, R"("})"));
  }
  if (steps.empty()) return std::string();
  return absl::StrCat("[", absl::StrJoin(steps, ","), "]");
}

absl::Status RemoveTaint(ApiClient& client, const std::string& node,
                         const std::string& key) {
  const ApiResource resource = {.group = "",
                                .version = "v1",
                                .resource = "nodes",
                                .namespace_name = "",
                                .name = node};
  ASSIGN_OR_RETURN(const ApiAnswer read,
                   client.Call({.path = resource.Path()}));
  RETURN_IF_ERROR(ApiError("get", resource, read));
  ASSIGN_OR_RETURN(const std::string patch, TaintRemovalPatch(read.body, key));
  if (patch.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const ApiAnswer patched,
      client.Call({.method = "PATCH",
                   .path = resource.Path(),
                   .body = patch,
                   .content_type = "application/json-patch+json"}));
  const absl::Status status = ApiError("patch", resource, patched);
  // A test of the patch that fails is 422 there.
  if (patched.code == 409 || patched.code == 422) {
    return absl::AbortedError(status.message());
  }
  return status;
}

}  // namespace oneagent
