#include "base/flags.h"
