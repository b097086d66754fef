#include "cache/collect/plan.h"
