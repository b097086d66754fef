#include "cache/collect/collector.h"
