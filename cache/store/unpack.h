// Unpacks an archive (zip, tar, tar.gz/.xz/.zst; libarchive) into a directory,
// trusting nothing in it. Never writes outside of the directory: every
// entry is created relative to an open directory descriptor without following
// links. Thread-safe for different destinations.
#ifndef CACHE_STORE_UNPACK_H_
#define CACHE_STORE_UNPACK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/manifest.pb.h"

namespace oneagent {

struct UnpackLimits {
  int64_t max_bytes = int64_t{8} << 30;  // sum of file sizes
  int64_t max_entries = 200'000;
  int64_t max_path = 1024;  // bytes of one entry's path
  // Sum of all paths and link targets: they are kept in memory.
  int64_t max_name_bytes = int64_t{16} << 20;
};

struct UnpackedTree {
  int64_t bytes = 0;
  int64_t files = 0;
  std::vector<v1::TreeEntry> entries;  // sorted by path, without the root
};

// Called with bytes of the archive read so far and its size.
using UnpackProgress = std::function<void(int64_t done, int64_t total)>;

// Unpacks `archive` into `destination`, a directory that this call makes (it
// must not exist; its parent must allow a `<destination>.lifted` beside it).
// Modes: directories 0755 (missing parents too), files 0644 or 0755 when any x
// bit is set, agent/conf/* 0666, log/ 1777 (made when the archive has none);
// never setuid. An archive whose content stands below opt/dynatrace/oneagent/
// is unpacked from there, and so is one that stands below a single directory.
// After it, agent/bin/current points to the version directory of agent/bin that
// agent/installer.version names, else to the first, if there is one.
//
// Errors, all InvalidArgument naming the entry: path that leaves the tree
// ("..", absolute), symlink or hard link that does (a symlink's ".." may stand
// only at the front of its target), device, socket or fifo,
// entry through a symlink or over another type, duplicate file, damaged or
// truncated archive, limit exceeded. ResourceExhausted when the disk is full.
// On error `destination` may be left half-filled: the caller deletes it.
absl::StatusOr<UnpackedTree> UnpackArchive(const std::string& archive,
                                           const std::string& destination,
                                           const UnpackLimits& limits,
                                           const UnpackProgress& progress);

// Describes a tree on disk as its manifest would: for verify and for layers
// that were not unpacked from an archive.
absl::StatusOr<UnpackedTree> DescribeTree(const std::string& root);

}  // namespace oneagent

#endif  // CACHE_STORE_UNPACK_H_
