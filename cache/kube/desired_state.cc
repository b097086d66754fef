#include "cache/kube/desired_state.h"
