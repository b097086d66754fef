#include "base/durable_file.h"
