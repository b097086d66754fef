// doctor: gather, judge, look again, print.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "cache/inspect/csi_calls.h"
#include "cache/inspect/diagnose.h"
#include "cache/inspect/json_output.h"
#include "cache/inspect/node_facts.h"
#include "cache/inspect/verbs.h"
#include "proto/inspect.pb.h"

namespace oneagent {
namespace {

absl::StatusOr<std::vector<Finding>> Look(const Invocation& it,
                                          const std::string& socket_path,
                                          const Console& console) {
  ASSIGN_OR_RETURN(const NodeFacts facts,
                   GatherFacts(it.data_dir, socket_path, console.clock.Now()));
  return Diagnose(facts, {.min_free_percent = it.min_free_percent});
}

v1::FindingView ViewOf(const Finding& finding) {
  v1::FindingView view;
  view.set_check(finding.check);
  view.set_subject(ValidUtf8(finding.subject));
  view.set_problem(ValidUtf8(finding.problem));
  view.set_advice(finding.advice);
  return view;
}

void PrintText(const std::vector<Finding>& findings, const Console& console) {
  if (findings.empty()) {
    console.out << "no findings: index, disk, mounts and socket agree\n";
    return;
  }
  for (const Finding& finding : findings) {
    console.out << finding.check << "  " << TerminalText(finding.subject)
                << "\n"
                << "    " << TerminalText(finding.problem) << "\n"
                << "    -> " << finding.advice << "\n";
  }
  console.out << findings.size()
              << (findings.size() == 1 ? " finding\n" : " findings\n");
}

}  // namespace

VerbResult RunDoctor(const Invocation& it, const Console& console) {
  ASSIGN_OR_RETURN(const std::string socket_path, SocketPath(it.endpoint));
  ASSIGN_OR_RETURN(std::vector<Finding> findings,
                   Look(it, socket_path, console));
  if (!findings.empty()) {
    // The daemons go on while we look: what is between two of their steps at
    // one moment is not between them at another.
    absl::SleepFor(console.second_look);
    ASSIGN_OR_RETURN(const std::vector<Finding> again,
                     Look(it, socket_path, console));
    findings = Persisting(findings, again);
  }
  if (it.output == Output::kJson) {
    std::vector<v1::FindingView> views;
    for (const Finding& finding : findings) views.push_back(ViewOf(finding));
    console.out << JsonArray(views);
  } else {
    PrintText(findings, console);
  }
  return findings.empty() ? kExitFine : kExitFinding;
}

}  // namespace oneagent
