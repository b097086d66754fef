#include "tests/support/fake_kube_text.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <stdlib.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/json.h"

namespace oneagent {
namespace {

using google::protobuf::Struct;

std::string Printed(const Struct& object) {
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(object, &text).ok()) abort();
  return text;
}

}  // namespace

NamedObject WithVersion(const std::string& json, int64_t version) {
  Struct object;
  if (!ParseJson(json, &object).ok()) abort();
  Struct* const meta =
      (*object.mutable_fields())["metadata"].mutable_struct_value();
  (*meta->mutable_fields())["resourceVersion"].set_string_value(
      absl::StrCat(version));
  return {.name = meta->fields().at("name").string_value(),
          .json = Printed(object)};
}

std::string EventLine(const std::string& type, const std::string& object) {
  return absl::StrCat("{\"type\":\"", type, "\",\"object\":", object, "}\n");
}

std::string StatusBody(int code, const std::string& reason,
                       const std::string& message) {
  Struct status;
  auto& fields = *status.mutable_fields();
  fields["kind"].set_string_value("Status");
  fields["apiVersion"].set_string_value("v1");
  fields["status"].set_string_value("Failure");
  fields["reason"].set_string_value(reason);
  fields["message"].set_string_value(message);
  fields["code"].set_number_value(code);
  return Printed(status);
}

std::string WithoutVersion(const std::string& path) {
  const std::string prefix = absl::StrCat(kGroupPath, "/");
  if (!absl::StartsWith(path, prefix)) return path;
  return absl::StrCat(prefix, path.substr(path.find('/', prefix.size())));
}

std::string WantedName(const httplib::Request& request) {
  constexpr absl::string_view kByName = "metadata.name=";
  const std::string selector = request.get_param_value("fieldSelector");
  return absl::StartsWith(selector, kByName) ? selector.substr(kByName.size())
                                             : "";
}

int64_t IntParam(const httplib::Request& request, const char* name) {
  int64_t number = 0;
  return absl::SimpleAtoi(request.get_param_value(name), &number) ? number : 0;
}

}  // namespace oneagent
