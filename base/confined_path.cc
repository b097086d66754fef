#include "base/confined_path.h"
