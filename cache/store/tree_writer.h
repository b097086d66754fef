// Builds one tree on disk out of entries in any order, and its description on
// the way. Paths are as NormalizeEntryPath returns them, never "".
//
// Every entry is created by openat2 below the tree's own descriptor, exclusive
// and without following links; what stands where is also known by heart, so
// that no entry is ever created through, or over, another one.
//
// Errors of Add… and Append: InvalidArgument (the cause alone) for what the
// archive has done wrong; ResourceExhausted, disk full; else PosixStatus,
// naming the path. After an error the tree is to be deleted. Not thread-safe.
#ifndef CACHE_STORE_TREE_WRITER_H_
#define CACHE_STORE_TREE_WRITER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/sha256.h"
#include "base/unique_fd.h"
#include "cache/store/unpack.h"
#include "cache/store/writeback.h"
#include "proto/manifest.pb.h"

namespace oneagent {

class TreeWriter {
 public:
  // Makes `root`, which must not exist (AlreadyExists).
  static absl::StatusOr<std::unique_ptr<TreeWriter>> Create(
      std::string root, const UnpackLimits& limits);

  // A directory may be added twice; missing parents are made.
  absl::Status AddDirectory(const std::string& path);
  absl::Status AddSymlink(const std::string& path, const std::string& target);
  // `existing`: a regular file that was added before.
  absl::Status AddHardLink(const std::string& path,
                           const std::string& existing);
  // A regular file: begin, append, end.
  absl::Status BeginFile(const std::string& path, uint32_t mode);
  absl::Status Append(absl::string_view bytes);
  void EndFile();

  // What agents need beyond their archive: kArchivePrefix becomes the root if
  // a file stands below it (the rest is dropped then), so does a directory that
  // everything stands below beside nothing else; log/ and agent/bin/current are
  // made.
  absl::Status CompleteAgent();

  // The description of what was written. The writer is spent.
  UnpackedTree Describe();

 private:
  struct OpenFile {
    std::string path;
    UniqueFd fd;
    int64_t size = 0;
    Sha256 hasher;
  };

  TreeWriter(std::string root, UniqueFd root_fd, const UnpackLimits& limits);

  // A new entry of the tree, its parents made. Refuses what exists.
  absl::StatusOr<v1::TreeEntry*> Insert(const std::string& path,
                                        v1::TreeEntry::Type type);
  absl::Status EnsureDirectory(const std::string& path);
  absl::StatusOr<UniqueFd> OpenParent(const std::string& path) const;
  std::string PrefixToLift() const;
  absl::Status LiftPrefix(const std::string& prefix);
  absl::Status FitLifted(const std::string& path, v1::TreeEntry& entry);
  absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                            size_t most) const;
  absl::StatusOr<std::string> CurrentVersion() const;
  std::string Full(absl::string_view path) const;
  absl::Status InTree(const absl::Status& status) const;

  const std::string root_;
  const UnpackLimits limits_;
  UniqueFd root_fd_;
  std::map<std::string, v1::TreeEntry> entries_;
  int64_t name_bytes_ = 0;
  int64_t written_ = 0;
  std::unique_ptr<OpenFile> file_;
  Writeback writeback_;
};

}  // namespace oneagent

#endif  // CACHE_STORE_TREE_WRITER_H_
