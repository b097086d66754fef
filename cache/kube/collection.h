// What a Reflector fills: a copy of some objects of one kind, made of list
// pages and watch events. Belongs to one thread.
#ifndef CACHE_KUBE_COLLECTION_H_
#define CACHE_KUBE_COLLECTION_H_

#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "cache/kube/watch_decoder.h"
#include "proto/dynakube.pb.h"
#include "proto/kube_api.pb.h"

namespace oneagent {

class Collection {
 public:
  virtual ~Collection() = default;

  // A list is a beginning, pages, and an end; only the end changes what is
  // there, by what the pages hold. A list that is begun again is forgotten.
  virtual void BeginList() = 0;
  // InvalidArgument when `body` is no list of this kind; a single object that
  // cannot be read is kept as its error. No value of an object is in either.
  virtual absl::StatusOr<v1::ListMeta> AddPage(const std::string& body) = 0;
  virtual void EndList() = 0;
  // Of type kAdded, kModified or kDeleted.
  virtual void Apply(const WatchEvent& event) = 0;
};

// Objects by name, or why one cannot be read.
template <typename Object>
class ObjectMap : public Collection {
 public:
  using Objects = std::map<std::string, absl::StatusOr<Object>>;

  void BeginList() override { listed_.clear(); }
  absl::StatusOr<v1::ListMeta> AddPage(const std::string& body) override;
  void EndList() override { objects_ = std::exchange(listed_, {}); }
  void Apply(const WatchEvent& event) override;

  const Objects& objects() const { return objects_; }

 private:
  Objects objects_;
  Objects listed_;  // by the list that is under way
};

// Those that there are.
extern template class ObjectMap<v1::DynaKube>;
extern template class ObjectMap<v1::Secret>;
extern template class ObjectMap<v1::ConfigMap>;

}  // namespace oneagent

#endif  // CACHE_KUBE_COLLECTION_H_
