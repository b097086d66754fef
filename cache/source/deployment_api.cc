#include "cache/source/deployment_api.h"
