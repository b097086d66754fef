#include "overlay/layer_stack.h"
