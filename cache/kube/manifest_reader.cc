#include "cache/kube/manifest_reader.h"

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cache/kube/yaml_json.h"
#include "proto/json.h"

namespace oneagent {
namespace {

using google::protobuf::Struct;

constexpr char kGroup[] = "dynatrace.com/";
constexpr std::array<absl::string_view, 6> kVersions = {
    "v1beta1", "v1beta2", "v1beta3", "v1beta4", "v1beta5", "v1beta6"};

bool IsDnsLabel(absl::string_view text) {
  if (text.empty() || text.size() > 63 || text.back() == '-' ||
      !absl::ascii_islower(static_cast<unsigned char>(text[0]))) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return absl::ascii_islower(u) || absl::ascii_isdigit(u) || c == '-';
  });
}

// "spec.one_agent.host_group" as people write it.
std::string JsonPath(absl::string_view path) {
  std::string out;
  bool raise = false;
  for (const char c : path) {
    if (c == '_') {
      raise = true;
      continue;
    }
    out += raise ? absl::ascii_toupper(static_cast<unsigned char>(c)) : c;
    raise = false;
  }
  return out;
}

// Protobuf's "(spec.proxy): invalid value <value> for type …" without the
// value, which may be a credential.
std::string FieldCause(const absl::Status& status) {
  absl::string_view message = status.message();
  const size_t end = message.find("): ");
  if (!absl::ConsumePrefix(&message, "(") || end == absl::string_view::npos) {
    return "not a Kubernetes object";
  }
  return absl::StrCat(JsonPath(message.substr(0, end - 1)),
                      ": not of the expected type");
}

template <typename Message>
absl::StatusOr<Message> Parse(const std::string& json) {
  Message message;
  const absl::Status status = ParseJson(json, &message);
  if (!status.ok()) return absl::InvalidArgumentError(FieldCause(status));
  return message;
}

v1::ObjectMeta Named(const v1::ObjectMeta& meta) {
  v1::ObjectMeta named = meta;
  if (named.namespace_().empty()) named.set_namespace_(kDefaultNamespace);
  return named;
}

std::string FullName(const v1::ObjectMeta& meta) {
  return absl::StrCat(meta.namespace_(), "/", meta.name());
}

template <typename Object>
bool Contains(const std::vector<Object>& objects, const v1::ObjectMeta& meta) {
  return std::any_of(objects.begin(), objects.end(), [&](const Object& o) {
    return FullName(o.metadata()) == FullName(meta);
  });
}

// The strings of one map of an object, "" for null; the name of the first key
// with anything else is the error.
absl::StatusOr<std::map<std::string, std::string>> Strings(
    const Struct& object, const std::string& field) {
  std::map<std::string, std::string> strings;
  const auto found = object.fields().find(field);
  if (found == object.fields().end() || found->second.has_null_value()) {
    return strings;
  }
  if (!found->second.has_struct_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": not of the expected type"));
  }
  for (const auto& [key, value] : found->second.struct_value().fields()) {
    if (!value.has_string_value() && !value.has_null_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, ".", key, ": not a string"));
    }
    strings[key] = value.string_value();
  }
  return strings;
}

// Not by protobuf's mapping of bytes: it refuses the line breaks that a block
// scalar brings, and quotes the value when it does.
absl::StatusOr<v1::Secret> ReadSecret(const std::string& json) {
  const absl::StatusOr<Struct> object = Parse<Struct>(json);
  if (!object.ok()) return object.status();
  const auto data = Strings(*object, "data");
  if (!data.ok()) return data.status();
  const auto string_data = Strings(*object, "stringData");
  if (!string_data.ok()) return string_data.status();
  v1::Secret secret;
  for (const auto& [key, value] : *data) {
    std::string decoded;
    if (!absl::Base64Unescape(value, &decoded)) {
      return absl::InvalidArgumentError(
          absl::StrCat("data.", key, ": not base64"));
    }
    (*secret.mutable_data())[key] = decoded;
  }
  for (const auto& [key, value] : *string_data) {
    (*secret.mutable_data())[key] = value;
  }
  return secret;
}

}  // namespace

void ManifestReader::Add(absl::string_view file, absl::string_view text) {
  for (const YamlDocument& document : ReadYamlDocuments(text)) {
    const std::string place = absl::StrCat(file, ":", document.line);
    if (document.json.ok()) {
      AddObject(place, *document.json, /*in_list=*/{});
    } else {
      AddBroken(place, document.json.status().message());
    }
  }
}

void ManifestReader::AddUnreadable(absl::string_view file,
                                   absl::string_view cause) {
  AddBroken(std::string(file), cause);
}

void ManifestReader::AddObject(const std::string& place,
                               const std::string& json,
                               const ItemKind& in_list) {
  absl::StatusOr<v1::ObjectHeader> header = Parse<v1::ObjectHeader>(json);
  if (!header.ok()) return AddBroken(place, header.status().message());
  if (header->kind().empty()) header->set_kind(in_list.kind);
  if (header->api_version().empty()) {
    header->set_api_version(in_list.api_version);
  }
  *header->mutable_metadata() = Named(header->metadata());
  const std::string& kind = header->kind();
  const std::string& api = header->api_version();
  if (kind.empty()) return AddBroken(place, "no kind");
  if (absl::EndsWith(kind, "List")) {
    // A list within a list is nothing that Kubernetes knows, and no end.
    if (in_list.kind.empty()) AddList(place, json, *header);
  } else if (kind == "DynaKube" && absl::StartsWith(api, kGroup)) {
    AddDynaKube(place, json, *header);
  } else if (kind == "Secret" && api == "v1") {
    AddSecret(place, json, *header);
  } else if (kind == "ConfigMap" && api == "v1") {
    AddConfigMap(place, json, *header);
  }
}

void ManifestReader::AddList(const std::string& place, const std::string& json,
                             const v1::ObjectHeader& list) {
  const absl::StatusOr<Struct> object = Parse<Struct>(json);
  if (!object.ok()) return AddBroken(place, object.status().message());
  const auto items = object->fields().find("items");
  if (items == object->fields().end()) return;
  // SecretList's items carry no kind of their own; plain List's do.
  const std::string item_kind(absl::StripSuffix(list.kind(), "List"));
  const ItemKind in_list = {.kind = item_kind.empty() ? "?" : item_kind,
                            .api_version = list.api_version()};
  for (const auto& item : items->second.list_value().values()) {
    AddObject(place, PrintJson(item), in_list);
  }
}

void ManifestReader::AddDynaKube(const std::string& place,
                                 const std::string& json,
                                 const v1::ObjectHeader& header) {
  const std::string& name = header.metadata().name();
  if (!IsDnsLabel(name)) {
    return AddBroken(place, "metadata.name: not a DNS-1035 label");
  }
  const absl::string_view version =
      absl::StripPrefix(header.api_version(), kGroup);
  if (std::find(kVersions.begin(), kVersions.end(), version) ==
      kVersions.end()) {
    return AddProblem(
        place,
        absl::StrCat("apiVersion ", header.api_version(),
                     ": not supported, use ", kGroup, kVersions.back()),
        name);
  }
  absl::StatusOr<v1::DynaKube> dynakube = Parse<v1::DynaKube>(json);
  if (!dynakube.ok()) {
    return AddProblem(place, dynakube.status().message(), name);
  }
  dynakube->set_api_version(header.api_version());
  dynakube->set_kind(header.kind());
  *dynakube->mutable_metadata() = header.metadata();
  dynakubes_.push_back({place, *std::move(dynakube)});
}

void ManifestReader::AddSecret(const std::string& place,
                               const std::string& json,
                               const v1::ObjectHeader& header) {
  const std::string name = FullName(header.metadata());
  absl::StatusOr<v1::Secret> secret = ReadSecret(json);
  if (!secret.ok()) {
    return AddProblem(
        place, absl::StrCat("Secret ", name, ": ", secret.status().message()));
  }
  if (Contains(state_.secrets, header.metadata())) {
    return AddProblem(
        place, absl::StrCat("Secret ", name, ": was there before, left out"));
  }
  *secret->mutable_metadata() = header.metadata();
  state_.secrets.push_back(*std::move(secret));
}

void ManifestReader::AddConfigMap(const std::string& place,
                                  const std::string& json,
                                  const v1::ObjectHeader& header) {
  const std::string name = FullName(header.metadata());
  absl::StatusOr<v1::ConfigMap> config_map = Parse<v1::ConfigMap>(json);
  if (!config_map.ok()) {
    return AddProblem(place, absl::StrCat("ConfigMap ", name, ": ",
                                          config_map.status().message()));
  }
  if (Contains(state_.config_maps, header.metadata())) {
    return AddProblem(place, absl::StrCat("ConfigMap ", name,
                                          ": was there before, left out"));
  }
  *config_map->mutable_metadata() = header.metadata();
  state_.config_maps.push_back(*std::move(config_map));
}

void ManifestReader::AddBroken(const std::string& place,
                               absl::string_view cause) {
  state_.complete = false;
  AddProblem(place, cause);
}

void ManifestReader::AddProblem(const std::string& place,
                                absl::string_view cause,
                                absl::string_view dynakube) {
  state_.problems.push_back({.object = place,
                             .cause = std::string(cause),
                             .dynakube = std::string(dynakube)});
}

ClusterState ManifestReader::Finish() && {
  std::map<std::string, std::vector<Found*>> by_name;
  for (Found& found : dynakubes_) {
    by_name[found.dynakube.metadata().name()].push_back(&found);
  }
  for (auto& [name, found] : by_name) {
    if (found.size() == 1) {
      state_.dynakubes.push_back(std::move(found[0]->dynakube));
      continue;
    }
    std::vector<std::string> all;
    for (const Found* each : found) {
      all.push_back(absl::StrCat(FullName(each->dynakube.metadata()), " (",
                                 each->place, ")"));
    }
    state_.problems.push_back(
        {.object =
             absl::StrCat("DynaKube ", FullName(found[0]->dynakube.metadata())),
         .cause = absl::StrCat("several DynaKubes of one name, none is used: ",
                               absl::StrJoin(all, ", ")),
         .dynakube = name});
  }
  return std::move(state_);
}

}  // namespace oneagent
