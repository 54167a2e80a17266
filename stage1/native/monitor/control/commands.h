/* What commands may ask of the monitor at run/control. Their owner is the pod's struct apps. */
#pragma once

#include "control.h"

extern const struct control_verb commands[];
