// Ways to spoil an index file, and records to rebuild it from.
#ifndef TESTS_UNIT_INDEX_INDEX_DAMAGE_H_
#define TESTS_UNIT_INDEX_INDEX_DAMAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/index/index_fixture.h"

namespace oneagent {

void Garbage(const std::string& path);  // same inode, no database
void Truncate(const std::string& path, int64_t size);
// 0xff from `offset` to the end.
void Scribble(const std::string& path, int64_t offset);
// Runs SQL on a database with a connection of its own; aborts on failure.
void Sql(const std::string& path, const char* sql);
uint32_t ModeOf(const std::string& path);  // permission bits

class DamagedIndexTest : public IndexTest {
 protected:
  // What a provisioner leaves beside the index: agents a1 (whole), a2 (its
  // tree is gone), config c1, and the tenants dk (a1, c1), gone (deleted) and
  // lost (its agent has no record).
  void WriteRecords();
  void ExpectRowsOfRecords();
  void RemoveIndex();                      // index.db alone
  std::vector<std::string> Names() const;  // in the data directory
};

}  // namespace oneagent

#endif  // TESTS_UNIT_INDEX_INDEX_DAMAGE_H_
