#include "base/failpoint.h"
