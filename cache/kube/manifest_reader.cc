#include "cache/kube/manifest_reader.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cache/kube/object_json.h"

namespace oneagent {
namespace {

constexpr char kGroupPrefix[] = "dynatrace.com/";

std::string FullName(const v1::ObjectMeta& meta) {
  return absl::StrCat(meta.namespace_(), "/", meta.name());
}

template <typename Object>
bool Contains(const std::vector<Object>& objects, const v1::ObjectMeta& meta) {
  return std::any_of(objects.begin(), objects.end(), [&](const Object& o) {
    return FullName(o.metadata()) == FullName(meta);
  });
}

absl::StatusOr<v1::Secret> ReadSecret(const std::string& json) {
  const absl::StatusOr<v1::SecretManifest> manifest =
      ParseObject<v1::SecretManifest>(json);
  if (!manifest.ok()) return manifest.status();
  v1::Secret secret;
  for (const auto& [key, value] : manifest->data()) {
    std::string decoded;
    if (!absl::Base64Unescape(value, &decoded)) {
      return absl::InvalidArgumentError(
          absl::StrCat("data.", key, ": not base64"));
    }
    (*secret.mutable_data())[key] = decoded;
  }
  for (const auto& [key, value] : manifest->string_data()) {
    (*secret.mutable_data())[key] = value;
  }
  return secret;
}

// Kind and name; `list` says what its items leave out: a SecretList's carry no
// kind of their own, a plain List's do.
absl::StatusOr<v1::ObjectHeader> ReadHeader(const std::string& json,
                                            const v1::ObjectHeader& list) {
  absl::StatusOr<v1::ObjectHeader> header = ParseObject<v1::ObjectHeader>(json);
  if (!header.ok()) return header;
  if (header->kind().empty()) {
    header->set_kind(std::string(absl::StripSuffix(list.kind(), "List")));
  }
  if (header->kind().empty()) return absl::InvalidArgumentError("no kind");
  if (header->api_version().empty()) {
    header->set_api_version(list.api_version());
  }
  if (header->metadata().namespace_().empty()) {
    header->mutable_metadata()->set_namespace_(kDefaultNamespace);
  }
  return header;
}

bool IsList(const v1::ObjectHeader& header) {
  return absl::EndsWith(header.kind(), "List");
}

}  // namespace

void ManifestReader::Add(absl::string_view file, absl::string_view text) {
  for (const YamlDocument& document : ReadYamlDocuments(text)) {
    const std::string place = absl::StrCat(file, ":", document.line);
    if (document.json.ok()) {
      AddDocument(file, document);
    } else {
      AddBroken(place, document.json.status().message());
    }
  }
}

void ManifestReader::AddUnreadable(absl::string_view file,
                                   absl::string_view cause) {
  AddBroken(std::string(file), cause);
}

void ManifestReader::AddDocument(absl::string_view file,
                                 const YamlDocument& document) {
  const std::string place = absl::StrCat(file, ":", document.line);
  const auto header = ReadHeader(*document.json, v1::ObjectHeader());
  if (!header.ok()) return AddBroken(place, header.status().message());
  if (!IsList(*header)) return AddObject(place, *document.json, *header);
  for (const YamlItem& item : document.items) {
    const std::string item_place = absl::StrCat(file, ":", item.line);
    const auto item_header = ReadHeader(item.json, *header);
    if (item_header.ok()) {
      AddObject(item_place, item.json, *item_header);
    } else {
      AddBroken(item_place, item_header.status().message());
    }
  }
}

// What is none of ours, a list within a list too, is left out.
void ManifestReader::AddObject(const std::string& place,
                               const std::string& json,
                               const v1::ObjectHeader& header) {
  const std::string& kind = header.kind();
  const std::string& api = header.api_version();
  if (kind == "DynaKube" && absl::StartsWith(api, kGroupPrefix)) {
    AddDynaKube(place, json, header);
  } else if (kind == "Secret" && api == "v1") {
    AddSecret(place, json, header);
  } else if (kind == "ConfigMap" && api == "v1") {
    AddConfigMap(place, json, header);
  }
}

void ManifestReader::AddDynaKube(const std::string& place,
                                 const std::string& json,
                                 const v1::ObjectHeader& header) {
  const std::string& name = header.metadata().name();
  if (!IsDynaKubeName(name)) {
    return AddBroken(place, "metadata.name: not a DNS-1035 label");
  }
  const absl::string_view version =
      absl::StripPrefix(header.api_version(), kGroupPrefix);
  if (std::find(kDynaKubeVersions.begin(), kDynaKubeVersions.end(), version) ==
      kDynaKubeVersions.end()) {
    return AddProblem(place,
                      absl::StrCat("apiVersion ", header.api_version(),
                                   ": not supported, use ", kGroupPrefix,
                                   kDynaKubeVersions.back()),
                      name);
  }
  absl::StatusOr<v1::DynaKube> dynakube = ParseObject<v1::DynaKube>(json);
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
    return AddBrokenObject(place, absl::StrCat("Secret ", name),
                           secret.status().message());
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
  absl::StatusOr<v1::ConfigMap> config_map = ParseObject<v1::ConfigMap>(json);
  if (!config_map.ok()) {
    return AddBrokenObject(place, absl::StrCat("ConfigMap ", name),
                           config_map.status().message());
  }
  if (Contains(state_.config_maps, header.metadata())) {
    return AddProblem(place, absl::StrCat("ConfigMap ", name,
                                          ": was there before, left out"));
  }
  *config_map->mutable_metadata() = header.metadata();
  state_.config_maps.push_back(*std::move(config_map));
}

void ManifestReader::AddBrokenObject(const std::string& place,
                                     const std::string& object,
                                     absl::string_view cause) {
  state_.broken_objects.push_back({object, std::string(cause)});
  AddProblem(place, absl::StrCat(object, ": ", cause));
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
