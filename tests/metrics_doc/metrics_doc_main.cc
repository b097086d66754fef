// Prints docs/metrics.md; ./dev docs puts it where it belongs.
#include <iostream>

#include "tests/metrics_doc/metrics_doc.h"

int main() {
  std::cout << oneagent::MetricsDoc();
  return std::cout.flush() ? 0 : 1;
}
