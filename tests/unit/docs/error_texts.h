// Every error text that the sources can say, found by reading them.
#ifndef TESTS_UNIT_DOCS_ERROR_TEXTS_H_
#define TESTS_UNIT_DOCS_ERROR_TEXTS_H_

#include <map>
#include <set>
#include <string>
#include <vector>

namespace oneagent {

// Texts ("<>" for what only a run knows), and where each is said. Texts that
// are nothing but what somebody else said are left out.
std::map<std::string, std::set<std::string>> FindErrorTexts();

// The checks of `oneagent-csi doctor`.
std::set<std::string> FindDoctorChecks();

}  // namespace oneagent

#endif  // TESTS_UNIT_DOCS_ERROR_TEXTS_H_
