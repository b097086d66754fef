#include "base/privilege.h"
