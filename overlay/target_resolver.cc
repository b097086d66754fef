#include "overlay/target_resolver.h"
