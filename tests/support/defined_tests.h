// Which tests there are, as the sources say: for lists of tests in documents
// and in other tests.
#ifndef TESTS_SUPPORT_DEFINED_TESTS_H_
#define TESTS_SUPPORT_DEFINED_TESTS_H_

#include <set>
#include <string>

namespace oneagent {

// "Suite.Name" of each TEST, TEST_F and TEST_P in a *_test.cc of tests/.
std::set<std::string> DefinedTests();

}  // namespace oneagent

#endif  // TESTS_SUPPORT_DEFINED_TESTS_H_
