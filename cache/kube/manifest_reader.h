// Kubernetes objects out of manifest texts: DynaKubes (dynatrace.com/v1beta1
// to v1beta6), Secrets and ConfigMaps, alone or in a List; everything else is
// left out silently. What is broken becomes a SourceProblem and leaves the
// rest alone; no value of a manifest appears in a problem. Not thread-safe.
//
//   ManifestReader reader;
//   reader.Add("a.yaml", text);
//   ClusterState state = std::move(reader).Finish();
#ifndef CACHE_KUBE_MANIFEST_READER_H_
#define CACHE_KUBE_MANIFEST_READER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "cache/kube/dynakube_source.h"
#include "cache/kube/yaml_json.h"
#include "proto/dynakube.pb.h"

namespace oneagent {

// What kubectl assumes for an object without a namespace.
inline constexpr char kDefaultNamespace[] = "default";

class ManifestReader {
 public:
  // All documents of one file.
  void Add(absl::string_view file, absl::string_view text);

  // A whole file that could not be read: a DynaKube may be hidden in it.
  void AddUnreadable(absl::string_view file, absl::string_view cause);

  // DynaKubes sorted by name. Of several with one name none is used: the name
  // is the key of everything on the node (problem, naming all of them).
  ClusterState Finish() &&;

 private:
  struct Found {
    std::string place;  // "<file>:<line>"
    v1::DynaKube dynakube;
  };
  // An object, or the objects of a list.
  void AddDocument(absl::string_view file, const YamlDocument& document);
  void AddObject(const std::string& place, const std::string& json,
                 const v1::ObjectHeader& header);
  void AddDynaKube(const std::string& place, const std::string& json,
                   const v1::ObjectHeader& header);
  void AddSecret(const std::string& place, const std::string& json,
                 const v1::ObjectHeader& header);
  void AddConfigMap(const std::string& place, const std::string& json,
                    const v1::ObjectHeader& header);
  // Nobody can tell which object it is.
  void AddBrokenObject(const std::string& place, const std::string& object,
                       absl::string_view cause);
  void AddBroken(const std::string& place, absl::string_view cause);
  void AddProblem(const std::string& place, absl::string_view cause,
                  absl::string_view dynakube = "");

  std::vector<Found> dynakubes_;
  ClusterState state_;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_MANIFEST_READER_H_
