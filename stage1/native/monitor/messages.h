/* What apps of the pod say of themselves, on its way to our own service manager. */
#pragma once

#include "basic/events.h"

/* Watches run/status, if there is a manager to tell. */
void messages_open(struct source *source);
